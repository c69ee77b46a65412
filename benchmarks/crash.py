"""Kills control in the middle of writing, again and again, and looks for what must never be.

    python -m benchmarks.crash 200          # or: make crash KILLS=200

Twenty clients write for as long as it takes: they create, replace, patch and delete ConfigMaps of
their own over HTTPS. Control (the real process, with API server, store and controllers) gets
SIGKILL at random moments, and is started anew behind the same socket at once. After each kill every
client compares each of its objects with what it was told:

* what was acknowledged is there, unless the client itself has written since;
* the one write whose answer never came happened as a whole or not at all;
* no resourceVersion stands for two different states, and none goes back.
"""

import asyncio
import dataclasses
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from utsuwa.apiserver import Authority
from utsuwa.app.options import ControlOptions, Layout
from utsuwa.kit.clock import SystemClock

CLIENTS = 20
OBJECTS = 4
"""Each client's own."""
PADDING = 600
"""Bytes of each object that follow from its number: a partial write would show."""
_BASE = "/api/v1/namespaces/default/configmaps"
_FIELD = "application/merge-patch+json"


class BrokenPromiseError(AssertionError):
    """Something that must never be."""


@dataclass
class Books:
    """What everybody was told. One entry a resourceVersion: what it stands for."""

    versions: dict[int, str] = field(default_factory=dict)
    newest: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    compared: int = 0

    def note(self, version: int, state: str) -> None:
        """`version` was seen, standing for `state`."""
        known = self.versions.setdefault(version, state)
        if known != state:
            raise BrokenPromiseError(f"resourceVersion {version}: was {known}, is {state}")
        self.newest = max(self.newest, version)


