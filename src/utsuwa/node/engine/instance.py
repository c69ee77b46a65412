"""One container of an engine, from its start to its removal."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiodocker import DockerError

from utsuwa.kit.backoff import Backoff
from utsuwa.kit.caller import Caller
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.freezing import Brake, GroupBrake
from utsuwa.kit.log import get_logger
from utsuwa.node.consumption import of_container
from utsuwa.node.engine import talk
from utsuwa.node.engine.output import ensure, follow
from utsuwa.node.engine.pausing import EngineBrake
from utsuwa.node.engine.place import OomWatch, Place, place_of
from utsuwa.node.engine.wire import Wire
from utsuwa.node.runtime import (
    UNKNOWN_EXIT,
    Consumption,
    Exit,
    LaunchError,
)

_log = get_logger(__name__)

NOT_FOUND, CONFLICT = 404, 409
LAST_WORDS = 2.0
"""Seconds after the end of a container in which the engine hands over the rest of its output."""
KILL_PATIENCE = 10.0
"""Seconds after which something that survives SIGKILL is reported."""
_AGAIN = Backoff(first=0.2, most=5.0)
_SIGNALLED = 128
_MOST_SIGNALS = 64


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a container that was started."""

    engine_id: str
    address: str
    pid: int
    log: Path
    stop_signal: str
    hosts: str
    """Its `/etc/hosts`, as this machine calls it."""

    @classmethod
    def of(cls, shown: Any, log: Path, stop_signal: str) -> "Found":
        """From the engine's answer."""
        return cls(
            shown["Id"], address_of(shown), int(dig(shown, "State", "Pid", default=0)), log,
            stop_signal, str(shown.get("HostsPath") or ""),
        )  # fmt: skip

    @classmethod
    def again(cls, shown: Any, record: Document) -> "Found":
        """From the engine's answer, and what was written down."""
        found = cls.of(shown, Path(record["log"]), record["stop_signal"])
        # One that has ended has no address any more.
        return found if found.address else replace(found, address=record["address"])


def address_of(shown: Any) -> str:
    """The container's own address."""
    networks = dig(shown, "NetworkSettings", "Networks", default={}) or {}
    own = [str(network.get("IPAddress") or "") for network in networks.values()]
    return next(filter(None, own), str(dig(shown, "NetworkSettings", "IPAddress", default="")))


