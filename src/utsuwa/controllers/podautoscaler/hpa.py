"""PodAutoscaler of class HPA: replicas by processor or memory use (`spec/autoscaling.md` §7).

Where Kubernetes has an object and a controller of its own for this, we decide right here; the
rules are those of :mod:`utsuwa.autoscale.horizontal`. Such a revision is always active and never
goes to zero. Where the requested processor share is not given, the limit counts, else one core.
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from utsuwa.autoscale.burst import Mode
from utsuwa.autoscale.horizontal import (
    MEMORY,
    PERIOD,
    HorizontalDecider,
    HorizontalDecision,
    Use,
    resolve_horizontal,
)
from utsuwa.autoscale.parameters import Reachability, resolve, scaler_class
from utsuwa.autoscale.scaling import active_threshold
from utsuwa.cluster.errors import ApiError, ConflictError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller, owner_key
from utsuwa.controllers.passes import (
    NotOwnedError,
    StatusReconciler,
    check_owned,
    create_child,
    find,
)
from utsuwa.controllers.podautoscaler.children import (
    serverless_service_of,
    serverless_service_update,
)
from utsuwa.controllers.podautoscaler.pods import PodState, state_of
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.units import parse_quantity
from utsuwa.model import labels, names
from utsuwa.model.config_autoscaler import HPA_CLASS
from utsuwa.model.kinds import DEPLOYMENT, POD, POD_AUTOSCALER, SERVERLESS_SERVICE
from utsuwa.model.lifecycle import podautoscaler as lifecycle
from utsuwa.model.meta import annotations_of, name_of, uid_of
from utsuwa.model.usage import PodUse

ALL_ACTIVATORS = 0
KEPT = 240
"""Decisions remembered of each revision: an hour of them."""
MOST_UNTAKEN = 10_000
EARLY = 0.1
"""Seconds by which a timer may be early without being sent away again."""


class UsageSource(Protocol):
    """Who measures pods: the node agent."""

    def usage(self, uid: str) -> PodUse | None:
        """What the pod `uid` uses, or None where it cannot be told."""
        ...


class NothingMeasured:
    """A source that knows nothing: replicas stay within their bounds and otherwise as they are."""

    def usage(self, uid: str) -> PodUse | None:
        """Always None."""
        return None


class HorizontalHistory:
    """The last hour of decisions on each revision of class HPA. Mutable state: `_decisions`, and
    those that nobody has taken yet to keep them elsewhere, `_untaken`."""

    def __init__(self) -> None:
        self._decisions: dict[Key, deque[HorizontalDecision]] = {}
        self._untaken: deque[tuple[Key, HorizontalDecision]] = deque(maxlen=MOST_UNTAKEN)

    def __repr__(self) -> str:
        return f"<HorizontalHistory of {len(self._decisions)} revisions>"

    def add(self, revision: Key, decision: HorizontalDecision) -> None:
        """Remember `decision`."""
        self._decisions.setdefault(revision, deque(maxlen=KEPT)).append(decision)
        self._untaken.append((revision, decision))

    def restore(self, revision: Key, decisions: Sequence[HorizontalDecision]) -> None:
        """What was decided before control was started, oldest first."""
        self._decisions.setdefault(revision, deque(maxlen=KEPT)).extendleft(reversed(decisions))

    def take(self) -> list[tuple[Key, HorizontalDecision]]:
        """What is new since the last call."""
        taken = list(self._untaken)
        self._untaken.clear()
        return taken

    def of(self, revision: Key) -> list[HorizontalDecision]:
        """The decisions on `revision`, oldest first."""
        return list(self._decisions.get(revision, ()))

    def forget(self, revision: Key) -> None:
        """The revision is gone."""
        self._decisions.pop(revision, None)


class HorizontalReconciler(StatusReconciler):
    """One pass over one PodAutoscaler of class HPA.

    Mutable state: `_deciders` by revision, and `_due`, when each may decide again.
    """

    def __init__(
        self, context: Context, source: UsageSource, history: HorizontalHistory | None = None
    ) -> None:
        super().__init__(context, POD_AUTOSCALER, lifecycle.CONDITIONS)
        self._source = source
        self._history = history if history is not None else HorizontalHistory()
        self._deciders: dict[Key, HorizontalDecider] = {}
        self._due: dict[Key, float] = {}

    def forget(self, key: Key) -> None:
        """The PodAutoscaler is gone."""
        self._deciders.pop(key, None)
        self._due.pop(key, None)
        self._history.forget(key)

    async def run(self, document: Document) -> float | None:
        """One pass: the ServerlessService, a decision each 15 s, conditions."""
        status, settings = document["status"], self.context.settings.current
        reachability = Reachability.of(dig(document, "spec", "reachability"))
        sks = await self._ensure_sks(document)
        status["metricsServiceName"] = dig(sks, "status", "privateServiceName", default="")
        lifecycle.propagate_sks(status, sks)
        pods = self._ready_pods(document)
        desired = await self._scale(document, pods)
        status["actualScale"] = len(pods)
        status["desiredScale"] = desired
        bounds = resolve(annotations_of(document), settings.autoscaler, reachability=reachability)
        initialised = lifecycle.is_scale_target_initialised(status)
        if len(pods) >= active_threshold(bounds, initialized=initialised):
            lifecycle.mark_scale_target_initialised(status)
        lifecycle.mark_active(status)
        return self._due[key_of(document)] - self.context.clock.monotonic()

    async def _scale(self, document: Document, pods: list[Document]) -> int:
        key, now = key_of(document), self.context.clock.monotonic()
        target = Key(
            key.namespace,
            dig(
                document,
                "spec",
                "scaleTargetRef",
                "name",
                default=names.deployment_name(key.name),
            ),
        )
        deployment = await find(self.context, DEPLOYMENT, target)
        replicas: int = dig(deployment, "spec", "replicas", default=1)
        # Each reading is the base of a later average: a pod is read when it becomes ready.
        found = [(pod, self._source.usage(uid_of(pod))) for pod in pods]
        if now < self._due.get(key, now) - EARLY:
            return replicas
        decision = self._decide(document, replicas, found)
        self._history.add(key, decision)
        if deployment is not None and decision.desired != replicas:
            patch = {"spec": {"replicas": decision.desired}}
            await self.context.cluster.merge(DEPLOYMENT, target, patch, subresource="scale")
        self._due[key] = now + PERIOD  # not before: what could not be set is decided on again
        return decision.desired

    def _decide(
        self, document: Document, replicas: int, found: list[tuple[Document, PodUse | None]]
    ) -> HorizontalDecision:
        key = key_of(document)
        parameters = resolve_horizontal(
            annotations_of(document),
            self.context.settings.current.autoscaler,
            reachable=dig(document, "spec", "reachability") != Reachability.UNREACHABLE.value,
        )
        decider = self._deciders.get(key)
        if decider is None:
            decider = self._deciders[key] = HorizontalDecider(parameters)
        decider.parameters = parameters
        uses = [_use(pod, use, parameters.metric) for pod, use in found]
        return decider.decide(now=self.context.clock.now(), replicas=replicas, uses=uses)

    def _ready_pods(self, document: Document) -> list[Document]:
        key = key_of(document)
        pods = self.context.informers.of(POD).list(key.namespace, {labels.REVISION: key.name})
        return [pod for pod in pods if state_of(pod) is PodState.READY]

    async def _ensure_sks(self, document: Document) -> Document:
        wanted = serverless_service_of(document, Mode.SERVE, ALL_ACTIVATORS)
        sks = await find(self.context, SERVERLESS_SERVICE, key_of(document))
        if sks is None:
            try:
                return await create_child(self.context, document, wanted)
            except ConflictError:
                raise
            except ApiError:
                lifecycle.mark_creation_failed(
                    document["status"], SERVERLESS_SERVICE.name, name_of(wanted)
                )
                raise
        try:
            check_owned(sks, document)
        except NotOwnedError:
            lifecycle.mark_not_owned(document["status"], SERVERLESS_SERVICE.name, name_of(wanted))
            raise
        changed = serverless_service_update(sks, wanted)
        return sks if changed is None else await self.context.cluster.update(changed)


def _use(pod: Document, found: PodUse | None, metric: str) -> Use | None:
    if found is None:
        return None
    if metric == MEMORY:
        return Use(found.memory)
    return None if found.cores is None else Use(found.cores, _cores_of(pod))


def _cores_of(pod: Document) -> float:
    """Cores that the pod asks for: requests, else limits, else one."""
    total = 0.0
    for container in dig(pod, "spec", "containers", default=()):
        for member in ("requests", "limits"):
            amount = dig(container, "resources", member, "cpu")
            if amount is not None:
                total += float(parse_quantity(str(amount)))
                break
    return total or 1.0


def build_hpa(
    context: Context,
    source: UsageSource | None = None,
    history: HorizontalHistory | None = None,
) -> Controller:
    """The controller of class HPA; `source` measures pods, `history` remembers why."""
    reconciler = HorizontalReconciler(context, source or NothingMeasured(), history)
    controller = Controller("podautoscaler-hpa", reconciler)
    autoscalers = context.informers.of(POD_AUTOSCALER)

    def ours(key: Key) -> tuple[Key, ...]:
        document = autoscalers.get(key)
        return (key,) if document is not None and _is_hpa(document) else ()

    def of_pod(pod: Document) -> tuple[Key, ...]:
        name = dig(pod, "metadata", "labels", labels.REVISION, default="")
        return ours(Key(key_of(pod).namespace, name)) if name else ()

    def of_owner(document: Document) -> tuple[Key, ...]:
        owners = owner_key(POD_AUTOSCALER.name)(document)
        return tuple(found for key in owners for found in ours(key))

    controller.watch(autoscalers, lambda one: (key_of(one),) if _is_hpa(one) else ())
    controller.watch(context.informers.of(SERVERLESS_SERVICE), of_owner)
    controller.watch(context.informers.of(POD), of_pod)

    def everyone() -> None:
        for document in autoscalers.list():
            if _is_hpa(document):
                controller.queue.add(key_of(document))

    context.settings.on_change(everyone)
    return controller


def _is_hpa(document: Document) -> bool:
    return scaler_class(annotations_of(document)) == HPA_CLASS
