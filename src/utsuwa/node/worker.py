"""One Pod on this node, from the moment it is seen until its object is gone.

Spawning comes first, telling second: the first write binds the Pod and publishes its port while
the process already starts. Statuses are written by one task, one write per real change.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from utsuwa.cluster.errors import ApiError, ConflictError, NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import DeleteOptions, Key, Preconditions
from utsuwa.kit.backoff import Backoff
from utsuwa.kit.clock import rfc3339_micro
from utsuwa.kit.documents import Document, dig, merge_patch
from utsuwa.kit.log import get_logger
from utsuwa.model import labels
from utsuwa.model.draining import Remaining, described
from utsuwa.model.freezing import was_frozen
from utsuwa.model.kinds import POD
from utsuwa.node.crew import Crew
from utsuwa.node.drains import Drains
from utsuwa.node.launching import Home, Services
from utsuwa.node.meter import Reading
from utsuwa.node.pods import bound, grace_of, revision_of, serving_container
from utsuwa.node.records import PodRecord, Records
from utsuwa.node.resting import PatientChecks, Rest
from utsuwa.node.runtime import Instance
from utsuwa.node.status import ADDRESS, EVICTED, disruption, drained_condition, pod_status

_log = get_logger(__name__)

LEAST_GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL that requests which drain slowly cannot take away, as long
as the Pod's whole grace is that long."""
SHUTDOWN_GRACE = 2.5
"""Seconds between SIGTERM and SIGKILL when the whole node ends."""
EVICTION_GRACE = 1.0
"""Likewise when it is evicted: it must not go on to use what the machine lacks."""
_WRITE_BACKOFF = Backoff(first=0.02, most=5.0)


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
    status written; `_launched`, whether gateways were told of its process; `_dated`, whether the
    start is written; `_remaining`, what the end waits for (None before anybody has said);
    `_evicted`, why it was; changed on the loop alone.
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
        self._bound = self._dated = self._launched = bool(self._adopted)
        self._record = PodRecord(self.uid, self._key.namespace, self._key.name, port)
        self._dirty = asyncio.Event()
        self._ending = asyncio.Event()
        self._hurry = asyncio.Event()
        self._remaining: Remaining | None = None
        self._evicted = ""
        self._gone = False
        self._shutdown = False
        self._written: Document = (pod.get("status") or {}) if self._adopted else {}
        self.rest = Rest(
            site.records.hold(self.uid), self._ready_instances, changed=self._dirty.set
        )
        """Whether it is frozen."""
        services = site.services
        self._crew = Crew(
            replace(services, checks=PatientChecks(services.checks, self.rest)),
            Home(pod, port, site.records.scratch(self.uid), own_address=not port),
            adopted=self._adopted,
            changed=self._changed,
            saved=self._save,
        )
        self._savers: set[asyncio.Task[None]] = set()
        if dig(pod, "metadata", "deletionTimestamp"):
            self._ending.set()

    def __repr__(self) -> str:
        state = "ending" if self._ending.is_set() else "living"
        return f"<PodWorker {self._key} {self.uid}: {state}, port {self.port}>"

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

    @property
    def pod(self) -> Document:
        """The newest form seen."""
        return self._pod

    @property
    def scratch(self) -> Path:
        """Where its volumes are."""
        return self._site.records.scratch(self.uid)

    async def evict(self, message: str) -> None:
        """End its containers for good. Its object stays, as that of a Pod which has failed, until
        somebody deletes it; whoever made it makes another one."""
        if self._evicted or self._ending.is_set():
            return
        self._evicted = message
        self._dirty.set()  # at once: no request is to come any more
        _log.warning("pod evicted", pod=self._key, reason=message)
        events = self._site.services.events
        if events is not None:
            told = events.warning(self._pod, EVICTED, message)
            self._keep(asyncio.create_task(told, name=f"event of {self._key}"))
        await self.rest.end(list(self._crew.instances.values()))
        await self._crew.stop(EVICTION_GRACE)
        self._dirty.set()
        await asyncio.to_thread(self._site.records.remove, self.uid)

    def readings(self) -> dict[str, Reading]:
        """What each running container has used, by name."""
        return self._crew.readings()

    def instance(self, container: str) -> Instance | None:
        """The present process of a container."""
        return self._crew.instances.get(container)

    def _changed(self) -> None:
        """A container did."""
        self._dirty.set()
        if not (self._launched or self._bound):
            self._tell_launched()
        if self.rest.look():
            self._keep(asyncio.create_task(self.rest.again(), name=f"thaw of {self._key}"))

    def _ready_instances(self) -> list[Instance]:
        """Its processes, if it is ready and not about to end."""
        ready = all(state.ready for state in self._crew.states) and self._bound
        found = self._crew.instances.values() if ready and not self._ending.is_set() else ()
        return [instance for instance in found if instance.alive]

    # --- life -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the Pod is gone and nothing of it is left but its logs."""
        if not self._ending.is_set() or self._adopted:
            await self._live()
        if not self.port:
            await self._site.services.runtime.release(self.uid)
        await self._remove_object()
        await asyncio.to_thread(self._site.records.remove, self.uid)

    async def _live(self) -> None:
        self._site.records.begin(self.uid)
        for name, instance in self._adopted.items():
            self._save(name, instance)
        if self._adopted:
            await self.rest.adopt(shown=was_frozen(self._pod))
        life = asyncio.create_task(self._crew.run(), name=f"containers of {self._key}")
        writer = asyncio.create_task(self._write_statuses(), name=f"status of {self._key}")
        try:
            await self._until_ending(life)
            await self._end()
        finally:
            leftover = [life, writer, *self._savers]
            for task in leftover:
                task.cancel()
            await asyncio.gather(*leftover, return_exceptions=True)
            self.rest.close()

    async def _until_ending(self, life: "asyncio.Task[None]") -> None:
        """Waits; a container task that fails for a reason of ours is not swallowed."""
        ending = asyncio.create_task(self._ending.wait(), name=f"end of {self._key}")
        try:
            pending = {life, ending}
            while not ending.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            ending.cancel()

    # --- the end ----------------------------------------------------------------------------------

    async def _end(self) -> None:
        clock = self._site.services.clock
        await self.rest.end(list(self._crew.instances.values()))
        grace = 0.0 if self._gone else grace_of(self._pod)
        deadline = clock.monotonic() + grace
        if self._crew.running and grace and not self._shutdown:
            await self._drain(grace)
            grace = grace_of(self._pod)
        left = max(deadline - clock.monotonic(), min(grace, LEAST_GRACE))
        if self._shutdown:
            left = min(left, SHUTDOWN_GRACE)
        await self._crew.stop(0.0 if self._gone else left)

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
            if not self._shutdown and self._crew.begun:
                await self._put_status()
            await self._site.services.cluster.delete(POD, self._key, options)

    # --- writing ----------------------------------------------------------------------------------

    def _save(self, name: str, instance: Instance) -> None:
        """Write down a new instance as soon as its identity is known."""

        async def save() -> None:
            await asyncio.sleep(0)  # gateways are told first: a disk may take its time
            record = self._record.containers[name] = await instance.record()
            self._site.records.write(self._record)
            names = self._site.services.names
            names.show(self.uid, name, self._key.namespace, record.get("hosts", ""))

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
                    await asyncio.gather(self._put_status(), self._date())
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
        patch = self._binding()
        self._dated = "annotations" in patch["metadata"]
        cluster = self._site.services.cluster
        await asyncio.gather(cluster.merge(POD, self._key, patch), self._put_status())
        self._bound = True
        _log.debug("pod bound", pod=self._key, port=self.port)

    def _binding(self) -> Document:
        """Node and port, and when the serving process was started if it was."""
        return {
            **bound(self._pod, self._site.node_name, self.port),
            "metadata": {"uid": self.uid, **self._started()},
        }

    def _tell_launched(self) -> None:
        """A gateway may look for it while its binding is being written, and all else."""
        binding = self._binding()
        if "annotations" in binding["metadata"]:
            self._launched = True
            at = {"status": {"podIP": self._address, "hostIP": ADDRESS}}
            self._site.drains.launched(merge_patch(self._pod, {**binding, **at}))

    async def _date(self) -> None:
        """Say when the serving process was started where that was not known with the binding."""
        started = {} if self._dated else self._started()
        if started:
            self._dated = True
            patch = {"metadata": {"uid": self.uid, **started}}
            await self._site.services.cluster.merge(POD, self._key, patch)

    def _started(self) -> Document:
        """The annotations that say when the serving process was started, if it was, and from what."""
        name = serving_container(self._pod)
        began = next(state.running_since for state in self._crew.states if state.name == name)
        if not began:
            return {}
        origin = self._crew.origin(name)
        found = {labels.STARTED: rfc3339_micro(began)}
        return {"annotations": {**found, **({labels.STARTED_FROM: origin} if origin else {})}}

    @property
    def _address(self) -> str:
        """Where the Pod's ports are; "" while it has no address of its own yet."""
        if self.port:
            return ADDRESS
        found = (instance.address for instance in self._crew.instances.values())
        return next(filter(None, found), str(self._written.get("podIP") or ""))

    def _own_conditions(self) -> Iterator[Document]:
        if self._remaining is not None:
            yield drained_condition(self._remaining, grace_of(self._pod))
        if (frozen := self.rest.condition()) is not None:
            yield frozen
        if self._evicted:
            yield disruption(self._evicted)

    async def _put_status(self) -> None:
        basis = {**self._pod, "status": self._written or self._pod.get("status")}
        now = self._site.services.clock.now()
        status = pod_status(
            basis, self._crew.states, now, self._address, more=self._own_conditions(),
            initial=self._crew.initial,
        )  # fmt: skip
        if self._evicted:
            status.update(phase="Failed", reason=EVICTED, message=self._evicted)
        if status == self._written:
            return
        self._written = status
        patch = {"metadata": {"uid": self.uid}, "status": status}
        try:
            await self._site.services.cluster.merge(POD, self._key, patch, subresource="status")
        except ApiError:
            self._written = {}
            raise
