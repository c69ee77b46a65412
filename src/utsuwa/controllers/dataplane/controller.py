"""Programs the gateways from Ingresses, Revisions and Pods, and says Ready when they have it.

An Ingress turns Ready only once every connected gateway has acknowledged a table that contains
it: then the very next request is served by it. So a Route, and with it the Service, is Ready when
its URL works, not a moment before.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.dataplane.certificates import CertificateSource
from utsuwa.controllers.dataplane.link import ColdStartSink, LinkServer, StatsSink
from utsuwa.controllers.framework import Context, Controller
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document, copy, dig
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.conditions import finish, is_ready
from utsuwa.model.draining import Remaining
from utsuwa.model.freezing import freeze_after
from utsuwa.model.kinds import INGRESS, POD, REVISION, SECRET
from utsuwa.model.lifecycle import ingress as lifecycle
from utsuwa.model.meta import annotations_of
from utsuwa.model.settings.features import Flag
from utsuwa.routing.entries import hosts_of, revision_entry, secrets_of
from utsuwa.routing.messages import RequestLog, RevisionName, RevisionTable, Snapshot
from utsuwa.routing.table import Table

REVISION_LABEL = "serving.knative.dev/revision"


class DataPlane:
    """The table, the link and the Ingress reconciler, kept in step.

    Mutable state: `_table`; `_pods`, by revision and uid; `_launched`, by uid, how a pod will be once
    its binding is written; `_decided`, by uid, when it was decided that there shall be such a pod; `_pending`, the version that an Ingress
    waits for, until it has been acknowledged once; `_flush`, the flush that is due. Changes of
    one loop step go out as one Delta.
    """

    def __init__(
        self,
        context: Context,
        *,
        socket: Path,
        sink: StatsSink,
        address: str,
        starts: ColdStartSink | None = None,
    ) -> None:
        self._context = context
        self._address = address
        self._table = Table(context.ids.uid())
        self._pods: dict[RevisionName, dict[str, Document]] = {}
        self._launched: dict[str, Document] = {}
        self._decided: dict[str, float] = {}
        self._starts = starts
        self._pending: dict[Key, int] = {}
        self._flush: asyncio.Handle | None = None
        self.link = LinkServer(
            socket,
            snapshot=self._snapshot,
            sink=sink,
            on_acknowledged=self._acknowledged,
            starts=starts,
        )
        self._ingresses = context.informers.of(INGRESS)
        self._revisions = context.informers.of(REVISION)
        self._pod_informer = context.informers.of(POD)
        self._secrets = context.informers.of(SECRET)
        self._certificates = CertificateSource(self._table, self._secrets, context.clock)
        self.controller = Controller("ingress", self)

    def __repr__(self) -> str:
        return f"<DataPlane {self._table!r} {self.link!r}>"

    async def start(self, tasks: TaskSet) -> None:
        """Fill the table from what is known, listen, and follow changes. Informers are synced."""
        self._revisions.on_change(self._revision_changed)
        self._pod_informer.on_change(self._pod_changed)
        self._secrets.on_change(self._secret_changed)
        self._ingresses.on_change(self._ingress_changed)
        self._table.set_request_log(self._request_log())
        self._context.settings.on_change(self._settings_changed)
        self._flush_now()
        await self.link.open()
        self.controller.watch(self._ingresses)
        self.controller.start(tasks)

    async def drained(self, revision: str, uid: str, told: Callable[[Remaining], None]) -> None:
        """Wait until no gateway has a request left on a pod that is being deleted; `told` of what
        is left when that takes its time."""
        del revision  # the gateway knows pods by uid alone
        await self.link.drained(uid, told)

    def launched(self, pod: Document) -> None:
        """A process of `pod`, which is as it will be once its binding is written, is there: the
        gateways may look whether it answers."""
        uid, name = pod["metadata"]["uid"], _revision_name(pod)
        known = self._pods.get(name, {}).get(uid)
        if known is not None and not _is_told(known):
            self._launched[uid] = self._pods[name][uid] = pod
            self._refresh({name})

    async def reconcile(self, key: Key) -> float | None:
        """Bring the Ingress's status in line with what the gateways have acknowledged."""
        try:
            ingress = await self._context.cluster.get(INGRESS, key)
        except NotFoundError:
            self._pending.pop(key, None)
            return None
        self._ingress_changed(None, ingress)
        status = self._status(key, ingress)
        if status != ingress.get("status"):
            await self._context.cluster.update_status({**ingress, "status": status})
        return None

    def _status(self, key: Key, ingress: Document) -> Document:
        old = ingress.get("status") or {}
        status = copy(old)
        generation = dig(ingress, "metadata", "generation", default=0)
        lifecycle.CONDITIONS.initialise(status)
        if taken := self._taken(ingress):
            lifecycle.mark_not_owned(status, "host", "{} of Route {}".format(*taken))
        elif fault := self._certificates.fault(key):
            lifecycle.mark_certificate_unusable(status, fault)
        elif unserved := self._unserved(ingress):
            lifecycle.mark_network_pending(status, f"Nothing is served at {unserved} yet.")
        elif self._is_in_force(key):
            address = [{"ip": self._address}]
            lifecycle.mark_network_configured(status)
            lifecycle.mark_load_balancer_ready(status, address, address)
        elif not is_ready(ingress):
            # A Ready of this generation stands: after a restart of control the gateways serve on.
            if self.link.acknowledged < 0:
                lifecycle.mark_load_balancer_not_ready(status)
            lifecycle.mark_network_pending(status, "Waiting for the gateway to take this route.")
        finish(old, status, generation=generation, now=rfc3339(self._context.clock.now()))
        return status

    def _is_in_force(self, key: Key) -> bool:
        needed = self._pending.get(key)
        if needed is not None and self.link.acknowledged >= needed:
            del self._pending[key]
            needed = None
        return needed is None

    def _unserved(self, ingress: Document) -> str:
        """The host that one of this Ingress's hosts is to follow, if nothing is served there."""
        found = (self._table.leads_nowhere(table.host) for table in hosts_of(ingress))
        return next(filter(None, found), "")

    # --- from objects to the table ----------------------------------------------------------

    def _ingress_changed(self, old: Document | None, new: Document | None) -> None:
        present = new or old
        if present is None:
            return
        key = key_of(present)
        if new is not None and "deletionTimestamp" not in new["metadata"]:
            changed = self._table.set_route(str(key), hosts_of(new))
            self._certificates.want(key, secrets_of(new))
            if changed:
                self._pending[key] = self._table.next_version
        else:
            changed = self._table.set_route(str(key), ())
            self._certificates.want(key, {})
        if changed:
            followers = self._table.followers_of(table.host for table in hosts_of(present))
            self._look_again(Key(*route.split("/", 1)) for route in followers)
        self._schedule()

    def _look_again(self, ingresses: Iterable[Key]) -> None:
        for key in ingresses:
            self.controller.queue.add(key)

    def _secret_changed(self, old: Document | None, new: Document | None) -> None:
        if (present := new or old) is not None:
            name = str(key_of(present))
            users = self._certificates.users(name)
            if users:
                self._certificates.read(name)
                self._look_again(users)
                self._schedule()

    def _revision_changed(self, old: Document | None, new: Document | None) -> None:
        if new is not None:
            self._table.set_revision(self._entry(new))
        elif old is not None:
            self._table.remove_revision(str(key_of(old)))
        self._schedule()

    def _settings_changed(self) -> None:
        self._table.set_request_log(self._request_log())
        for revision in self._revisions.list():
            self._table.set_revision(self._entry(revision))
        self._schedule()

    def _request_log(self) -> RequestLog:
        how = self._context.settings.current.observability
        if not how.enable_request_log:
            return RequestLog()
        return RequestLog(how.request_log_template.source, how.enable_probe_request_log)

    def _pod_changed(self, old: Document | None, new: Document | None) -> None:
        if old is None and new is not None and self._starts is not None:
            decided = self._starts.raised(_revision_name(new))
            if decided:
                self._decided[new["metadata"]["uid"]] = decided
        for document in (old, new):
            name = _revision_name(document) if document is not None else ""
            if name and document is not None:
                pods = self._pods.setdefault(name, {})
                if document is new:
                    pods[document["metadata"]["uid"]] = self._as_launched(document)
                else:
                    pods.pop(document["metadata"]["uid"], None)
                    if new is None:
                        self._decided.pop(document["metadata"]["uid"], None)
                        self._launched.pop(document["metadata"]["uid"], None)
                        self.link.forget(document["metadata"]["uid"])
        self._refresh({_revision_name(d) for d in (old, new) if d is not None})

    def _as_launched(self, pod: Document) -> Document:
        """`pod`, or what we were told of it before that was written."""
        uid = pod["metadata"]["uid"]
        if _is_told(pod):
            self._launched.pop(uid, None)
        return self._launched.get(uid, pod)

    def _refresh(self, names: set[RevisionName]) -> None:
        for name in names:
            if not self._pods.get(name):
                self._pods.pop(name, None)
            namespace, _, plain = name.partition("/")
            revision = self._revisions.get(Key(namespace, plain))
            if revision is not None:
                self._table.set_revision(self._entry(revision))
        self._schedule()

    def _entry(self, revision: Document) -> RevisionTable:
        settings = self._context.settings.current
        pods = self._pods.get(str(key_of(revision)), {}).values()
        return revision_entry(
            revision,
            pods,
            autodetect=settings.features.autodetect_http2 is Flag.ENABLED,
            decided=self._decided,
            freeze_after=freeze_after(annotations_of(revision), settings.autoscaler),
        )

    def _taken(self, ingress: Document) -> tuple[str, str] | None:
        """A host of this Ingress that another Route holds, and that Route."""
        own = str(key_of(ingress))
        for table in hosts_of(ingress):
            holder = self._table.holder(table.host)
            if holder and holder != own:
                return table.host, holder
        return None

    # --- from the table to the gateways -----------------------------------------------------

    def _schedule(self) -> None:
        if self._table.dirty and self._flush is None:
            self._flush = asyncio.get_running_loop().call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        delta = self._table.flush()
        if delta is not None:
            self.link.broadcast(delta)

    def _snapshot(self) -> Snapshot:
        # A snapshot carries everything; the gateways already there get what is due as a delta.
        if self._flush is not None:
            self._flush.cancel()
            self._flush_now()
        return self._table.snapshot()

    def _acknowledged(self, version: int) -> None:
        for key in [key for key, needed in self._pending.items() if needed <= version]:
            self.controller.queue.add(key)


def _revision_name(pod: Document) -> RevisionName:
    """`namespace/name` of the Revision that a Pod belongs to, or ""."""
    name = dig(pod, "metadata", "labels", REVISION_LABEL)
    return f"{pod['metadata']['namespace']}/{name}" if name else ""


def _is_told(pod: Document) -> bool:
    """Whether its object says where it is, or that it goes. Node and address are two writes: one
    with an address of its own would be taken back between them, with requests under way."""
    placed = dig(pod, "spec", "nodeName") and dig(pod, "status", "podIP")
    return bool(placed) or "deletionTimestamp" in pod["metadata"]
