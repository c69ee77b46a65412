"""The way to the container engine: where its socket is, and what to do where there is none.

Nothing of an engine is loaded before an image needs it: a machine that runs bundles alone pays
nothing for it.
"""

import asyncio
import os
import shutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from utsuwa.kit.clock import Clock

if TYPE_CHECKING:
    from utsuwa.node.engine.engine import Engine

VARIABLES = ("DOCKER_HOST", "CONTAINER_HOST")
"""Where the engine's own clients are told the socket, as `unix:///path`."""
PLACES = ("/run/docker.sock", "/run/podman/podman.sock")
"""Where engines put their sockets when root runs them."""
_INSTALLERS = (
    ("apt-get", "apt-get install podman && systemctl enable --now podman.socket"),
    ("dnf", "dnf install podman && systemctl enable --now podman.socket"),
    ("zypper", "zypper install podman && systemctl enable --now podman.socket"),
    ("pacman", "pacman -S podman && systemctl enable --now podman.socket"),
)


class NoEngineError(Exception):
    """There is no container engine to be had; the message says what was looked for, and the
    command that helps."""


def sockets(environment: Mapping[str, str]) -> list[Path]:
    """Where an engine may listen: what the environment names, and nothing else if it names one.

    Raises:
        NoEngineError: what it names is not a socket of this machine.
    """
    for name in VARIABLES:
        if given := environment.get(name):
            if not given.startswith("unix://"):
                raise NoEngineError(
                    f"{name}: expected unix:// and the path of a socket, found {given!r}: pods "
                    "run on this machine, and so must their engine"
                )
            return [Path(given.removeprefix("unix://"))]
    return [Path(place) for place in PLACES]


def advice() -> str:
    """The command that installs an engine here."""
    for program, command in _INSTALLERS:
        if shutil.which(program):
            return command
    return "install Podman or Docker and start its socket"


class Door:
    """Opens the engine once, and again after it could not be opened.

    `label`, any text, keeps the containers of several clusters on one engine apart. Mutable
    state: `_engine`, once it is open.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        label: str,
        environment: Mapping[str, str] | None = None,
        pulled: Path | None = None,
    ) -> None:
        """`pulled`: the file that remembers what was pulled for us, if anything shall."""
        self._pulled = pulled
        self._clock = clock
        self._label = label
        self._environment = os.environ if environment is None else environment
        self._opening = asyncio.Lock()
        self._engine: Engine | None = None

    def __repr__(self) -> str:
        return f"<Door to {self._engine!r}>"

    @property
    def present(self) -> bool:
        """Whether there is a socket to knock at; a few µs."""
        if self._engine is not None:
            return True
        try:
            return any(path.is_socket() for path in sockets(self._environment))
        except (NoEngineError, OSError):
            return False

    @property
    def opened(self) -> "Engine | None":
        """The engine, if anybody has needed it."""
        return self._engine

    async def engine(self) -> "Engine":
        """The engine.

        Raises:
            NoEngineError: there is none, or it cannot be used.
        """
        if self._engine is None:
            async with self._opening:
                if self._engine is None:
                    self._engine = await self._open()
        return self._engine

    async def close(self) -> None:
        """Let go of it; its containers run on."""
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    async def _open(self) -> "Engine":
        looked = sockets(self._environment)
        there = [path for path in looked if path.is_socket()]
        if not there:
            places = " or ".join(map(str, looked))
            raise NoEngineError(
                f"no container engine listens on {places}; install one with: {advice()}"
            )
        try:
            module = import_module("utsuwa.node.engine.engine")
        except ModuleNotFoundError as error:
            raise NoEngineError(
                f"the Python package {error.name} is missing; install it with: "
                "pip install 'utsuwa[container]'"
            ) from error
        engine: Engine = await module.open_engine(there[0], self._clock, self._label, self._pulled)
        return engine
