"""The port behind which containers run: as processes here, as containers elsewhere."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from utsuwa.kit.caller import Caller
from utsuwa.kit.documents import Document
from utsuwa.kit.freezing import Brake

UNKNOWN_EXIT = 255
"""Exit code reported where nobody could see how a container ended."""

LOOPBACK = "127.0.0.1"
"""The address of everything that has none of its own."""

START_ERROR = 128
"""Exit code reported where the command could not be started at all."""


class LaunchError(Exception):
    """The container cannot be started; the message says which command and why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources; 0 is none given."""

    cpu: float = 0.0
    """Most cores in use, averaged over 100 ms."""
    cpu_request: float = 0.0
    """Cores to which it has a claim when they are scarce."""
    memory: int = 0
    """Bytes; beyond them it is killed."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or directory that a container sees at `target`, an absolute path."""

    source: Path
    target: Path
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """What only a container of its own needs to know; a process has no use for it."""

    image: str
    """As the engine knows it."""
    hostname: str
    entrypoint: tuple[str, ...] = ()
    """Empty: the image's own."""
    arguments: tuple[str, ...] = ()
    """Empty: the image's own, unless an entrypoint is given."""
    directory: str = ""
    """Working directory; empty: the image's own."""
    stop_signal: str = ""
    """What the image wants in place of SIGTERM."""
    read_only: bool = False
    no_new_privileges: bool = False
    unconfined: bool = False
    """Without the engine's filter of system calls."""
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    shared: bool = False
    """Its network is its Pod's, which other containers have as well."""
    hosts: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """Names, and the address of each, beside those that everybody knows. Not compared: they are
    brought up to date when the container runs, so one that was created ahead stays good."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """A process is to see what it needs and no more, where the machine allows, and to run as
    `user`. `shown`: what it needs beside its tree."""

    user: int
    group: int
    groups: tuple[int, ...] = ()
    shown: tuple[Path, ...] = ()


@dataclass(slots=True)
class Warmth:
    """The wish that a container be forked from a warm parent, and what became of it."""

    revision: str
    """`namespace/name`."""
    revision_uid: str
    everything: bool = False
    """Import also the app's own modules ahead."""
    forked: bool = False
    told: str = ""
    """A sentence for people: from which parent, or why not."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One life of one container, completely spelled out."""

    uid: str
    """Of the Pod."""
    container: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    directory: Path
    """Working directory."""
    log: Path
    """Takes stdout and stderr, appended."""
    tree: Path | None = None
    """The image's read-only tree, where there is one: the container sees its own copy-on-write
    view of it where the machine allows."""
    scratch: Path | None = None
    """The container's own directory, removed with the Pod."""
    limits: Limits = field(default_factory=Limits)
    user: int | None = None
    group: int | None = None
    mounts: tuple[Mount, ...] = ()
    warmth: Warmth | None = None
    stdin: int = subprocess.DEVNULL
    """A descriptor that it gets as its standard input."""
    isolation: Isolation | None = None
    """None: it sees the machine as we do."""
    hosts: Path | None = None
    """What a process sees as `/etc/hosts`, where it has a view of its own."""
    box: Box | None = None
    """Given for an image of a container engine; `command`, `directory` and `tree` say nothing
    then, and `env` is what comes on top of the image's own."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended. `signal` is the one that ended it, or 0. `seen`: False where nobody
    saw the end; code is :data:`UNKNOWN_EXIT` then."""

    code: int
    signal: int = 0
    oom: bool = False
    seen: bool = True

    @property
    def reason(self) -> str:
        """As Kubernetes calls it in `terminated.reason`."""
        if self.oom:
            return "OOMKilled"
        return "Completed" if self.code == 0 else "Error"


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a container has used."""

    cpu_seconds: float
    """Since its start, on all processors together."""
    memory: int
    """Bytes at this moment."""


class Instance(Protocol):
    """A container that runs, or ran."""

    @property
    def id(self) -> str:
        """Its `containerID`, such as `podman://4f2f…`; "" where it has none of its own."""
        ...

    @property
    def address(self) -> str:
        """Where its ports are: its own address, or the machine's loopback address."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        ...

    async def record(self) -> Document:
        """What :meth:`Runtime.adopt` needs to find it again; JSON-able."""
        ...

    async def wait(self) -> Exit:
        """Wait for its end; any number of callers, also after it."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to all that belongs to it; nothing happens after its end."""
        ...

    async def kill(self) -> None:
        """Kill all that belongs to it, what it has left behind included; returns when nothing
        of it runs any more."""
        ...

    def consumption(self) -> Consumption | None:
        """What it has used so far; None where that cannot be told, as after its end."""
        ...

    async def execute(self, command: tuple[str, ...], seconds: float) -> tuple[int, str]:
        """Run `command` beside it, as `kubectl exec` and exec probes do: exit code and output
        (the last 4 KiB). Raises TimeoutError after `seconds`, LaunchError if it cannot start."""
        ...

    async def converse(self, command: tuple[str, ...], caller: Caller) -> int:
        """Run `command` beside it for `caller`; its exit code. One that cannot be started ends
        with 126 or 127. Cancelled, it hangs up. Raises LaunchError if the container is gone."""
        ...

    async def listening(self) -> frozenset[int]:
        """The TCP ports on which its processes listen."""
        ...

    async def brake(self) -> Brake:
        """Stops all that belongs to it where it stands, and lets it go on."""
        ...


class Runtime(Protocol):
    """Starts containers and finds them again."""

    @property
    def version(self) -> str:
        """`nodeInfo.containerRuntimeVersion`, such as `process://0.1.0`."""
        ...

    async def launch(self, launch: Launch) -> Instance:
        """Start a container. Raises LaunchError."""
        ...

    async def ahead(self, launch: Launch) -> None:
        """Do beforehand what a `launch` equal to this one will need: it then takes less time.
        What is not used is removed by :meth:`sweep`. Raises LaunchError."""
        ...

    async def adopt(self, record: Document) -> Instance | None:
        """The instance of a :meth:`Instance.record`, which may have ended meanwhile; None where
        nothing is known of it any more (another boot of the machine)."""
        ...

    async def release(self, uid: str) -> None:
        """Give back what the containers of the Pod `uid` shared; all of them have ended."""
        ...

    async def sweep(self, uid: str) -> int:
        """Kill whatever still belongs to the Pod `uid`, adopted or not, and free what was kept
        for it. Returns how many processes there were."""
        ...
