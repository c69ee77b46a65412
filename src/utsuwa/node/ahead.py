"""Containers created ahead: for a Revision at zero the container of its next Pod is there already,
set up and not started; of a bundle its process, which waits for a word to become the program.

That Pod's name and uid are chosen beforehand, and given to it when it is made (:meth:`Ahead.create`
stands between whoever makes Pods and the cluster). So the container is made for exactly what the
Pod will ask for: hostname, environment, mounts, all is the same. And whether it still is is not
guessed: the Pod is prepared as ever, and a container that was made for anything else is not used.
The port of a process is chosen with the name, and handed on to the Pod's worker.
What is left of a start that was cut short is swept like that of any Pod whose object is gone.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Cluster, Key
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model import labels
from utsuwa.model.children.pod import pod_of
from utsuwa.model.kinds import CONFIG_MAP, POD, REPLICA_SET, REVISION, SECRET, SERVICE_ACCOUNT
from utsuwa.model.meta import (
    annotations_of,
    controller_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from utsuwa.node.launching import Home, NotNowError, Services, prepare
from utsuwa.node.pods import (
    container_port,
    host_port,
    init_containers,
    main_containers,
    serving_image,
)
from utsuwa.node.ports import NoPortError, Ports
from utsuwa.node.records import Records
from utsuwa.node.runtime import Launch, LaunchError

_log = get_logger(__name__)

QUIET = 1.0
"""Seconds to wait after a change: who is being woken just now has the machine for himself."""
AGAIN = 60.0
"""Seconds after which what could not be created is tried again."""
LOST = 30.0
"""Seconds after which a Pod that was to be made with a name of ours will not come any more."""
_NUMBER = "deployment.kubernetes.io/revision"
_RELATED = (CONFIG_MAP, SECRET, SERVICE_ACCOUNT)


class Births(Protocol):
    """Who makes objects with a uid that was chosen beforehand."""

    async def create(self, document: Document, *, dry_run: bool = False, uid: str = "") -> Document:
        """As the cluster's, `uid` apart."""
        ...


class Most(NamedTuple):
    """For how many Revisions at zero."""

    containers: int = 0
    """Of an engine."""
    processes: int = 0
    """Of bundles."""


@dataclass(slots=True)
class _Spare:
    """A Pod that is to come. `port`: of its process, 0 where it gets an address of its own;
    `launch`: what its container was created for, None while it is not there; `given`: when its
    name was used, -1 before; `doubtful`: something has changed since."""

    owner: str
    pod: Document
    port: int
    launch: Launch | None = None
    given: float = -1.0
    doubtful: bool = False

    @property
    def uid(self) -> str:
        return uid_of(self.pod)


