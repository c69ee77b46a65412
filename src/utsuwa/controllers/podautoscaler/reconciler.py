"""PodAutoscaler (class KPA): bounds, the way to zero, the ServerlessService, conditions.

`spec/autoscaling.md` §4, `spec/reconcilers.md` §6. What is wanted comes from the
:class:`~utsuwa.controllers.podautoscaler.scaler.Scaler`; every rule applied here is a pure
function of :mod:`utsuwa.autoscale`. In our data plane the gateway is always in path, so the
activator's probe is always answered; Proxy and Serve are still computed as the original does.
"""

from utsuwa.autoscale.autoscaler import Autoscaler
from utsuwa.autoscale.burst import Mode, activators, mode_for
from utsuwa.autoscale.parameters import (
    MIN_ACTIVATORS,
    UNKNOWN_SCALE,
    Parameters,
    Reachability,
    resolve,
)
from utsuwa.autoscale.scaling import Active, Activity, Scaling, Situation, judge, scale
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context
from utsuwa.controllers.passes import (
    NotOwnedError,
    StatusReconciler,
    check_owned,
    create_child,
    find,
)
from utsuwa.controllers.podautoscaler.budget import LOOK_EVERY
from utsuwa.controllers.podautoscaler.children import (
    serverless_service_of,
    serverless_service_update,
)
from utsuwa.controllers.podautoscaler.pods import NO_PODS, PodCounts
from utsuwa.controllers.podautoscaler.scaler import Scaler, Target
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model import names
from utsuwa.model.conditions import condition, is_failed
from utsuwa.model.kinds import DEPLOYMENT, POD_AUTOSCALER, SERVERLESS_SERVICE
from utsuwa.model.lifecycle import podautoscaler as lifecycle
from utsuwa.model.lifecycle import serverlessservice
from utsuwa.model.meta import annotations_of, name_of

_log = get_logger(__name__)

NO_PRIVATE_SERVICE = "The ServerlessService has no private Service yet."


class PodAutoscalerReconciler(StatusReconciler):
    """One pass over one PodAutoscaler."""

    def __init__(self, context: Context, scaler: Scaler) -> None:
        super().__init__(context, POD_AUTOSCALER, lifecycle.CONDITIONS)
        self._scaler = scaler

    def forget(self, key: Key) -> None:
        """The PodAutoscaler is gone: stop measuring."""
        self._scaler.forget(key)

    async def run(self, document: Document) -> float | None:
        """One pass; see the module."""
        key, status = key_of(document), document["status"]
        parameters = self._parameters(document)
        sks = await find(self.context, SERVERLESS_SERVICE, key)
        private = dig(sks, "status", "privateServiceName", default="")
        if sks is None or not private:
            sks = await self._ensure_sks(document, sks, Mode.PROXY, MIN_ACTIVATORS)
            lifecycle.mark_sks_not_ready(status, NO_PRIVATE_SERVICE)
            if is_failed(sks):
                lifecycle.propagate_sks(status, sks)
            _conclude(status, parameters, UNKNOWN_SCALE, NO_PODS)
            return None
        status["metricsServiceName"] = private
        autoscaler = self._scaler.track(key, _target(document, parameters))
        limited = self._scaler.budget.watched(key, autoscaler.parameters)
        scaling = await self._scale(document, autoscaler, limited, sks)
        counts = self._scaler.counts(key)
        mode = mode_for(scaling.want, autoscaler.excess)
        number = activators(parameters, counts.ready)
        sks = await self._ensure_sks(document, sks, mode, number)
        lifecycle.propagate_sks(status, sks)
        _conclude(status, limited, scaling.want, counts)
        if limited is autoscaler.parameters:
            return scaling.again
        return min(LOOK_EVERY, scaling.again or LOOK_EVERY)

    def _parameters(self, document: Document) -> Parameters:
        settings = self.context.settings.current
        return resolve(
            annotations_of(document),
            settings.autoscaler,
            container_concurrency=dig(document, "spec", "containerConcurrency", default=0),
            reachability=Reachability.of(dig(document, "spec", "reachability")),
            progress_deadline=settings.deployment.progress_deadline,
        )

    async def _scale(
        self, document: Document, autoscaler: Autoscaler, limited: Parameters, sks: Document
    ) -> Scaling:
        """Bound what is wanted and set it. Nothing is awaited between reading what is wanted and
        handing the patch over, so a wake-up that comes meanwhile has the last word."""
        key, status = key_of(document), document["status"]
        target = _scale_target(document)
        deployment = await find(self.context, DEPLOYMENT, target)
        now = self.context.clock.now()
        scaling = scale(
            limited,
            Situation(
                now=now,
                desired=autoscaler.desired,
                activity=_activity(status, now),
                initialized=lifecycle.is_scale_target_initialised(status),
                mode=_mode_of(sks),
                proxied_for=_proxied_for(sks, now),
            ),
        )
        self._scaler.note(key, scaling)
        if scaling.apply:
            self._scaler.budget.promise(key, scaling.want)
        replicas = dig(deployment, "spec", "replicas", default=1)
        if scaling.apply and deployment is not None and replicas != scaling.want:
            _log.debug("scaling", object=key, replicas=replicas, want=scaling.want)
            patch = {"spec": {"replicas": scaling.want}}
            await self.context.cluster.merge(DEPLOYMENT, target, patch, subresource="scale")
        return scaling

    async def _ensure_sks(
        self, document: Document, sks: Document | None, mode: Mode, number: int
    ) -> Document:
        wanted = serverless_service_of(document, mode, number)
        if sks is None:
            return await create_child(self.context, document, wanted)
        try:
            check_owned(sks, document)
        except NotOwnedError:
            lifecycle.mark_not_owned(document["status"], SERVERLESS_SERVICE.name, name_of(wanted))
            raise
        changed = serverless_service_update(sks, wanted)
        return sks if changed is None else await self.context.cluster.update(changed)


