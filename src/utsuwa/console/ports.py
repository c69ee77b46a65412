"""What the console asks of the rest beside the API: figures of this moment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from utsuwa.alerts import Standing
from utsuwa.apiserver import User
from utsuwa.cluster.port import Key
from utsuwa.console.building import Building
from utsuwa.kit.ids import Ids
from utsuwa.logs.reading import ServiceLogs
from utsuwa.series import Mark, Point


class PodsNow(NamedTuple):
    """Pods of a revision or of a service, now."""

    desired: int = 0
    ready: int = 0
    total: int = 0


NO_PODS = PodsNow()


class Live(Protocol):
    """Who knows what revisions do from second to second."""

    @property
    def second(self) -> int:
        """The last second of which there are points."""
        ...

    def revisions(self, namespace: str, service: str) -> Sequence[Key]:
        """The revisions of a service."""
        ...

    def points(self, revision: Key, since: int) -> Mapping[int, Point]:
        """The revision's points from `since` on, of the latest two minutes; a second without one
        is a second in which nothing happened."""
        ...

    def marks(self, revisions: Sequence[Key]) -> Sequence[Mark]:
        """What happened to them in the latest two minutes: deploys, panic, zero."""
        ...

    def pods(self, revision: Key) -> PodsNow:
        """Its pods now."""
        ...


class Callers(Protocol):
    """Who knows callers: the API server's authentication."""

    def user(self, certificate: None, headers: Mapping[str, str], peer: str) -> User:
        """Who sends a request with these headers. Raises UnauthorizedError."""
        ...

    def is_good(self, token: str) -> bool:
        """Whether a bearer token is still good."""
        ...


class Image(NamedTuple):
    """What a directory was built into: by digest, and as people call it."""

    pinned: str
    ref: str


class Builder(Protocol):
    """Who makes images of directories of this machine."""

    async def build(self, directory: str, service: str, progress: Callable[[str], None]) -> Image:
        """An image of `directory` for `service`; `progress` is told each step, from any thread.
        Raises ValueError, told for people."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What pages act with, beside the API."""

    logs: ServiceLogs
    builder: Builder
    building: Building
    ids: Ids
    standing: Callable[[], Sequence[Standing]]
    """Alerts that stand, the most urgent first."""