class Ahead:
    """Keeps a container ready for Revisions at zero, `most()` at a time.

    Mutable state: `_spares`, by uid of their ReplicaSet; `_failed`, when a ReplicaSet's could not
    be created; `_order`, which ReplicaSets came to rest, the latest last; `_chosen`, by uid of Pods
    to come the ports of their processes.
    """

    def __init__(
        self,
        services: Services,
        records: Records,
        births: Births | None,
        ids: Ids,
        ports: Ports,
        *,
        most: Callable[[], Most],
    ) -> None:
        self._services = services
        self._records = records
        self._births = births
        self._ids = ids
        self._ports = ports
        self._chosen: dict[str, int] = {}
        self._most = most
        self._spares: dict[str, _Spare] = {}
        self._failed: dict[str, float] = {}
        self._order: dict[str, None] = {}
        self._stirred = asyncio.Event()
        self._informers: Informers | None = None
        self._ended = False

    def __repr__(self) -> str:
        ready = sum(spare.launch is not None for spare in self._spares.values())
        return f"<Ahead: {ready} containers ready>"

    @property
    def _clock(self) -> Clock:
        return self._services.clock

    @property
    def _cluster(self) -> Cluster:
        return self._services.cluster

    # --- lifecycle --------------------------------------------------------------------------------

    def start(self, informers: Informers, tasks: TaskSet) -> None:
        """Follow ReplicaSets, their Pods and what these refer to."""
        self._informers = informers
        for kind in (REPLICA_SET, REVISION):
            informers.of(kind).on_change(lambda *_: self.stir())
        informers.of(POD).on_change(self._pod_changed)
        for kind in _RELATED:
            informers.of(kind).on_change(self._related_changed)
        tasks.spawn(self._run(), name="containers ahead")

    def stir(self) -> None:
        """Something has changed; look again soon."""
        self._stirred.set()

    async def stop(self) -> None:
        """Remove all of them: the node ends."""
        self._ended = True
        await asyncio.gather(*(self._discard(spare) for spare in list(self._spares.values())))

    # --- use --------------------------------------------------------------------------------------

    async def create(self, pod: Document) -> Document:
        """Create a Pod of a ReplicaSet: the one that a container waits for, if there is one."""
        owner = (controller_of(pod) or {}).get("uid", "")
        spare = self._spares.get(owner)
        if self._births is None or spare is None or spare.launch is None or spare.given >= 0:
            return await self._cluster.create(pod)
        spare.given = self._clock.monotonic()
        named = {**pod, "metadata": {**pod["metadata"], "name": name_of(spare.pod)}}
        return await self._births.create(named, uid=spare.uid)

    def port_of(self, uid: str) -> int | None:
        """The port for which the process of Pod `uid` waits: from now on the caller's to give back."""
        return self._chosen.pop(uid, None)

    def _pod_changed(self, old: Document | None, new: Document | None) -> None:
        document = new or old
        assert document is not None, "a change has an old form or a new one"
        owner = (controller_of(document) or {}).get("uid", "")
        if new is not None and owner in self._spares and self._spares[owner].uid == uid_of(new):
            del self._spares[owner]  # it is the node's from now on
        if new is None or old is None:
            self.stir()

    def _related_changed(self, old: Document | None, new: Document | None) -> None:
        document = new or old
        assert document is not None, "a change has an old form or a new one"
        for spare in self._spares.values():
            if namespace_of(spare.pod) == namespace_of(document):
                spare.doubtful = True
                self.stir()

    # --- keeping them -----------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            due = bool(self._failed) or any(one.given >= 0 for one in self._spares.values())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN if due else None):
                    await self._stirred.wait()
            self._stirred.clear()
            await self._clock.sleep(QUIET)
            if not self._ended:
                await self._round()

    async def _round(self) -> None:
        now = self._clock.monotonic()
        self._failed = {uid: at for uid, at in self._failed.items() if now - at < AGAIN}
        wanted = {uid_of(one): one for one in self._wanted()}
        for spare in list(self._spares.values()):
            lost = spare.given >= 0 and now - spare.given > LOST
            unwanted = spare.given < 0 and spare.owner not in wanted
            if lost or unwanted or (spare.doubtful and not await self._still_right(spare)):
                await self._discard(spare)
        for uid, replica_set in wanted.items():
            if uid not in self._spares and uid not in self._failed and self._rests(replica_set):
                await self._make(replica_set)

    def _wanted(self) -> list[Document]:
        """The ReplicaSets at rest that came to it last, as many as there may be."""
        assert self._informers is not None, "start() first"
        newest: dict[str, Document] = {}
        for one in self._informers.of(REPLICA_SET).list():
            owner = (controller_of(one) or {}).get("uid", "")
            if owner and (owner not in newest or _number(one) > _number(newest[owner])):
                newest[owner] = one
        resting = {uid_of(one): one for one in newest.values() if self._rests(one)}
        self._order = {uid: None for uid in self._order if uid in resting} | dict.fromkeys(resting)
        if self._births is None:
            return []
        latest = [resting[uid] for uid in reversed(self._order)]
        processes = [one for one in latest if self._is_bundle(one)]
        containers = [one for one in latest if not self._is_bundle(one)]
        most = self._most()
        return [*containers[: most.containers], *processes[: most.processes]]

    def _is_bundle(self, replica_set: Document) -> bool:
        return self._services.images.is_bundle(serving_image(_template(replica_set)))

    def _rests(self, replica_set: Document) -> bool:
        """Whether it is at zero, and requests may come for it."""
        assert self._informers is not None, "start() first"
        if is_deleting(replica_set) or dig(replica_set, "spec", "replicas", default=0):
            return False
        if self._informers.of(POD).owned_by(uid_of(replica_set)):
            return False
        name = labels_of(replica_set).get(labels.REVISION, "")
        revision = self._informers.of(REVISION).get(Key(namespace_of(replica_set), name))
        if revision is None or is_deleting(revision):
            return False
        if labels_of(revision).get(labels.ROUTING_STATE) != labels.ROUTING_ACTIVE:
            return False
        pod = _template(replica_set)
        alone = len(main_containers(pod)) == 1 and not init_containers(pod)
        return alone and not (host_port(pod) and self._is_bundle(replica_set))

    async def _make(self, replica_set: Document) -> None:
        pod = pod_of(replica_set)
        name = f"{name_of(replica_set)}-{self._ids.suffix()}"
        pod["metadata"] = {**pod["metadata"], "name": name, "uid": self._ids.uid()}
        try:
            spare = _Spare(uid_of(replica_set), pod, self._port(pod))
        except NoPortError as error:
            self._failed[uid_of(replica_set)] = self._clock.monotonic()
            _log.info("no container created ahead", pod=key_of(pod), reason=error)
            return
        self._records.begin(spare.uid)
        self._spares[spare.owner] = spare
        try:
            launch = await self._launch(spare)
            await self._services.runtime.ahead(launch)
        except (NotNowError, LaunchError, OSError) as error:
            self._failed[spare.owner] = self._clock.monotonic()
            _log.info("no container created ahead", pod=key_of(pod), reason=error)
            await self._discard(spare)
            return
        if self._spares.get(spare.owner) is not spare:
            await self._discard(spare)  # meanwhile, and what came since is to go as well
            return
        spare.launch = launch
        _log.info("container created ahead", pod=key_of(pod))

    def _port(self, pod: Document) -> int:
        """0 for a Pod that gets an address of its own."""
        if not self._services.images.is_bundle(serving_image(pod)):
            return 0
        port = self._chosen[uid_of(pod)] = self._ports.take()
        return port

    async def _launch(self, spare: _Spare) -> Launch:
        pod = spare.pod
        (container,) = main_containers(pod)
        scratch = self._records.scratch(spare.uid)
        port = spare.port or container_port(container)
        home = Home(pod, port, scratch, own_address=not spare.port)
        log = self._services.logs.file(pod, container["name"], 0)
        prepared = await prepare(self._services, home, container, log, _unheard)
        return prepared.launch

    async def _still_right(self, spare: _Spare) -> bool:
        spare.doubtful = False
        if spare.given >= 0 or spare.launch is None:
            return True  # whoever starts it looks himself
        try:
            return await self._launch(spare) == spare.launch
        except (NotNowError, OSError):
            return False

    async def _discard(self, spare: _Spare) -> None:
        if self._spares.get(spare.owner) is spare:
            del self._spares[spare.owner]
        self._services.volumes.forget(spare.uid)
        try:
            await self._services.runtime.sweep(spare.uid)
        except LaunchError as error:
            # What was kept for it stays: the next start finds it by that, and removes both.
            _log.warning("container created ahead is not removed", pod=spare.uid, reason=error)
            return
        if (port := self.port_of(spare.uid)) is not None:
            self._ports.give_back(port)
        await asyncio.to_thread(self._remove, spare)

    def _remove(self, spare: _Spare) -> None:
        self._records.remove(spare.uid)
        if spare.launch is not None:
            with contextlib.suppress(OSError):  # it has said nothing, and may not have a log at all
                spare.launch.log.unlink()
                spare.launch.log.parent.rmdir()
                spare.launch.log.parent.parent.rmdir()


def _template(replica_set: Document) -> Document:
    return {"spec": dig(replica_set, "spec", "template", "spec", default={})}


def _unheard(_: str) -> None:
    """Nobody waits for this image."""


def _number(replica_set: Document) -> int:
    number = annotations_of(replica_set).get(_NUMBER, "0")
    return int(number) if number.isdigit() else 0
