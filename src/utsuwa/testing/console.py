"""A running console over a cluster in memory: what a browser would be told."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from utsuwa.alerts import Standing
from utsuwa.apiserver import User
from utsuwa.cluster.port import Key
from utsuwa.console import Building, Console, Image, PodsNow, Sessions, Tools
from utsuwa.kit.clock import Clock, SystemClock
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.logs.reading import ServiceLogs
from utsuwa.model.builtin_roles import AUTHENTICATED, MASTERS
from utsuwa.model.kinds import EVENT, POD, REVISION, SERVICE
from utsuwa.series import Mark, Point
from utsuwa.testing.apiserver import Serving, serving


@dataclass
class Doing:
    """A Live: what revisions do, as a test says."""

    second: int = 1000
    of: dict[Key, list[Key]] = field(default_factory=dict)
    series: dict[Key, dict[int, Point]] = field(default_factory=dict)
    present: dict[Key, PodsNow] = field(default_factory=dict)
    marked: dict[Key, list[Mark]] = field(default_factory=dict)

    def revisions(self, namespace: str, service: str) -> Sequence[Key]:
        """As the port."""
        return self.of.get(Key(namespace, service), [])

    def points(self, revision: Key, since: int) -> Mapping[int, Point]:
        """As the port."""
        known = self.series.get(revision, {})
        return {time: point for time, point in known.items() if time >= since}

    def marks(self, revisions: Sequence[Key]) -> Sequence[Mark]:
        """As the port."""
        return [mark for key in revisions for mark in self.marked.get(key, [])]

    def pods(self, revision: Key) -> PodsNow:
        """As the port."""
        return self.present.get(revision, PodsNow())


@dataclass
class Builds:
    """A Builder: directories as a test says."""

    known: set[str] = field(default_factory=set)

    async def build(self, directory: str, service: str, progress: Callable[[str], None]) -> Image:
        """As the port."""
        if directory not in self.known:
            raise ValueError(f"{directory}: there is no such directory")
        progress("looking at main.py")
        return Image(f"dev.local/{service}@sha256:{'0' * 64}", f"dev.local/{service}:latest")


class KnownCallers:
    """The test's API server's authentication."""

    def __init__(self, api: Serving) -> None:
        self._api = api

    def user(self, certificate: None, headers: Mapping[str, str], peer: str) -> User:
        """As the port."""
        return self._api.authentication.user(certificate, headers, peer)

    def is_good(self, token: str) -> bool:
        """As the port."""
        return self._api.authentication.proven(token) is not None


class Links:
    """A LinkSource of a console that is made later."""

    console: Console | None = None

    @property
    def served(self) -> bool:
        """As the port."""
        return self.console is not None

    async def link(self, user: User, proof: str) -> str:
        """As the port."""
        assert self.console is not None
        return await self.console.link(user, proof)


@dataclass
class Browsing:
    """A running console, and what it rests on."""

    api: Serving
    console: Console
    doing: Doing
    builds: Builds
    url: str
    standing: list[Standing]
    """Alerts that stand, as a test says."""

    async def session(self, name: str = "admin", *groups: str) -> aiohttp.ClientSession:
        """A browser in which `name` is signed in; of the masters when no groups are named."""
        user = User(name, (*(groups or (MASTERS,)), AUTHENTICATED))
        link = await self.console.link(user)
        session = self.stranger()
        async with session.get(link) as answer:
            assert answer.status == 200, await answer.text()
        return session

    def stranger(self) -> aiohttp.ClientSession:
        """A browser in which nobody is signed in."""
        return aiohttp.ClientSession(
            self.url,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Origin": self.url},
        )


@asynccontextmanager
async def browsing(directory: Path, clock: Clock | None = None) -> AsyncIterator[Browsing]:
    """Serve a console over a cluster in memory; `directory` is for what it keeps."""
    used = clock or SystemClock()
    listening = socket.create_server(("127.0.0.1", 0))
    tasks, doing, builds, links = TaskSet(), Doing(), Builds(), Links()
    standing: list[Standing] = []
    async with serving(directory, clock=used, links=links) as api:
        callers = KnownCallers(api)
        for kind in (SERVICE, REVISION, POD, EVENT):
            api.informers.of(kind)
        await api.informers.synced()
        console = Console(
            api.server,
            informers=api.informers,
            authorizer=api.rights,
            callers=callers,
            sessions=Sessions(directory / "console.json", used, callers.is_good),
            live=doing,
            tools=Tools(
                ServiceLogs(directory / "logs", used, tuple),
                builds,
                Building(),
                Ids(),
                standing.copy,
            ),
            clock=used,
            ids=Ids(),
            version="test",
        )
        await console.serve([listening], tasks)
        links.console = console
        port = listening.getsockname()[1]
        yield Browsing(api, console, doing, builds, f"http://127.0.0.1:{port}", standing)
        await console.close()
        await tasks.close()
