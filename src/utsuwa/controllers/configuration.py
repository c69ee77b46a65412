"""Configuration → Revision (`spec/reconcilers.md` §3)."""

from utsuwa.cluster.errors import ApiError, ConflictError
from utsuwa.cluster.informer import key_of
from utsuwa.controllers.framework import (
    BlockedError,
    Context,
    Controller,
    own_key,
    owner_key,
)
from utsuwa.controllers.passes import StatusReconciler, create_child, find
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.children.configuration import (
    byo_name,
    conflicts,
    generation_label_of,
    revision_name_of,
    revision_of,
)
from utsuwa.model.conditions import FALSE, READY, condition, explanation, is_ready
from utsuwa.model.defaults import default
from utsuwa.model.kinds import CONFIGURATION, REVISION
from utsuwa.model.lifecycle import configuration as lifecycle
from utsuwa.model.lifecycle.revision import PULLING_IMAGE
from utsuwa.model.meta import generation_of, is_controlled_by, name_of, uid_of


class ConfigurationReconciler(StatusReconciler):
    """Makes one Revision for each generation of the template and says which is the latest."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, CONFIGURATION, lifecycle.CONDITIONS)

    async def run(self, document: Document) -> float | None:
        """Make sure of the Revision, then follow its state."""
        status = document["status"]
        before = condition(status, READY)
        revision = await self._revision(document)
        lifecycle.set_latest_created(status, name_of(revision))
        ready = condition(revision.get("status"), READY)
        if ready is not None and ready["status"] == FALSE:
            await self._failed(document, before, revision, explanation(revision))
        elif ready is not None and ready.get("reason") == PULLING_IMAGE:
            lifecycle.mark_pulling(status, ready.get("message", ""))
        await self._latest_ready(document, revision)
        return None

    async def _revision(self, configuration: Document) -> Document:
        existing = await self._existing(configuration)
        if existing is not None:
            return existing
        now = rfc3339(self.context.clock.now())
        wanted = default(revision_of(configuration, now), self.context.settings.current)
        try:
            return await create_child(self.context, configuration, wanted)
        except ConflictError:
            raise
        except ApiError as error:
            lifecycle.mark_revision_creation_failed(configuration["status"], str(error))
            raise

    async def _existing(self, configuration: Document) -> Document | None:
        """The Revision of the present generation, if it is there.

        Raises:
            BlockedError: its name is taken by another.
        """
        name = revision_name_of(configuration)
        found = await find(self.context, REVISION, key_of(configuration)._replace(name=name))
        if byo_name(configuration):
            settings = self.context.settings.current
            if found is None or not conflicts(found, configuration, settings):
                return found
        else:
            generation = generation_of(configuration)
            if found is not None and _made_from(found, configuration, generation):
                return found
            for revision in self.context.informers.of(REVISION).owned_by(uid_of(configuration)):
                if generation_label_of(revision) == generation:
                    return revision
            if found is None:
                return None
        message = (
            f"Revision {name!r} already exists and is not the one that Configuration "
            f"{key_of(configuration)} asks for: choose another name for the template"
        )
        lifecycle.mark_revision_creation_failed(configuration["status"], message)
        raise BlockedError(message)

    async def _failed(
        self, configuration: Document, before: Document | None, revision: Document, why: str
    ) -> None:
        status = configuration["status"]
        name = name_of(revision)
        lifecycle.mark_latest_created_failed(status, name, why)
        after = condition(status, READY) or {}
        if before is None or before.get("message") != after.get("message"):
            newest = status.get("latestReadyRevisionName") == name
            reason = "LatestReadyFailed" if newest else "LatestCreatedFailed"
            await self.context.events.warning(
                configuration, reason, f"Revision {name!r} failed: {why}"
            )

    async def _latest_ready(self, configuration: Document, created: Document) -> None:
        status = configuration["status"]
        old = status.get("latestReadyRevisionName", "")
        own = self.context.informers.of(REVISION).owned_by(uid_of(configuration))
        found = latest_ready(configuration, created, own)
        if found is None:
            return
        lifecycle.set_latest_ready(status, found)
        if found == old:
            return
        events = self.context.events
        if not old:
            await events.normal(configuration, "ConfigurationReady", "Configuration becomes ready")
        await events.normal(
            configuration, "LatestReadyUpdate", f"LatestReadyRevisionName updated to {found!r}"
        )


def latest_ready(configuration: Document, created: Document, own: list[Document]) -> str | None:
    """The name of the newest Revision that is ready, none older than the latest ready one so far;
    a Revision whose name the template gives comes first of all, however old it is.

    `created` is the Revision of the present generation as the cluster has it now; `own` are all
    Revisions of the Configuration, perhaps a moment old.
    """
    revisions = {name_of(revision): revision for revision in own}
    revisions[name_of(created)] = created
    so_far = revisions.get(dig(configuration, "status", "latestReadyRevisionName", default=""))
    lowest = generation_label_of(so_far) if so_far else 0
    named = byo_name(configuration)
    candidates = [
        revision
        for name, revision in revisions.items()
        if name == named or lowest <= generation_label_of(revision) <= generation_of(configuration)
    ]
    candidates.sort(
        key=lambda revision: (name_of(revision) == named, generation_label_of(revision)),
        reverse=True,
    )
    return next((name_of(revision) for revision in candidates if is_ready(revision)), None)


def build(context: Context) -> Controller:
    """The controller of Configurations."""
    controller = Controller("configuration", ConfigurationReconciler(context))
    controller.watch(context.informers.of(CONFIGURATION), own_key)
    controller.watch(context.informers.of(REVISION), owner_key(CONFIGURATION.name))
    return controller


def _made_from(revision: Document, configuration: Document, generation: int) -> bool:
    return is_controlled_by(revision, configuration) and generation_label_of(revision) == generation
