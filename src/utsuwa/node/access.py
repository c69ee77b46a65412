"""How people get at a running container: a command beside it, its output, its ports."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from utsuwa.kit.caller import Caller
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.logs.file import opened, read, size_of
from utsuwa.node.logs import PodLogs
from utsuwa.node.pods import init_containers, main_containers
from utsuwa.node.resting import Rest
from utsuwa.node.runtime import Instance, LaunchError
from utsuwa.node.status import ADDRESS

LOOK = 0.05
"""Seconds between two looks at the output of an attached container."""
_IPV6_LOOPBACK = "::1"


class Instances(Protocol):
    """Who knows what runs."""

    def instance(self, uid: str, container: str) -> Instance | None:
        """The process of a container of the Pod `uid`, while it runs."""
        ...

    def rest(self, uid: str) -> Rest | None:
        """Whether the Pod `uid` is frozen; None if there is no such Pod."""
        ...


class Access:
    """For whoever lets people in; asks nobody whether they may.

    Mutable state: `_keeping`, who keeps a Pod awake for a connection into it.
    """

    def __init__(self, instances: Instances, logs: PodLogs, clock: Clock) -> None:
        self._instances = instances
        self._logs = logs
        self._clock = clock
        self._keeping: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Access to {self._instances!r}>"

    def runs(self, pod: Document, container: str) -> bool:
        """Whether `container` has a process now."""
        return self._instances.instance(pod["metadata"]["uid"], container) is not None

    async def execute(
        self, pod: Document, container: str, command: tuple[str, ...], caller: Caller
    ) -> int:
        """Run `command` beside `container` for `caller`; its exit code.

        Raises:
            LaunchError: the container does not run.
        """
        instance = self._instance(pod, container)
        async with self._awake(pod):
            return await instance.converse(command, caller)

    async def attach(self, pod: Document, container: str, caller: Caller) -> None:
        """Give `caller` what `container` writes from now on, until its process ends. Both
        outputs come as one: they go to one file.

        Raises:
            LaunchError: the container does not run.
        """
        instance = self._instance(pod, container)
        path = self._logs.path(pod, container, previous=False)
        if path is None:
            raise LaunchError(f"container {container} has no output yet")
        with opened(path) as file:
            offset = size_of(file)
            last = False
            while True:
                while (found := read(file, offset))[1]:
                    offset = found[0] + len(found[1])
                    await caller.write(found[1])
                if last:
                    return
                last = not instance.alive
                if not last:
                    await self._clock.sleep(LOOK)

    @contextlib.asynccontextmanager
    async def _awake(self, pod: Document) -> AsyncIterator[None]:
        """It runs meanwhile: in a frozen Pod a command would stand still as well."""
        rest = self._instances.rest(pod["metadata"]["uid"])
        async with contextlib.nullcontext() if rest is None else rest.awake():
            yield

    async def connect(
        self, pod: Document, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to what listens on `port` in the Pod: on the port of that number that the
        Pod declares, wherever it really is, or on one that its processes opened. Ports of others
        are out of reach, though all share the loopback address.

        Raises:
            ConnectionRefusedError: nothing of the Pod listens there.
        """
        real = _declared(pod).get(port, port)
        address = await self._listener(pod, real)
        if address is None:
            raise ConnectionRefusedError(
                f"nothing in the pod listens on port {port}: connection refused"
            )
        try:
            found = await asyncio.open_connection(address, real)
        except ConnectionRefusedError:
            if address != ADDRESS:
                raise ConnectionRefusedError(
                    f"port {port} is open to the pod itself alone: connection refused"
                ) from None
            found = await asyncio.open_connection(_IPV6_LOOPBACK, real)
        task = asyncio.create_task(self._keep_awake(pod, found[1]), name="pod kept awake")
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
        return found

    async def _keep_awake(self, pod: Document, writer: asyncio.StreamWriter) -> None:
        """For as long as the connection lasts."""
        async with self._awake(pod):
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _listener(self, pod: Document, port: int) -> str | None:
        """The address of the container that listens on `port`; None where none does."""
        for container in (*main_containers(pod), *init_containers(pod)):
            instance = self._instances.instance(pod["metadata"]["uid"], container["name"])
            if instance is not None and port in await instance.listening():
                return instance.address
        return None

    def _instance(self, pod: Document, container: str) -> Instance:
        found = self._instances.instance(pod["metadata"]["uid"], container)
        if found is None:
            name = pod["metadata"]["name"]
            raise LaunchError(f"container {container} of pod {name} does not run")
        return found


def _declared(pod: Document) -> dict[int, int]:
    """Each port that the Pod declares, and the one that it was given instead."""
    return {
        int(port["containerPort"]): int(port.get("hostPort") or port["containerPort"])
        for port in _ports(pod)
    }


def _ports(pod: Document) -> Iterator[Document]:
    for container in dig(pod, "spec", "containers", default=[]):
        yield from container.get("ports") or ()
