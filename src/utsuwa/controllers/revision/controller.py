"""Revision → digests, Deployment, PodAutoscaler (`spec/reconcilers.md` §4)."""

from collections.abc import Iterable
from functools import partial

from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.cluster.pull_secrets import logins
from utsuwa.controllers.framework import Context, Controller, own_key, owner_key
from utsuwa.controllers.passes import (
    NotOwnedError,
    StatusReconciler,
    check_owned,
    create_child,
    find,
    resync,
)
from utsuwa.controllers.revision.digests import Digests, Failed, ImageResolver, Resolved, Wanted
from utsuwa.controllers.revision.health import observe, pulling, telling
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.tasks import TaskSet
from utsuwa.model import labels, names
from utsuwa.model.children.revision import (
    deployment_of,
    deployment_update,
    pod_autoscaler_of,
    pod_autoscaler_update,
)
from utsuwa.model.conditions import READY, TRUE, UNKNOWN, status_of
from utsuwa.model.kinds import DEPLOYMENT, POD, POD_AUTOSCALER, REVISION
from utsuwa.model.lifecycle import revision as lifecycle
from utsuwa.model.meta import labels_of, name_of, namespace_of, uid_of
from utsuwa.model.settings import Settings

_CONTAINERS = {"containerStatuses": "containers", "initContainerStatuses": "initContainers"}


class RevisionReconciler(StatusReconciler):
    """Resolves images, makes the Deployment and the PodAutoscaler, says how they fare."""

    def __init__(self, context: Context, digests: Digests) -> None:
        super().__init__(context, REVISION, lifecycle.CONDITIONS)
        self._digests = digests

    def forget(self, key: Key) -> None:
        """The Revision is gone; so are its look-ups."""
        self._digests.forget(key)

    async def run(self, document: Document) -> float | None:
        """Images first: nothing is deployed that might not exist."""
        settings = self.context.settings.current
        status = document["status"]
        was_ready = status_of(status, READY) == TRUE
        _set_log_url(document, settings)
        failed = self._resolve(document, settings)
        if isinstance(failed, Failed):
            # Said here, too: the pass that began the look-up may have failed to write it.
            lifecycle.mark_resolving_digests(status)
            lifecycle.mark_container_missing(status, failed.image, failed.message)
            return failed.retry_in
        if not _resolved(document):
            lifecycle.mark_resolving_digests(status)
            return None
        deployment = await self._deployment(document, settings)
        await self._autoscaler(document, settings, deployment)
        if status_of(status, READY) == UNKNOWN and (comes := pulling(self._pods(document))):
            lifecycle.mark_pulling(status, comes)
        if status_of(status, READY) == TRUE and not was_ready:
            await self.context.events.normal(
                document, "RevisionReady", "Revision becomes ready upon all resources being ready"
            )
        return None

    def _resolve(self, revision: Document, settings: Settings) -> Failed | None:
        """Fill in the container statuses as soon as they are known."""
        key = key_of(revision)
        if _resolved(revision):
            self._digests.forget(key)
            return None
        containers = [
            container
            for member in _CONTAINERS.values()
            for container in dig(revision, "spec", member, default=())
        ]
        wanted = Wanted(
            uid=uid_of(revision),
            images={container["name"]: container["image"] for container in containers},
            policies={
                container["name"]: container["imagePullPolicy"]
                for container in containers
                if container.get("imagePullPolicy")
            },
            logins=partial(logins, self.context.cluster, namespace_of(revision), revision["spec"]),
            timeout=settings.deployment.digest_resolution_timeout,
            skipped=settings.deployment.registries_skipping_tag_resolving,
        )
        known = self._digests.look(key, wanted)
        if isinstance(known, Resolved):
            _set_container_statuses(revision, known)
        return known if isinstance(known, Failed) else None

    async def _deployment(self, revision: Document, settings: Settings) -> Document:
        status = revision["status"]
        wanted = deployment_of(revision, settings)
        key = key_of(wanted)
        existing = await find(self.context, DEPLOYMENT, key)
        if existing is None:
            lifecycle.mark_deploying(status)
            return await create_child(self.context, revision, wanted)
        self._own(existing, revision)
        changed = deployment_update(existing, wanted)
        if changed is not None:
            existing = await self.context.cluster.update(changed)
        observe(
            status,
            existing,
            self._pods(revision),
            always_schedulable=settings.deployment.pod_is_always_schedulable,
        )
        return existing

    async def _autoscaler(
        self, revision: Document, settings: Settings, deployment: Document
    ) -> None:
        status = revision["status"]
        key = Key(namespace_of(revision), names.pod_autoscaler_name(name_of(revision)))
        existing = await find(self.context, POD_AUTOSCALER, key)
        if existing is None:
            wanted = pod_autoscaler_of(revision, settings, deployment)
            created = await create_child(self.context, revision, wanted)
            lifecycle.propagate_autoscaler(status, created)
            return
        self._own(existing, revision)
        lifecycle.propagate_autoscaler(status, existing)
        wanted = pod_autoscaler_of(revision, settings, deployment)
        changed = pod_autoscaler_update(existing, wanted)
        if changed is not None:
            await self.context.cluster.update(changed)

    def _own(self, child: Document, revision: Document) -> None:
        try:
            check_owned(child, revision)
        except NotOwnedError:
            lifecycle.mark_not_owned(revision["status"], child["kind"], name_of(child))
            raise

    def _pods(self, revision: Document) -> list[Document]:
        selector = {labels.REVISION_UID: uid_of(revision)}
        return self.context.informers.of(POD).list(namespace_of(revision), selector)


