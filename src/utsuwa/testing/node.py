"""A node without processes: a runtime, probes, images and drains that a test drives."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utsuwa.kit.caller import Caller
from utsuwa.kit.documents import Document
from utsuwa.kit.freezing import Brake
from utsuwa.model.draining import Remaining
from utsuwa.model.images import TERMS, ImageNotFoundError, Terms
from utsuwa.model.kinds import POD
from utsuwa.node.images import Bundle
from utsuwa.node.packages import Package, Pull
from utsuwa.node.probes import Probe
from utsuwa.node.runtime import (
    LOOPBACK,
    Consumption,
    Exit,
    Instance,
    Launch,
    LaunchError,
)
from utsuwa.testing.freezing import FakeBrake

DIGEST = "sha256:" + "0" * 64


class FakeInstance:
    """A container that runs until :meth:`exit` or a signal that it does not ignore."""

    def __init__(self, runtime: "FakeRuntime", launch: Launch, number: int) -> None:
        self._runtime = runtime
        self._gone: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.launch = launch
        self.number = number
        self.signals: list[int] = []
        self.ignores: set[int] = set()
        self.commands: list[tuple[str, ...]] = []
        self.execute_result: tuple[int, str] = (0, "")
        self.used: Consumption | None = None
        self.ports: frozenset[int] = frozenset()
        self.stands = FakeBrake()
        self.id = ""
        self.address = runtime.address

    def __repr__(self) -> str:
        state = f"ended {self._gone.result()}" if self._gone.done() else "running"
        return f"<FakeInstance {self.number} of {self.launch.container}: {state}>"

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return not self._gone.done()

    async def record(self) -> Document:
        """Its number: the fake runtime never forgets."""
        return {"number": self.number, "boot": self._runtime.boot}

    async def wait(self) -> Exit:
        """Wait for its end."""
        return await asyncio.shield(self._gone)

    def exit(
        self, code: int = 0, *, oom: bool = False, seen: bool = True, output: str = ""
    ) -> None:
        """End it from inside, with `output` as its last words."""
        if output:
            self.write(output)
        if self.alive:
            self._gone.set_result(Exit(code, oom=oom, seen=seen))

    def write(self, output: str) -> None:
        """Append to its log."""
        self.launch.log.parent.mkdir(parents=True, exist_ok=True)
        with self.launch.log.open("a") as file:
            file.write(output)

    def signal(self, number: int) -> None:
        """End by `number`, unless it ignores it."""
        if self.alive:
            self.signals.append(number)
            if number not in self.ignores:
                self._gone.set_result(Exit(128 + number, number))

    async def kill(self) -> None:
        """End it."""
        if self.alive:
            self._gone.set_result(Exit(137, 9))

    def consumption(self) -> Consumption | None:
        """:attr:`used`, while it runs."""
        return self.used if self.alive else None

    async def execute(self, command: tuple[str, ...], seconds: float) -> tuple[int, str]:
        """Answer :attr:`execute_result`."""
        self.commands.append(command)
        return self.execute_result

    async def converse(self, command: tuple[str, ...], caller: Caller) -> int:
        """Give the caller :attr:`execute_result`."""
        self.commands.append(command)
        code, output = self.execute_result
        await caller.write(output.encode())
        return code

    async def listening(self) -> frozenset[int]:
        """:attr:`ports`."""
        return self.ports

    async def brake(self) -> Brake:
        """Its own."""
        return self.stands


class FakeRuntime:
    """Starts :class:`FakeInstance` objects and remembers them.

    `broken`: commands that cannot be started, with the reason. Mutable state: `instances`, all
    that were ever started, in order.
    """

    def __init__(self) -> None:
        self.instances: list[FakeInstance] = []
        self.broken: dict[str, str] = {}
        self.boot = "boot-1"
        self.address = LOOPBACK
        self.swept: list[str] = []
        self.prepared: dict[str, Launch] = {}
        self.silent = False
        self.released: list[str] = []

    def __repr__(self) -> str:
        return f"<FakeRuntime {len(self.running)} of {len(self.instances)} running>"

    @property
    def version(self) -> str:
        """As a Node shows it."""
        return "fake://1"

    @property
    def running(self) -> list[FakeInstance]:
        """Those that have not ended."""
        return [instance for instance in self.instances if instance.alive]

    async def launch(self, launch: Launch) -> Instance:
        """Start one. Raises LaunchError for a command in :attr:`broken`."""
        if launch.command and launch.command[0] in self.broken:
            raise LaunchError(self.broken[launch.command[0]])
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        launch.log.touch()
        instance = FakeInstance(self, launch, len(self.instances))
        self.instances.append(instance)
        return instance

    async def release(self, uid: str) -> None:
        """Remember it in :attr:`released`."""
        self.released.append(uid)

    async def ahead(self, launch: Launch) -> None:
        """Remember it in :attr:`prepared`. Raises LaunchError as :meth:`launch`."""
        if launch.command and launch.command[0] in self.broken:
            raise LaunchError(self.broken[launch.command[0]])
        self.prepared[launch.uid] = launch

    async def adopt(self, record: Document) -> Instance | None:
        """The instance of that number, unless the machine was booted since."""
        return self.instances[record["number"]] if record["boot"] == self.boot else None

    async def sweep(self, uid: str) -> int:
        """Kill all instances of a Pod."""
        if self.silent:
            raise LaunchError("the engine does not answer")
        self.swept.append(uid)
        self.prepared.pop(uid, None)
        left = [instance for instance in self.running if instance.launch.uid == uid]
        for instance in left:
            await instance.kill()
        return len(left)


@dataclass
class FakeChecks:
    """Probes that say what they are told: "" is good. `answers` by kind of probe."""

    answers: dict[str, str] = field(default_factory=dict)
    asked: list[Probe] = field(default_factory=list)

    async def check(self, probe: Probe, instance: Instance) -> str:
        """The answer for this kind of probe."""
        self.asked.append(probe)
        return self.answers.get(probe.kind, "")


class FakeImages:
    """Every reference in `known` is a bundle whose command is `["app"]`; `packages`: images of an
    engine, which take `slow` seconds. Mutable state: `pulls`, how they were asked for."""

    def __init__(self, root: Path, *known: str, env: Mapping[str, str] | None = None) -> None:
        self.known = set(known)
        self.packages: dict[str, Package | ImageNotFoundError] = {}
        self.pulls: list[Pull] = []
        self.slow = 0.0
        self._bundle = Bundle(DIGEST, root, ("app",), "command", dict(env or {}))

    async def resolve(self, image: str, terms: Terms = TERMS) -> str:
        """Raises ImageNotFoundError for an unknown one."""
        if image not in self.known:
            raise ImageNotFoundError(f"image {image!r} not found; utsuwa build DIR -t {image}")
        return f"{image.partition(':')[0]}@{DIGEST}"

    def bundle(self, name: str) -> Bundle:
        """The one bundle."""
        return self._bundle

    def is_bundle(self, image: str) -> bool:
        """Everything but what :attr:`packages` holds."""
        return image not in self.packages

    async def obtain(self, image: str, pull: Pull) -> Package:
        """What :attr:`packages` holds: an image, or the error that says why there is none."""
        self.pulls.append(pull)
        if self.slow:
            pull.progress("1 MB")
            await asyncio.sleep(self.slow)
        found = self.packages[image]
        if isinstance(found, ImageNotFoundError):
            raise found
        return found


class FakeDrains:
    """Requests that are left on Pods until :attr:`open` is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.asked: list[tuple[str, str]] = []
        self.told: Callable[[Remaining], None] = lambda remaining: None

    def launched(self, pod: Document) -> None:
        """Nobody looks for it."""

    async def drained(self, revision: str, uid: str, told: Callable[[Remaining], None]) -> None:
        """Waits for :attr:`open`; whoever asked last is :attr:`told`."""
        self.told = told
        self.asked.append((revision, uid))
        await self.open.wait()


class FakeEvents:
    """Remembers reason and message of each warning in :attr:`told`, of other events in
    :attr:`said`."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.said: list[tuple[str, str]] = []

    async def normal(self, document: Document, reason: str, message: str) -> None:
        """As the port."""
        self.said.append((reason, message))

    async def warning(self, document: Document, reason: str, message: str) -> None:
        """As the port."""
        self.told.append((reason, message))


def a_pod(name: str = "web", image: str = "app:1", **container: Any) -> Document:
    """A Pod with one serving container on port 8080; `container` are more of its members."""
    serving = {
        "name": "user-container",
        "image": image,
        "ports": [{"name": "user-port", "containerPort": 8080}],
        **container,
    }
    pod = POD.document("default", name, spec={"containers": [serving]})
    pod["metadata"]["labels"] = {"serving.knative.dev/revision": "hello-00001"}
    return pod
