"""The connection to an engine, and the two streams that its client library does not offer: the
output of a container as the bytes it wrote, and a command with an end of input of its own."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiodocker import Docker, DockerError

from utsuwa.node.runtime import LaunchError

STDERR = 2
_HEAD = struct.Struct(">BxxxL")
_SWITCHED = {b"101", b"200"}


@dataclass(frozen=True, slots=True)
class Wire:
    """An engine that answers. `swap`: whether it can limit swap."""

    path: Path
    client: Docker
    name: str
    """`podman` or `docker`."""
    version: str
    swap: bool
    root: Path = Path("/")
    """Where it keeps images."""

    async def output(self, container: str) -> AsyncIterator[bytes]:
        """What `container` has written since its start and writes until its end; both outputs
        in the order in which they came."""
        client = self.client
        url = f"{client.docker_host}/{client.api_version}/containers/{container}/logs"
        wanted = {"follow": "1", "stdout": "1", "stderr": "1"}
        for_ever = aiohttp.ClientTimeout()
        async with client.session.get(url, params=wanted, timeout=for_ever) as response:
            response.raise_for_status()
            try:
                while True:
                    yield (await _frame(response.content))[1]
            except asyncio.IncompleteReadError:
                return

    async def start_exec(self, exec_id: str, *, tty: bool) -> "Line":
        """Start a command that was created, and talk to it. Raises LaunchError."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        body = json.dumps({"Detach": False, "Tty": tty}).encode()
        head = (
            f"POST /{self.client.api_version}/exec/{exec_id}/start HTTP/1.1\r\n"
            "Host: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        try:
            answer = await reader.readuntil(b"\r\n\r\n")
            if answer.split(b" ", 2)[1] not in _SWITCHED:
                raise LaunchError(_message(await reader.read(65_536)))
        except asyncio.IncompleteReadError as error:
            writer.close()
            raise LaunchError("the container engine hung up") from error
        except LaunchError:
            writer.close()
            raise
        return Line(reader, writer, tty)


@contextmanager
def refusals_told() -> Iterator[None]:
    """What an engine refuses in the block, or its silence, becomes a LaunchError."""
    try:
        yield
    except DockerError as error:
        raise LaunchError(error.message.strip()) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise LaunchError(f"the container engine does not answer: {error}") from error


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()


async def _frame(reader: aiohttp.StreamReader | asyncio.StreamReader) -> tuple[int, bytes]:
    number, size = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    return number, await reader.readexactly(size)


class Line:
    """Between us and a command in a container."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tty: bool
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._tty = tty

    def __repr__(self) -> str:
        return f"<Line {'with a terminal' if self._tty else 'of pipes'}>"

    async def read(self) -> tuple[int, bytes] | None:
        """The next output, 1 or :data:`STDERR` and what was written; None at its end."""
        if self._tty:
            data = await self._reader.read(65_536)
            return (1, data) if data else None
        try:
            return await _frame(self._reader)
        except asyncio.IncompleteReadError:
            return None

    async def write(self, data: bytes) -> None:
        """Type `data`. Raises OSError when nobody reads it any more."""
        self._writer.write(data)
        await self._writer.drain()

    def end_input(self) -> None:
        """Nothing more will be typed."""
        if self._tty:
            self._writer.write(b"\x04")
        else:
            self._writer.write_eof()

    def hang_up(self) -> None:
        """Close the line."""
        self._writer.close()
