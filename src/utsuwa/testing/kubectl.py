"""The real kubectl, run against a server of ours, with a home directory of its own."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

KUBECTL = shutil.which("kubectl")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The output as a table: lines split at blanks."""
        return [line.split() for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Runs kubectl with a kubeconfig and a scratch home (it caches discovery there)."""

    kubeconfig: Path
    home: Path
    seconds: float = 30.0

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        """Run to its end. Raises TimeoutError after `seconds`; the process is killed then."""
        process = await self._start(arguments, environment)
        try:
            async with asyncio.timeout(self.seconds):
                out, err = await process.communicate(stdin.encode())
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise TimeoutError(f"kubectl {arguments}: {out.decode()} {err.decode()}") from None
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        """Run, and expect success. Raises AssertionError with what it said instead."""
        ran = await self(*arguments, stdin=stdin, **environment)
        assert ran.code == 0, f"kubectl {' '.join(arguments)}: exit {ran.code}: {ran.err}{ran.out}"
        return ran

    @asynccontextmanager
    async def running(self, *arguments: str, **environment: str) -> AsyncIterator["Running"]:
        """Run in the background, killed at the end."""
        process = await self._start(arguments, environment)
        try:
            yield Running(process, self.seconds)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def _start(
        self, arguments: tuple[str, ...], environment: dict[str, str]
    ) -> asyncio.subprocess.Process:
        if KUBECTL is None:
            raise FileNotFoundError("kubectl: not found in PATH; install it, or skip these tests")
        return await asyncio.create_subprocess_exec(
            KUBECTL,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "KUBECONFIG": str(self.kubeconfig),
                **environment,
            },
        )


@dataclass(frozen=True, slots=True)
class Running:
    """A kubectl that is still at work."""

    process: asyncio.subprocess.Process
    seconds: float

    async def line(self) -> str:
        """Its next line of output, without the line's end. Raises TimeoutError."""
        assert self.process.stdout is not None
        async with asyncio.timeout(self.seconds):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def ended(self) -> int:
        """Its exit code, once it ends by itself. Raises TimeoutError."""
        async with asyncio.timeout(self.seconds):
            return await self.process.wait()