class RevisionController(Controller):
    """A controller whose reconciler also looks things up in the background."""

    def __init__(self, context: Context, images: ImageResolver) -> None:
        self._digests = Digests(images, context.clock, self._again)
        super().__init__("revision", RevisionReconciler(context, self._digests))

    def start(self, tasks: TaskSet) -> None:
        """Start the workers and allow look-ups."""
        self._digests.start(tasks)
        super().start(tasks)

    def _again(self, key: Key) -> None:
        self.queue.add(key)


def build(context: Context, images: ImageResolver) -> Controller:
    """The controller of Revisions; `images` is where their images come from."""
    controller = RevisionController(context, images)
    informers = context.informers
    controller.watch(informers.of(REVISION), own_key)
    controller.watch(informers.of(DEPLOYMENT), owner_key(REVISION.name))
    controller.watch(informers.of(POD_AUTOSCALER), owner_key(REVISION.name))
    controller.watch(informers.of(POD), revision_of_telling_pod)
    resync(context, controller, REVISION, of_interest)
    return controller


def of_interest(settings: Settings) -> object:
    """The settings whose change makes every Revision be looked at (`spec/config.md` §1)."""
    return (settings.network, settings.observability, settings.deployment, settings.defaults)


def revision_of_telling_pod(pod: Document) -> Iterable[Key]:
    """The Revision of a pod that shows why it does not work, or how far its image has come."""
    name = labels_of(pod).get(labels.REVISION)
    if name and (telling(pod) or pulling((pod,))):
        yield Key(namespace_of(pod), name)


def _set_log_url(revision: Document, settings: Settings) -> None:
    template = settings.observability.revision_url_template
    if template:
        revision["status"]["logUrl"] = template.replace("${REVISION_UID}", uid_of(revision))
    else:
        revision["status"].pop("logUrl", None)


def _resolved(revision: Document) -> bool:
    return all(
        len(dig(revision, "status", member, default=()))
        == len(dig(revision, "spec", containers, default=()))
        for member, containers in _CONTAINERS.items()
    )


def _set_container_statuses(revision: Document, known: Resolved) -> None:
    for member, containers in _CONTAINERS.items():
        entries = [
            _container_status(container["name"], known.images[container["name"]])
            for container in dig(revision, "spec", containers, default=())
        ]
        if entries:
            revision["status"][member] = entries


def _container_status(name: str, digest: str) -> Document:
    return {"name": name, "imageDigest": digest} if digest else {"name": name}
