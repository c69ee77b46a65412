"""An engine that answers: its runtime and its images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiodocker import Docker, DockerError

from utsuwa.kit.clock import Clock
from utsuwa.node.engine.door import NoEngineError
from utsuwa.node.engine.images import EngineImages
from utsuwa.node.engine.runtime import EngineRuntime
from utsuwa.node.engine.wire import Wire

ANSWER = 120.0
"""Seconds within which an engine answers to anything that is not meant to last."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What can be done with an engine."""

    wire: Wire
    runtime: EngineRuntime
    images: EngineImages

    async def close(self) -> None:
        """Let go of it; its containers run on."""
        await self.runtime.close()
        await self.images.close()
        await _close(self.wire.client)


async def open_engine(path: Path, clock: Clock, label: str, pulled: Path | None = None) -> Engine:
    """The engine behind the socket `path`.

    Raises:
        NoEngineError: it does not answer, or its containers cannot be reached from here.
    """
    connector = aiohttp.UnixConnector(path=str(path), limit=0)
    client = Docker(
        # The path is the connector's; what stands here is only a name for the Host field.
        url="unix://localhost",
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=ANSWER),
    )
    try:
        wire = _checked(path, client, await client.version(), await client.system.info())
    except (DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
        await _close(client)
        raise NoEngineError(f"the container engine on {path} does not answer: {error}") from error
    except NoEngineError:
        await _close(client)
        raise
    return Engine(wire, EngineRuntime(wire, clock, label), EngineImages(wire, pulled=pulled))


async def _close(client: Docker) -> None:
    await client.close()
    await client.connector.close()


def _checked(path: Path, client: Docker, version: Any, info: Any) -> Wire:
    names = {str(part.get("Name", "")) for part in version.get("Components") or ()}
    name = "podman" if any("Podman" in name for name in names) else "docker"
    options = info.get("SecurityOptions") or ()
    if any("rootless" in option for option in options):
        raise NoEngineError(
            f"the {name} on {path} runs without root: its containers have no address that this "
            f"machine reaches; start it as root: sudo systemctl enable --now {name}.socket"
        )
    return Wire(
        path,
        client,
        name,
        str(version["Version"]),
        swap=bool(info.get("SwapLimit")),
        root=Path(str(info.get("DockerRootDir") or "/")),
    )
