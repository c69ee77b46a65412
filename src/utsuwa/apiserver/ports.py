"""What the API server asks of the rest: a cluster it can patch atomically, logs, and rights."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from utsuwa.cluster.port import Cluster, Key
from utsuwa.kit.caller import Caller
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind
from utsuwa.model.rights import Question, Rule
from utsuwa.model.usage import PodUse


class Backend(Cluster, Protocol):
    """A cluster that can also change an object in one atomic step."""

    @property
    def resource_version(self) -> int:
        """The version of the last write."""
        ...

    async def transform(
        self,
        kind: Kind,
        key: Key,
        function: Callable[[Document], Document],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Document:
        """Replace the object by `function(object)`, which must not change its argument; nothing
        else is written between the reading and the writing. What `function` raises is passed on.
        """
        ...


class LogSource(Protocol):
    """Where the output of containers is."""

    def path(self, pod: Document, container: str, previous: bool) -> Path | None:
        """The file that holds the output of `container` (of its life before the current one when
        `previous`); None when it never ran."""
        ...


class NotRunningError(Exception):
    """The container has no process now; the message says so."""


class Containers(Protocol):
    """Who lets people get at running containers."""

    def runs(self, pod: Document, container: str) -> bool:
        """Whether `container` has a process now."""
        ...

    async def execute(
        self, pod: Document, container: str, command: tuple[str, ...], caller: Caller
    ) -> int:
        """Run `command` beside `container` for `caller`; its exit code. Cancelled, it hangs up.
        Raises NotRunningError."""
        ...

    async def attach(self, pod: Document, container: str, caller: Caller) -> None:
        """Connect `caller` with the process of `container` until it ends. Raises
        NotRunningError."""
        ...

    async def connect(
        self, pod: Document, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to what listens on `port` in the Pod. Raises OSError, whose text says why
        not."""
        ...


class UsageSource(Protocol):
    """Who measures what pods and machines use."""

    async def measured(self, uids: Sequence[str]) -> Mapping[str, PodUse]:
        """What each of these Pods uses, by uid; those that do not run are left out."""
        ...

    async def machine(self, name: str) -> PodUse | None:
        """What the machine behind the Node `name` uses; None where nobody can tell."""
        ...


class DecisionSource(Protocol):
    """Who remembers why there are so many pods."""

    def decisions(self, autoscaler: Key) -> Sequence[Document]:
        """The last hour of decisions on a PodAutoscaler, oldest first."""
        ...

    def present(self, autoscaler: Key) -> Document:
        """What holds now for a PodAutoscaler: members that go beside the list."""
        ...


class AlertSource(Protocol):
    """Who knows what a person should act on."""

    def alerts(self, kind: Kind, key: Key) -> Sequence[Document]:
        """What stands on the object, the most urgent first."""
        ...


class HistorySource(Protocol):
    """Who remembers what services did."""

    @property
    def steps(self) -> tuple[int, ...]:
        """Distances of points that there are, in seconds."""
        ...

    async def history(
        self, kind: Kind, key: Key, *, step: int, since: int | None, born: int, parts: bool
    ) -> Document:
        """The series of a Service or Revision that was made at `born` (Unix seconds), from `since`
        on; with `parts` those of a Service's revisions as well."""
        ...


class LinkSource(Protocol):
    """Who lets people into the console."""

    @property
    def served(self) -> bool:
        """Whether there is a console."""
        ...

    async def link(self, user: "User", proof: str) -> str:
        """A link that lets whoever opens it first be `user` there, for as long as `proof` (a bearer
        token, or "") is good."""
        ...


@dataclass(frozen=True, slots=True)
class User:
    """Who calls: a name, and the groups it belongs to."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What else the proof of identity said, by key."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a caller wants to do, in the words of access rules."""

    verb: str
    kind: Kind | None
    """None for paths that are not objects, and for resources that are not stored."""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""
    group: str = ""
    plural: str = ""
    """With `group`: a resource that has no `kind` here, such as a review."""

    @property
    def question(self) -> Question:
        """The same as a question to the rules."""
        where, name, sub = self.namespace, self.name, self.subresource
        if self.kind is not None:
            return Question(self.verb, self.kind.group, self.kind.plural, sub, where, name)
        if self.plural:
            return Question(self.verb, self.group, self.plural, sub, where, name)
        return Question(self.verb, path=self.path)


class Authorizer(Protocol):
    """Decides who may do what."""

    def allows(self, user: User, attributes: Attributes) -> bool:
        """Whether `user` may do it."""
        ...

    def reason(self, user: User, attributes: Attributes) -> str:
        """Which rule allows it; empty when none does."""
        ...

    def rules(self, user: User, namespace: str) -> Sequence[Rule]:
        """All that `user` may do in `namespace`."""
        ...

    def role(self, namespace: str, name: str) -> Sequence[Rule] | None:
        """The rules of a Role (of a ClusterRole when `namespace` is empty), None if missing."""
        ...


class Authenticator(Protocol):
    """Knows who calls."""

    def user(
        self, certificate: Mapping[str, Any] | None, headers: Mapping[str, str], peer: str
    ) -> User:
        """Who sends a request, by a verified client certificate, a bearer token, or neither;
        `peer` is the address it comes from.

        Raises:
            UnauthorizedError: nobody that is known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Review:
    """A write that admission is to look at. `object` is what would be stored (for DELETE, what
    is), `old` what is stored now."""

    kind: Kind
    operation: str
    object: Document
    old: Document | None
    user: User
    subresource: str = ""
    dry_run: bool = False


Admission = Callable[[Review], tuple[Document, tuple[str, ...]]]
"""Gives the object with its defaults, and warnings; raises an ApiError when it denies."""
