"""One container of a Pod, through all its lives: image, start, probes, end, back-off, again."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from utsuwa.cluster.port import Key
from utsuwa.kit.backoff import Backoff
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.node.launching import Home, NotNowError, Services, prepare
from utsuwa.node.logs import tail
from utsuwa.node.meter import Reading
from utsuwa.node.pods import ends, restarts
from utsuwa.node.probes import Outcome, Probe, Prober, parse_probe
from utsuwa.node.pulling import Pulls
from utsuwa.node.runtime import START_ERROR, Exit, Instance, LaunchError, Warmth
from utsuwa.node.status import ContainerState, Terminated

_log = get_logger(__name__)

RESTART_BACKOFF = Backoff(first=10.0, most=300.0)
"""Seconds between restarts from the second on; the first one is immediate."""
STEADY = 600.0
"""A container that ran this many seconds starts its back-off anew."""
IMAGE_BACKOFF = Backoff(first=1.0, most=30.0)
WARM_PARENT = "warm parent"
"""Origin of a process that was forked."""
LIVENESS_GRACE = 10.0
"""Most seconds that a container gets which its liveness probe condemned."""


class Container:
    """Runs one container until it ended for good or :meth:`stop` was called.

    Mutable state: `state`, and `_instance` while it runs. `changed` is called after each change
    of `state` that others should see; `saved` when a new instance is to be written down.
    """

    def __init__(
        self,
        services: Services,
        home: Home,
        spec: Document,
        state: ContainerState,
        *,
        changed: Callable[[], None],
        saved: Callable[[str, Instance], None],
    ) -> None:
        self._services = services
        self._home = home
        self._spec = spec
        self.state = state
        self._changed = changed
        self._saved = saved
        self._instance: Instance | None = None
        self.origin = ""
        """What its present process came from, if it was not started anew."""
        self._stopping = False
        self._failures = 0
        self._condemned = ""
        self._pulls = Pulls(services.events, services.clock, home.pod, waits=self._waits)
        self._telling: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        what = "running" if self._instance is not None else "down"
        return f"<Container {self.state.name}: {what}, {self.state.restarts} restarts>"

    @property
    def running(self) -> bool:
        """Whether it has a process now."""
        return self._instance is not None

    @property
    def succeeded(self) -> bool:
        """Whether it is an init container that has done its work."""
        ended = self.state.terminated
        return self._ends and ended is not None and ended.code == 0

    @property
    def _ends(self) -> bool:
        return ends(self._home.pod, self._spec)

    @property
    def instance(self) -> Instance | None:
        """Its present process."""
        return self._instance

    def reading(self) -> Reading | None:
        """What its present process has used; None without one, or where that cannot be told."""
        used = None if self._instance is None else self._instance.consumption()
        return None if used is None else Reading(self._instance, used.cpu_seconds, used.memory)

    def adopt(self, instance: Instance) -> None:
        """Before :meth:`run`: it runs already."""
        self._instance = instance
        self.state.terminated = None
        self.state.running_since = self.state.running_since or self._services.clock.now()

    async def run(self) -> None:
        """Live until it is over."""
        instance = adopted = self._instance
        if adopted is not None:
            await self._services.volumes.resume(self._home.pod, self._spec, self._home.scratch)
        if instance is None and self.state.terminated is not None:
            self.state.next_life()
        while True:
            if instance is None:
                instance = await self._start()
                await asyncio.sleep(0)  # who was told comes before what may wait for a disk
            if instance is not None:
                await self._live(instance, adopted=instance is adopted)
                instance = None
            ended = self.state.terminated
            if ended is None or self._is_over(ended):
                return
            await self._back_off(ended)
            self.state.next_life()

    def _is_over(self, ended: Terminated) -> bool:
        return self._stopping or not restarts(self._home.pod, self._spec, ended.code)

    async def stop(self, seconds: float) -> None:
        """End it: SIGTERM, SIGKILL after `seconds`. Returns when nothing of it runs."""
        self._stopping = True
        instance = self._instance
        if instance is None:
            return
        instance.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await instance.wait()
        except TimeoutError:
            _log.debug("grace is over, killing", pod=self._name, container=self.state.name)
        await instance.kill()

    @property
    def _name(self) -> Key:
        return self._home.key

    @property
    def _log(self) -> Path:
        """Of its present life."""
        return self._services.logs.file(self._home.pod, self.state.name, self.state.restarts)

    async def _warn(self, reason: str, message: str) -> None:
        if self._services.events is not None:
            await self._services.events.warning(self._home.pod, reason, message)

    # --- starting -------------------------------------------------------------------------------

    async def _start(self) -> Instance | None:
        """A new instance, however long its image or configuration is missing; None where its
        command cannot be executed."""
        attempts = 0
        while True:
            try:
                prepared = await prepare(
                    self._services, self._home, self._spec, self._log, self._pulling
                )
                self._pulls.here(self.state.image, prepared.size)
                self.state.image_id = prepared.image_id
                instance = await self._services.runtime.launch(prepared.launch)
                self._tell_origin(prepared.launch.warmth)
            except NotNowError as error:
                self._pulls.ended()
                attempts += 1
                reason = error.reason if attempts == 1 else error.backoff
                self.state.wait(reason, str(error))
                self._changed()
                await self._warn("Failed", str(error))
                await self._services.clock.sleep(IMAGE_BACKOFF.delay(attempts))
            except LaunchError as error:
                self._end(START_ERROR, "StartError", str(error))
                return None
            else:
                self._begin(instance)
                return instance

    def _tell_origin(self, warmth: Warmth | None) -> None:
        self.origin = WARM_PARENT if warmth is not None and warmth.forked else ""
        if warmth is not None and self._services.events is not None:
            told = self._services.events.normal(self._home.pod, "Started", warmth.told)
            self._telling = asyncio.create_task(told, name=f"origin of {self._name}")

    def _begin(self, instance: Instance) -> None:
        self._instance = instance
        number = self.state.restarts
        uid = self._home.pod["metadata"]["uid"]
        own = instance.id or f"process://{uid}/{self.state.name}/{number}"
        self.state.run(self._services.clock.now(), own)
        self._saved(self.state.name, instance)
        if self._probe("startupProbe") is None:
            self.state.started = True
            self.state.ready = self._probe("readinessProbe") is None and not self._ends
        self._changed()

    def _pulling(self, progress: str) -> None:
        self._pulls.progress(self.state.image, progress)

    def _waits(self, message: str) -> None:
        if self.state.waiting is None or self.state.waiting.message != message:
            self.state.wait("ContainerCreating", message)
            self._changed()

    # --- living ---------------------------------------------------------------------------------

    def _probe(self, member: str) -> Probe | None:
        return parse_probe(self._spec, member, self._home.port)

    async def _live(self, instance: Instance, *, adopted: bool) -> None:
        """From the start to the last process that it left behind."""
        self._instance = instance
        self._services.logs.began(self._home.pod, self._log)
        probing = asyncio.create_task(
            self._guarded_probes(instance, adopted=adopted),
            name=f"probes of {self._name} {self.state.name}",
        )
        try:
            ended = await instance.wait()
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
        await instance.kill()
        self._instance = None
        self._services.logs.ended(self._log)
        self._ended(ended)

    async def _guarded_probes(self, instance: Instance, *, adopted: bool) -> None:
        try:
            await self._run_probes(instance, adopted=adopted)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.error("probing failed", error=error, pod=self._name, container=self.state.name)

    async def _run_probes(self, instance: Instance, *, adopted: bool) -> None:
        prober = Prober(self._services.checks, self._services.clock, instance)
        startup = self._probe("startupProbe")
        if startup is not None and not self.state.started:
            if failure := await prober.until_success(startup):
                await self._condemn(instance, failure)
                return
            self.state.started = True
            self.state.ready = self._probe("readinessProbe") is None
            self._changed()
        async with asyncio.TaskGroup() as group:
            readiness = self._probe("readinessProbe")
            if readiness is not None:
                known = adopted and self.state.ready
                group.create_task(prober.readiness(readiness, self._readiness, ready=known))
            liveness = self._probe("livenessProbe")
            if liveness is not None:
                await self._condemn(instance, await prober.until_failure(liveness))

    def _readiness(self, outcome: Outcome) -> None:
        self.state.ready, self.state.probe = outcome.ready, outcome.message
        self._changed()

    async def _condemn(self, instance: Instance, failure: str) -> None:
        _log.info("container is restarted", pod=self._name, reason=failure)
        self._condemned = failure
        await self._warn("Unhealthy", failure)
        grace = dig(self._home.pod, "spec", "terminationGracePeriodSeconds", default=30)
        instance.signal(signal.SIGTERM)
        await self._services.clock.sleep(min(LIVENESS_GRACE, float(grace)))
        instance.signal(signal.SIGKILL)

    # --- ending ---------------------------------------------------------------------------------

    def _ended(self, ended: Exit) -> None:
        message, self._condemned = self._condemned, ""
        if not message and not ended.seen:
            message = "the exit code is unknown: the process ended while nobody watched it"
        if not message and ended.oom:
            limit = dig(self._spec, "resources", "limits", "memory", default="")
            beyond = f"its limit of {limit}" if limit else "what the machine had left"
            last = tail(self._log).rpartition("\n")[2]
            message = f"killed: it needed more memory than {beyond}{f'; {last}' if last else ''}"
        if not message and self._spec.get("terminationMessagePolicy") != "None" and ended.code:
            message = tail(self._log)
        self._end(ended.code, ended.reason, message, ended.signal)

    def _end(self, code: int, reason: str, message: str, number: int = 0) -> None:
        now = self._services.clock.now()
        began = self.state.running_since
        if began and now - began >= STEADY:
            self._failures = 0
        self.state.end(
            Terminated(code, reason, message, number, began or now, now, self.state.container_id)
        )
        self.state.ready = self.succeeded
        if not self._stopping:
            _log.info(
                "container ended",
                pod=self._name,
                container=self.state.name,
                exit_code=code,
                reason=reason,
            )
        self._changed()

    async def _back_off(self, ended: Terminated) -> None:
        self._failures += 1
        if self._failures == 1:
            return
        delay = RESTART_BACKOFF.delay(self._failures - 1)
        last = ended.message.rpartition("\n")[2]
        message = (
            f"back-off {delay:g}s restarting failed container={self.state.name}, "
            f"exit code {ended.code}{f': {last}' if last else ''}"
        )
        self.state.wait("CrashLoopBackOff", message)
        self._changed()
        await self._warn("BackOff", message)
        await self._services.clock.sleep(delay)
