"""The console, wired: what it is told of this cluster."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from utsuwa import __version__
from utsuwa.alerts import Standing
from utsuwa.apiserver import ApiServer, Authentication, Rbac, User
from utsuwa.app.history import Fleet, Recorder
from utsuwa.app.options import Layout
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.console import Building, Console, Image, PodsNow, Sessions, Tools
from utsuwa.kit.clock import Clock
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger
from utsuwa.logs.reading import ServiceLogs
from utsuwa.model.images import parse_reference
from utsuwa.node.images import BuildError, ImageStore
from utsuwa.node.sources import build as build_source
from utsuwa.series import Mark, Point

_log = get_logger(__name__)


class Figures:
    """What revisions do now, from the recorder's latest points and the fleet."""

    def __init__(self, recorder: Recorder, fleet: Fleet) -> None:
        self._recorder = recorder
        self._fleet = fleet

    def __repr__(self) -> str:
        return f"<Figures of {self._recorder!r}>"

    @property
    def second(self) -> int:
        """As the port."""
        return self._recorder.second

    def revisions(self, namespace: str, service: str) -> Sequence[Key]:
        """As the port."""
        return self._fleet.revisions(namespace, service)

    def points(self, revision: Key, since: int) -> Mapping[int, Point]:
        """As the port."""
        return self._recorder.latest(revision, since)

    def marks(self, revisions: Sequence[Key]) -> Sequence[Mark]:
        """As the port."""
        return self._recorder.latest_marks(revisions)

    def pods(self, revision: Key) -> PodsNow:
        """As the port."""
        state = self._fleet.state(revision)
        return PodsNow(state.desired, state.ready, state.total)


class Builds:
    """Images of directories of this machine, as `utsuwa deploy --source` makes them."""

    def __init__(self, images: Path) -> None:
        self._store = ImageStore(images)

    def __repr__(self) -> str:
        return f"<Builds into {self._store!r}>"

    async def build(self, directory: str, service: str, progress: Callable[[str], None]) -> Image:
        """As the port."""
        if not directory.startswith(("/", "~")):
            raise ValueError(f"expected the whole path of a directory, found {directory!r}")
        try:
            ref = f"dev.local/{service}:latest"
            return await asyncio.to_thread(self._build, directory, ref, progress)
        except (BuildError, OSError) as error:
            raise ValueError(str(error)) from error

    def _build(self, directory: str, ref: str, progress: Callable[[str], None]) -> Image:
        source = Path(directory).expanduser()

        def told(line: str) -> None:
            _log.info("build", line=line)
            progress(line)

        built = build_source(source, ref, self._store, told)
        return Image(parse_reference(built.ref).pinned(built.digest), built.ref)


class Callers:
    """The API server's authentication."""

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    def __repr__(self) -> str:
        return f"<Callers {self._authentication!r}>"

    def user(self, certificate: None, headers: Mapping[str, str], peer: str) -> User:
        """As the port."""
        return self._authentication.user(certificate, headers, peer)

    def is_good(self, token: str) -> bool:
        """As the port."""
        return self._authentication.proven(token) is not None


class Links:
    """Links into a console that is built after the API server. Mutable state: `console`."""

    def __init__(self) -> None:
        self.console: Console | None = None

    def __repr__(self) -> str:
        return f"<Links into {self.console!r}>"

    @property
    def served(self) -> bool:
        """As the port."""
        return self.console is not None and self.console.served

    async def link(self, user: User, proof: str) -> str:
        """As the port. "" where there is no console."""
        if self.console is None or not self.console.served:
            return ""
        return await self.console.link(user, proof)


def build(  # noqa: PLR0913  (all by name)
    api: ApiServer,
    *,
    layout: Layout,
    informers: Informers,
    authorizer: Rbac,
    authentication: Authentication,
    recorder: Recorder,
    fleet: Fleet,
    logs: ServiceLogs,
    standing: Callable[[], Sequence[Standing]],
    clock: Clock,
    ids: Ids,
) -> Console:
    """The console over this API server."""
    callers = Callers(authentication)
    return Console(
        api,
        informers=informers,
        authorizer=authorizer,
        callers=callers,
        sessions=Sessions(layout.console, clock, callers.is_good),
        live=Figures(recorder, fleet),
        tools=Tools(logs, Builds(layout.images), Building(), ids, standing),
        clock=clock,
        ids=ids,
        version=__version__,
    )
