"""One Pod on this node, from the moment it is seen until its object is gone.

Spawning comes first, telling second: the first write binds the Pod and publishes its port while
the process already starts. Statuses are written by one task, one write per real change.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from utsuwa.cluster.errors import ApiError, ConflictError, NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import DeleteOptions, Key, Preconditions
from utsuwa.kit.backoff import Backoff
from utsuwa.kit.clock import rfc3339_micro
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model import labels
from utsuwa.model.draining import Remaining, described
from utsuwa.model.kinds import POD
from utsuwa.node.container import Container
from utsuwa.node.launching import Home, Services
from utsuwa.node.meter import Reading
from utsuwa.node.pods import bound, container_port, grace_of, revision_of, serving_container
from utsuwa.node.records import PodRecord, Records
from utsuwa.node.runtime import Instance
from utsuwa.node.status import ADDRESS, drained_condition, pod_status, restored

_log = get_logger(__name__)

LEAST_GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL that requests which drain slowly cannot take away, as long
as the Pod's whole grace is that long."""
SHUTDOWN_GRACE = 2.5
"""Seconds between SIGTERM and SIGKILL when the whole node ends."""
_WRITE_BACKOFF = Backoff(first=0.02, most=5.0)


class Drains(Protocol):
    """Who knows whether requests are left on a Pod."""

    async def drained(self, revision: str, uid: str, told: Callable[[Remaining], None]) -> None:
        """Returns when no request is left on the Pod `uid` of Revision `namespace/name`, or
        when no gateway is connected; `told` of what is left if that takes its time."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """Where the Pod runs: shared by all workers."""

    services: Services
    records: Records
    drains: Drains
    node_name: str


class PodWorker:
    """Runs one Pod.

    Mutable state: `_pod`, the newest form seen; `_record`, what is on disk; `_written`, the last
    status written; `_remaining`, what the end waits for (None before anybody has said); changed on the loop alone.
    """

    def __init__(
        self,
        site: Site,
        pod: Document,
        port: int,
        *,
        adopted: dict[str, Instance] | None = None,
    ) -> None:
        metadata = pod["metadata"]
        self.uid: str = metadata["uid"]
        self.port = port
        self._site = site
        self._pod = pod
        self._key: Key = key_of(pod)
        self._adopted = adopted or {}
        self._bound = bool(self._adopted)
        self._record = PodRecord(self.uid, self._key.namespace, self._key.name, port)
        self._dirty = asyncio.Event()
        self._ending = asyncio.Event()
        self._hurry = asyncio.Event()
        self._remaining: Remaining | None = None
        self._gone = False
        self._shutdown = False
        self._written: Document = (pod.get("status") or {}) if self._adopted else {}
        self._containers = [self._container(spec) for spec in pod["spec"]["containers"]]
        self._lives: list[asyncio.Task[None]] = []
        self._savers: set[asyncio.Task[None]] = set()
        if dig(pod, "metadata", "deletionTimestamp"):
            self._ending.set()

    def __repr__(self) -> str:
        state = "ending" if self._ending.is_set() else "living"
        return f"<PodWorker {self._key} {self.uid}: {state}, port {self.port}>"

    def _container(self, spec: Document) -> Container:
        statuses = dig(self._pod, "status", "containerStatuses", default=())
        known = next((s for s in statuses if s["name"] == spec["name"]), None)
        state = restored(spec, known if self._adopted else None)
        serves = spec["name"] == serving_container(self._pod)
        scratch = self._site.records.scratch(self.uid)
        port = self.port or container_port(spec)
        home = Home(self._pod, port if serves else 0, scratch, own_address=not self.port)
        container = Container(
            self._site.services,
            home,
            spec,
            state,
            changed=self._dirty.set,
            saved=self._save,
        )
        if spec["name"] in self._adopted:
            container.adopt(self._adopted[spec["name"]])
        return container

    # --- told from outside ------------------------------------------------------------------------

    def update(self, pod: Document) -> None:
        """The object changed."""
        before, self._pod = self._pod, pod
        if dig(pod, "metadata", "deletionTimestamp"):
            self._ending.set()
            if grace_of(pod) < grace_of(before):
                self._hurry.set()

    def vanished(self) -> None:
        """The object was removed by somebody else: end at once."""
        self._gone = True
        self._ending.set()
        self._hurry.set()

    def shut_down(self) -> None:
        """The node ends: stop the containers, without waiting for requests."""
        self._shutdown = True
        self._ending.set()
        self._hurry.set()

    def readings(self) -> dict[str, Reading]:
        """What each running container has used, by name."""
        found = {container.state.name: container.reading() for container in self._containers}
        return {name: reading for name, reading in found.items() if reading is not None}

    def instance(self, container: str) -> Instance | None:
        """The present process of a container."""
        found = (one.instance for one in self._containers if one.state.name == container)
        return next(found, None)

    # --- life -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the Pod is gone and nothing of it is left but its logs."""
        if not self._ending.is_set() or self._adopted:
            await self._live()
        await self._remove_object()
        await asyncio.to_thread(self._site.records.remove, self.uid)

    async def _live(self) -> None:
        self._site.records.begin(self.uid)
        for name, instance in self._adopted.items():
            self._save(name, instance)
        for container in self._containers:
            name = f"container {self._key} {container.state.name}"
            self._lives.append(asyncio.create_task(container.run(), name=name))
        writer = asyncio.create_task(self._write_statuses(), name=f"status of {self._key}")
        try:
            await self._until_ending()
            await self._end()
        finally:
            leftover = [*self._lives, writer, *self._savers]
            for task in leftover:
                task.cancel()
            await asyncio.gather(*leftover, return_exceptions=True)

    async def _until_ending(self) -> None:
        """Waits; a container task that fails for a reason of ours is not swallowed."""
        ending = asyncio.create_task(self._ending.wait(), name=f"end of {self._key}")
        try:
            pending = {*self._lives, ending}
            while not ending.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            ending.cancel()

    # --- the end ----------------------------------------------------------------------------------

    async def _end(self) -> None:
        clock = self._site.services.clock
        running = [container for container in self._containers if container.running]
        grace = 0.0 if self._gone else grace_of(self._pod)
        deadline = clock.monotonic() + grace
        if running and grace and not self._shutdown:
            await self._drain(grace)
            grace = grace_of(self._pod)
        left = max(deadline - clock.monotonic(), min(grace, LEAST_GRACE))
        if self._shutdown:
            left = min(left, SHUTDOWN_GRACE)
        await asyncio.gather(*(c.stop(0.0 if self._gone else left) for c in self._containers))
        for task, container in zip(self._lives, self._containers, strict=True):
            if not container.state.running_since:
                task.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    async def _drain(self, seconds: float) -> None:
        """Until no request is left, the grace is over, or somebody is in a hurry."""
        revision = revision_of(self._pod)
        if not revision:
            return
        drained = asyncio.create_task(
            self._site.drains.drained(revision, self.uid, self._waits_for),
            name=f"drain of {self._key}",
        )
        hurry = asyncio.create_task(self._hurry.wait(), name=f"hurry of {self._key}")
        try:
            async with asyncio.timeout(seconds):
                await asyncio.wait((drained, hurry), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            _log.info("requests are left after the whole grace", pod=self._key, seconds=seconds)
        finally:
            for task in (drained, hurry):
                task.cancel()
            await asyncio.gather(drained, hurry, return_exceptions=True)
            if self._remaining is not None:
                self._remaining = Remaining()
                self._dirty.set()

    def _waits_for(self, remaining: Remaining) -> None:
        """Show what the end waits for, in the Pod's conditions and once as an event."""
        first, self._remaining = self._remaining is None, remaining
        self._dirty.set()
        events = self._site.services.events
        if first and events is not None:
            text = described(remaining, grace_of(self._pod))
            _log.info("pod drains", pod=self._key, requests=remaining.requests,
                      tunnels=remaining.tunnels)  # fmt: skip
            told = events.normal(self._pod, "Draining", text)
            self._keep(asyncio.create_task(told, name=f"event of {self._key}"))

    async def _remove_object(self) -> None:
        if self._gone:
            return
        if self._shutdown and not dig(self._pod, "metadata", "ownerReferences"):
            return  # nobody would make it anew: the next start runs it again
        options = DeleteOptions(grace_seconds=0, preconditions=Preconditions(uid=self.uid))
        with contextlib.suppress(NotFoundError, ConflictError):
            if not self._shutdown and self._lives:
                await self._put_status()
            await self._site.services.cluster.delete(POD, self._key, options)

    # --- writing ----------------------------------------------------------------------------------

    def _save(self, name: str, instance: Instance) -> None:
        """Write down a new instance as soon as its identity is known."""

        async def save() -> None:
            self._record.containers[name] = await instance.record()
            self._site.records.write(self._record)

        self._keep(asyncio.create_task(save(), name=f"record of {self._key} {name}"))

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._savers.add(task)
        task.add_done_callback(self._savers.discard)

    async def _write_statuses(self) -> None:
        failures = 0
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                if self._bound:
                    await self._put_status()
                else:
                    await self._bind()
                failures = 0
            except (NotFoundError, ConflictError):
                return  # the object is gone, perhaps another has its name; we shall be told
            except ApiError as error:
                failures += 1
                delay = _WRITE_BACKOFF.delay(failures)
                _log.warning("status not written", pod=self._key, reason=error, retry_in=delay)
                await self._site.services.clock.sleep(delay)
                self._dirty.set()

    async def _bind(self) -> None:
        """Node and port first, then at once the status: one commit for both."""
        patch = {
            **bound(self._pod, self._site.node_name, self.port),
            "metadata": {"uid": self.uid, **self._started()},
        }
        cluster = self._site.services.cluster
        await asyncio.gather(cluster.merge(POD, self._key, patch), self._put_status())
        self._bound = True
        _log.debug("pod bound", pod=self._key, port=self.port)

    def _started(self) -> Document:
        """The annotation that says when the serving process was started, if it was."""
        name = serving_container(self._pod)
        began = next(c.state.running_since for c in self._containers if c.state.name == name)
        return {"annotations": {labels.STARTED: rfc3339_micro(began)}} if began else {}

    @property
    def _address(self) -> str:
        """Where the Pod's ports are; "" while it has no address of its own yet."""
        if self.port:
            return ADDRESS
        found = (one.instance.address for one in self._containers if one.instance is not None)
        return next(filter(None, found), str(self._written.get("podIP") or ""))

    async def _put_status(self) -> None:
        states = [container.state for container in self._containers]
        basis = {**self._pod, "status": self._written or self._pod.get("status")}
        draining = None
        if self._remaining is not None:
            draining = drained_condition(self._remaining, grace_of(self._pod))
        now = self._site.services.clock.now()
        status = pod_status(basis, states, now, self._address, draining)
        if status == self._written:
            return
        self._written = status
        patch = {"metadata": {"uid": self.uid}, "status": status}
        try:
            await self._site.services.cluster.merge(POD, self._key, patch, subresource="status")
        except ApiError:
            self._written = {}
            raise