def _target(document: Document, parameters: Parameters) -> Target:
    return Target(
        deployment=_scale_target(document),
        parameters=parameters,
        initialized=lifecycle.is_scale_target_initialised(document["status"]),
    )


def _scale_target(document: Document) -> Key:
    key = key_of(document)
    default = names.deployment_name(key.name)
    return Key(key.namespace, dig(document, "spec", "scaleTargetRef", "name", default=default))


def _activity(status: Document, now: float) -> Activity:
    """The condition Active as it was before this pass; one that is new began now."""
    found = condition(status, lifecycle.ACTIVE) or {}
    stamp = found.get("lastTransitionTime") or ""
    since = parse_rfc3339(stamp) if stamp[:1].isdigit() else now
    return Activity(Active(found.get("status", "Unknown")), found.get("reason") or "", since)


def _mode_of(sks: Document) -> Mode:
    return Mode.SERVE if dig(sks, "spec", "mode") == Mode.SERVE.value else Mode.PROXY


def _proxied_for(sks: Document, now: float) -> float:
    """Seconds for which requests are held when there is no pod: the gateway does so from the
    start, so without the condition the ServerlessService's own age counts."""
    status = sks.get("status")
    if condition(status, serverlessservice.ACTIVATOR_ENDPOINTS_POPULATED) is None:
        created = dig(sks, "metadata", "creationTimestamp", default="")
        return now - parse_rfc3339(created) if created else 0.0
    return serverlessservice.proxy_for(status, now)


def _conclude(status: Document, parameters: Parameters, want: int, counts: PodCounts) -> None:
    """Counts and conditions at the end of a pass. An unknown scale never replaces a known one."""
    status["actualScale"] = counts.ready
    if want != UNKNOWN_SCALE or status.get("desiredScale", UNKNOWN_SCALE) < 0:
        status["desiredScale"] = want
    verdict = judge(
        parameters,
        want=want,
        ready=counts.ready,
        active=_activity(status, 0.0).status,
        initialized=lifecycle.is_scale_target_initialised(status),
        addressed=bool(status.get("serviceName")),
    )
    if verdict.initialized:
        lifecycle.mark_scale_target_initialised(status)
    if verdict.active is not None:
        _mark(status, *verdict.active)


def _mark(status: Document, active: Active, reason: str) -> None:
    if active is Active.TRUE:
        lifecycle.mark_active(status)
    elif active is Active.UNKNOWN:
        lifecycle.mark_queued(status)
    elif reason == lifecycle.TIMED_OUT:
        lifecycle.mark_timed_out(status)
    else:
        lifecycle.mark_no_traffic(status)