def content(number: int) -> dict[str, str]:
    """The data of an object: the number, and what follows from it."""
    text = hashlib.sha256(str(number).encode()).hexdigest()
    return {"number": str(number), "padding": (text * (PADDING // 64 + 1))[:PADDING]}


def number_of(document: dict[str, Any]) -> int:
    """The number in an object, which must be whole."""
    data = document.get("data") or {}
    number = int(data.get("number", "-1"))
    if data != content(number):
        raise BrokenPromiseError(f"{document['metadata']['name']}: partial: {data}")
    return number


class Writer:
    """One client. `_sure` is what it was told of each object (None: gone); `_maybe` the state
    that its unanswered write would lead to."""

    def __init__(self, index: int, session: aiohttp.ClientSession, books: Books, seed: int) -> None:
        self._session = session
        self._books = books
        self._random = random.Random(seed * 1000 + index)
        self._names = [f"w{index:02}-{number}" for number in range(OBJECTS)]
        self._sure: dict[str, int | None] = dict.fromkeys(self._names)
        self._maybe: dict[str, int | None] = {}
        self._numbers = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop; then compare once more."""
        while not stop.is_set():
            try:
                await self._write(self._random.choice(self._names))
            except (TimeoutError, aiohttp.ClientError, OSError):
                self._books.unanswered += 1
                await self._compare()
        await self._compare()

    async def _write(self, name: str) -> None:
        self._numbers += 1
        number: int | None = self._numbers
        body = {"metadata": {"name": name}, "data": content(self._numbers)}
        if self._sure[name] is None:
            asked: tuple[str, str, Any] = ("POST", _BASE, body)
        else:
            method = self._random.choice(["PUT", "PATCH", "PATCH", "DELETE"])
            number = None if method == "DELETE" else number
            asked = (method, f"{_BASE}/{name}", None if method == "DELETE" else body)
        self._maybe = {name: number}
        code, told = await self._call(*asked)
        if code not in {200, 201}:
            raise BrokenPromiseError(f"{asked[0]} {name}: {code} {told}")
        self._sure[name] = number
        self._maybe = {}
        self._books.acknowledged += 1
        if number is not None:
            if number_of(told) != number:
                raise BrokenPromiseError(f"{name}: wrote {number}, answered {told['data']}")
            self._seen(told)

    async def _compare(self) -> None:
        """Every object against what is known of it, once the server answers again."""
        for name in self._names:
            code, told = await self._patiently(f"{_BASE}/{name}")
            found = number_of(told) if code == 200 else None
            allowed = {self._sure[name], self._maybe.get(name, self._sure[name])}
            if found not in allowed:
                raise BrokenPromiseError(f"{name}: expected one of {allowed}, found {found}")
            if code == 200:
                self._seen(told)
            self._sure[name] = found
            self._books.compared += 1
        self._maybe = {}

    def _seen(self, document: dict[str, Any]) -> None:
        metadata = document["metadata"]
        state = f"{metadata['name']}={number_of(document)}"
        self._books.note(int(metadata["resourceVersion"]), state)

    async def _patiently(self, path: str) -> tuple[int, Any]:
        while True:
            try:
                return await self._call("GET", path)
            except (TimeoutError, aiohttp.ClientError, OSError):
                await asyncio.sleep(0.02)

    async def _call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        kind = _FIELD if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, path, data=data, headers={"Content-Type": kind}
        ) as answer:
            return answer.status, await answer.json()


class Control:
    """The real control process on a socket that outlives it, as under the supervisor."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory)
        self.layout.make()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (directory / "logs" / "control.log").open("ab")

    def start(self) -> None:
        """Begin (again)."""
        reading, writing = os.pipe()
        options = ControlOptions(
            data_dir=self.layout.root, domain="localhost", gateway_port=1, https_port=2,
            api_port=self.port, gke_fds=(),
            runtime="auto", log_level="warning", address="", address_has_api=False,
            address_has_gateway=False, api_fds=(self._socket.fileno(),), ready_fd=writing,
        )  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "utsuwa.app.control"],
            env={**os.environ, "UTSUWA_CONTROL": options.to_environment()},
            pass_fds=(self._socket.fileno(), writing), stdout=self._log, stderr=self._log,
        )  # fmt: skip
        os.close(writing)
        os.close(reading)

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        if self._process is None:
            raise RuntimeError("control was not started")
        return self._process.pid

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it, by default without a word."""
        if self._process is not None:
            if self._process.poll() is not None:
                raise RuntimeError(f"control ended by itself: {self._process.returncode}")
            self._process.send_signal(number)
            self._process.wait(20)

    def close(self) -> None:
        """Let go of socket and log."""
        self._socket.close()
        self._log.close()


@dataclass(frozen=True)
class Result:
    """What came of it."""

    kills: int
    acknowledged: int
    unanswered: int
    compared: int
    versions: int
    seconds: float


async def crash(kills: int, directory: Path, seed: int) -> Result:
    """Kill it so many times.

    Raises:
        BrokenPromiseError: what must never be, was.
    """
    began = time.monotonic()
    chance = random.Random(seed)
    control = Control(directory)
    authority = Authority.open(control.layout.pki, SystemClock())
    context = authority.client_context()
    control.start()
    books, stop = Books(), asyncio.Event()
    async with aiohttp.ClientSession(
        f"https://127.0.0.1:{control.port}",
        connector=aiohttp.TCPConnector(ssl=context, limit=0),
        timeout=aiohttp.ClientTimeout(total=30),
    ) as session:
        # A DELETE that aiohttp silently sends again would get 404 for what it did itself.
        session._retry_connection = False  # noqa: SLF001  (no public way to have each sent once)
        writers = [Writer(index, session, books, seed) for index in range(CLIENTS)]
        try:
            async with asyncio.TaskGroup() as group:
                for writer in writers:
                    group.create_task(writer.run(stop))
                await _kill_again_and_again(control, books, kills, chance)
                stop.set()
        finally:
            control.kill(signal.SIGTERM)
            control.close()
    return Result(
        kills, books.acknowledged, books.unanswered, books.compared, len(books.versions),
        time.monotonic() - began,
    )  # fmt: skip


async def _kill_again_and_again(
    control: Control, books: Books, kills: int, chance: random.Random
) -> None:
    for number in range(1, kills + 1):
        before = books.acknowledged
        while books.acknowledged < before + CLIENTS:
            await asyncio.sleep(0.005)
        await asyncio.sleep(chance.uniform(0, 0.3))
        control.kill()
        control.start()
        if number % 20 == 0 or number == kills:
            print(
                f"{number:4} kills: {books.acknowledged:7,} acknowledged, "
                f"{books.unanswered:5,} unanswered, {books.compared:7,} compared",
                flush=True,
            )


def main() -> None:
    """Run it, print what came of it."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(os.environ.get("SEED", str(random.SystemRandom().randrange(1_000_000))))
    print(f"{kills} kills under {CLIENTS} writing clients, SEED={seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="utsuwa-crash-") as directory:
        result = asyncio.run(crash(kills, Path(directory), seed))
    for name, value in dataclasses.asdict(result).items():
        print(f"  {name:<14} {value:12,.0f}")
    print("Nothing acknowledged was lost, nothing partial was seen, no version was used twice.")


if __name__ == "__main__":
    main()
