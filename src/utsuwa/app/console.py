"""The console, wired: what it is told of this cluster."""

from collections.abc import Mapping, Sequence

from utsuwa import __version__
from utsuwa.apiserver import ApiServer, Authentication, Rbac, User
from utsuwa.app.history import Fleet, Recorder
from utsuwa.app.options import Layout
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.console import Console, PodsNow, Sessions
from utsuwa.kit.clock import Clock
from utsuwa.kit.ids import Ids
from utsuwa.series import Mark, Point


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
        clock=clock,
        ids=ids,
        version=__version__,
    )
