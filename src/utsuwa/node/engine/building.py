"""Builds a Dockerfile with the engine, told line by line."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiodocker import DockerError

from utsuwa.kit.documents import Document
from utsuwa.model.images import Reference
from utsuwa.node.engine.wire import Wire
from utsuwa.node.images.context import pack
from utsuwa.node.images.dockerfile import Steps, instructions
from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.install import Progress

_KEPT_LINES = 15
_MEGABYTE = 1e6


async def build(
    wire: Wire, file: Path, reference: Reference, progress: Progress, *, fresh: bool = False
) -> str:
    """Build the Dockerfile `file` from its directory and let `reference` name the result; its id.
    `fresh`: without what earlier builds left.

    Raises:
        BuildError: it failed; the message has the line and its last output.
    """
    with tempfile.TemporaryFile(prefix="utsuwa-context-") as archive:
        packed = await asyncio.to_thread(pack, file.parent, file.name, archive)
        told = f"{packed.files} files, {packed.size / _MEGABYTE:.1f} MB"
        progress(f"{wire.name} builds {file}: {told}")
        archive.seek(0)
        log = _Log(file, progress)
        params = {
            "t": f"{reference.repository}:{reference.tag}",
            "dockerfile": file.name,
            "rm": "true",
            "nocache": "true" if fresh else "false",
        }
        url = f"{wire.client.docker_host}/{wire.client.api_version}/build"
        try:
            async with wire.client.session.post(
                url,
                params=params,
                data=archive,
                headers={"Content-Type": "application/x-tar"},
                timeout=aiohttp.ClientTimeout(),
            ) as response:
                if response.status >= 400:
                    raise BuildError(f"{file}: {_message(await response.text())}")
                async for line in _documents(response.content):
                    log.add(line)
            shown = await wire.client.images.inspect(log.image or params["t"])
        except (aiohttp.ClientError, OSError) as error:
            raise BuildError(f"{file}: {wire.name} does not answer: {error}") from error
        except DockerError as error:
            raise BuildError(f"{file}: the image is not there: {error.message}") from error
    return str(shown["Id"]) if ":" in shown["Id"] else f"sha256:{shown['Id']}"


def _message(body: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.strip()


async def _documents(content: aiohttp.StreamReader) -> AsyncIterator[Document]:
    """One a line; a line may be longer than what a stream reads at a time."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
    if rest.strip():
        yield json.loads(rest)


class _Log:
    """The output of a build: passed on, and the end of the last step kept.

    Mutable state: `_text`, a line that is not complete; `_kept`, what the step has said; `image`,
    the id once it is told.
    """

    def __init__(self, file: Path, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._steps = Steps(instructions(file.read_text(errors="replace")))
        self._text = ""
        self._kept: list[str] = []
        self.image = ""

    def add(self, line: Document) -> None:
        """One more document of the engine's. Raises BuildError if it says that the build failed."""
        self._text += str(line.get("stream") or "")
        *whole, self._text = self._text.split("\n")
        for text in whole:
            self._add_text(text.rstrip())
        if identity := (line.get("aux") or {}).get("ID"):
            self.image = str(identity)
        if failed := line.get("error") or (line.get("errorDetail") or {}).get("message"):
            self._add_text(self._text.rstrip())
            raise BuildError(self._why(str(failed).strip()))

    def _add_text(self, text: str) -> None:
        if not text:
            return
        self._progress(text)
        if self._steps.follow(text):
            self._kept.clear()
        else:
            self._kept.append(text)
            del self._kept[:-_KEPT_LINES]

    def _why(self, failed: str) -> str:
        step = self._steps.current
        where = f"{self._file}:{step.line}: {step.words}" if step else str(self._file)
        kept = [line for line in self._kept if line.strip() != failed]
        return "\n".join((f"{where}\n  failed: {failed}", *(f"  | {line}" for line in kept)))