class EngineInstance:
    """A container that runs, or ran.

    Mutable state: `_ended`, how it ended, once that is known; `_cleared`, once it is removed,
    changed by who holds `_killing`.
    """

    def __init__(self, wire: Wire, clock: Clock, found: Found, record: Document) -> None:
        self._wire = wire
        self._clock = clock
        self._found = found
        self._record = record
        self._container = wire.client.containers.container(found.engine_id)
        ensure(found.log)
        self._place: Place | None = place_of(found.pid, found.engine_id)
        self._ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._killing = asyncio.Lock()
        self._cleared = False
        self._sending: set[asyncio.Task[None]] = set()
        name = f"container {found.engine_id[:12]}"
        self._watching = asyncio.create_task(self._watch(), name=name)

    def __repr__(self) -> str:
        state = f"ended {self._ended.result()}" if self._ended.done() else "running"
        return f"<EngineInstance {self._found.engine_id[:12]}: {state}>"

    @property
    def id(self) -> str:
        """Such as `podman://4f2f…`."""
        return f"{self._wire.name}://{self._found.engine_id}"

    @property
    def address(self) -> str:
        """Its own."""
        return self._found.address

    @property
    def alive(self) -> bool:
        """Whether its end has not been seen."""
        return not self._ended.done()

    async def record(self) -> Document:
        """The engine's id, and what the engine does not know."""
        return {
            **self._record,
            "engine": self._found.engine_id,
            "log": str(self._found.log),
            "address": self._found.address,
            "stop_signal": self._found.stop_signal,
            "hosts": self._found.hosts,
        }

    def on_end(self, told: Callable[[], None]) -> None:
        """Call `told` once it has ended."""
        self._ended.add_done_callback(lambda _: told())

    async def let_go(self) -> None:
        """Follow it no more; it runs on."""
        tasks = [self._watching, *self._sending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- its end --------------------------------------------------------------------------------

    async def _watch(self) -> None:
        memory = await asyncio.to_thread(OomWatch, self._place)  # it may wait for all processors
        output = asyncio.create_task(
            follow(self._wire, self._clock, self._found.engine_id, self._found.log),
            name=f"output of {self._found.engine_id[:12]}",
        )
        try:
            ended = await self._until_ended()
            await asyncio.wait((output,), timeout=LAST_WORDS)
            if memory.close() and ended.signal == signal.SIGKILL:
                ended = replace(ended, oom=True)
            self._ended.set_result(ended)
        finally:
            memory.close()
            output.cancel()
            await asyncio.gather(output, return_exceptions=True)

    async def _until_ended(self) -> Exit:
        failures = 0
        while True:
            try:
                await self._container.wait()
                return exit_of(await self._container.show())
            except DockerError as error:
                if error.status == NOT_FOUND:
                    return Exit(UNKNOWN_EXIT, seen=False)
                reason = str(error)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                reason = str(error)
            failures += 1
            delay = _AGAIN.delay(failures)
            _log.warning("container engine does not answer", reason=reason, retry_in=delay)
            await self._clock.sleep(delay)

    async def wait(self) -> Exit:
        """Wait for its end."""
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        """Signal its first process, which is what an image expects."""
        if self._ended.done():
            return
        wanted = signal.Signals(number).name
        if number == signal.SIGTERM and self._found.stop_signal:
            wanted = self._found.stop_signal
        task = asyncio.create_task(self._send(wanted), name=f"{wanted} to {self!r}")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, wanted: str) -> None:
        try:
            await self._container.kill(signal=wanted)
        except DockerError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:
                _log.warning("signal not sent", signal=wanted, container=self.id, reason=error)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("signal not sent", signal=wanted, container=self.id, reason=error)

    async def kill(self) -> None:
        """Kill it, and remove it from the engine."""
        async with self._killing:
            if self._cleared:
                return
            if self.alive:  # where control groups are of version 1, what stands does not die
                with contextlib.suppress(OSError, DockerError, aiohttp.ClientError, TimeoutError):
                    await asyncio.to_thread((await self.brake()).let_go)
            if self.alive:
                await self._send("SIGKILL")
                await self._see_end()
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                await self._remove()
            self._cleared = True

    async def _see_end(self) -> None:
        try:
            async with asyncio.timeout(KILL_PATIENCE):
                await self.wait()
        except TimeoutError:
            _log.warning("a killed container does not end", container=self.id)

    async def _remove(self) -> None:
        try:
            await self._container.delete(force=True, v=True)
        except DockerError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:
                _log.warning("container not removed", container=self.id, reason=error)

    # --- beside it ------------------------------------------------------------------------------

    def consumption(self) -> Consumption | None:
        """What its control group tells."""
        if self._ended.done() or self._place is None:
            return None
        return of_container(self._place.groups, self._place.pids)

    async def execute(self, command: tuple[str, ...], seconds: float) -> tuple[int, str]:
        """Run `command` in it."""
        async with asyncio.timeout(seconds):
            return await talk.execute(self._wire, self._found.engine_id, command)

    async def converse(self, command: tuple[str, ...], caller: Caller) -> int:
        """Run `command` in it for `caller`."""
        if self._ended.done():
            raise LaunchError("the container has just ended")
        return await talk.converse(self._wire, self._found.engine_id, command, caller)

    async def brake(self) -> Brake:
        """Its control group's, or the engine's own where that is none of this machine's."""
        place = None if self._place is None else GroupBrake.among(self._place.groups)
        return place or EngineBrake(self._container, asyncio.get_running_loop())

    async def listening(self) -> frozenset[int]:
        """The TCP ports on which anything in it listens."""
        if self._place is None:
            return frozenset()
        return await asyncio.to_thread(self._place.listening)


def exit_of(shown: Any) -> Exit:
    """How the engine says that it ended; 128 and a signal's number stand for the signal."""
    state = shown["State"]
    code = int(state.get("ExitCode", UNKNOWN_EXIT))
    number = code - _SIGNALLED
    by_signal = number if 0 < number <= _MOST_SIGNALS else 0
    return Exit(code, by_signal, oom=bool(state.get("OOMKilled")))
