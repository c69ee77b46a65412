"""From a Route's targets to revisions: `status.traffic`, and who answers on each tag's host.

Pure (`spec/reconcilers.md` §5.2). The Route's reconciler hands in the two look-ups; what was
looked up, found or not, comes back as :attr:`Traffic.references`, so that it can be watched.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.children.pod_template import protocol_of
from utsuwa.model.conditions import explanation, is_failed, is_ready
from utsuwa.model.kinds import CONFIGURATION, REVISION, Kind
from utsuwa.model.meta import labels_of, name_of

DEFAULT = ""
"""The tag of the Route's own host."""

Lookup = Callable[[str], Document | None]
"""The object of a name in the Route's namespace, or None."""

Reference = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Target:
    """A share of the traffic of one host, resolved to a Revision."""

    revision: str
    percent: int
    tag: str = DEFAULT
    configuration: str = ""
    latest: bool = False
    """Follows the Configuration's latest ready Revision."""
    protocol: str = "http1"


class Cause(Enum):
    """Why a target cannot be resolved."""

    CONFIGURATION_MISSING = "configuration missing"
    CONFIGURATION_NOT_READY = "configuration not ready"
    CONFIGURATION_FAILED = "configuration failed"
    REVISION_MISSING = "revision missing"
    REVISION_NOT_READY = "revision not ready"
    REVISION_FAILED = "revision failed"
    REVISION_NOT_OWNED = "revision not owned"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why traffic cannot be assigned: `cause`, and the `name` of what is at fault."""

    cause: Cause
    name: str
    owner: str = ""
    """The Service that the Revision belongs to, for one that is not owned."""
    why: str = ""
    """What the object that failed says of it."""

    @property
    def passing(self) -> bool:
        """Whether it may mend itself."""
        return self.cause in {Cause.CONFIGURATION_NOT_READY, Cause.REVISION_NOT_READY}


@dataclass(frozen=True, slots=True)
class Traffic:
    """What became of all targets of a Route."""

    targets: tuple[Target, ...]
    """In the order of the spec; equal (tag, revision, latest) merged. As `status.traffic`."""
    references: frozenset[Reference]
    """Every Configuration and Revision that was looked up."""
    trouble: Trouble | None = None
    hosts: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    """By tag, :data:`DEFAULT` included: percents of each add up to 100."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Every host's tag, the default first."""
        return tuple(sorted(self.hosts))


class _TroubleError(Exception):
    """A target cannot be resolved."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(f"{trouble.cause.value}: {trouble.name}")
        self.trouble = trouble


class _Resolver:
    """Resolves the targets of one Route; notes what it asks for."""

    def __init__(self, route: Document, configurations: Lookup, revisions: Lookup) -> None:
        self._service = labels_of(route).get(labels.SERVICE, "")
        self._configurations = configurations
        self._revisions = revisions
        self.references: set[Reference] = set()

    def resolve(self, target: Document) -> Target:
        """The revision behind `target`.

        Raises:
            _TroubleError: there is none, or none that is ready.
        """
        if name := target.get("revisionName"):
            revision = self._pinned(name)
        else:
            revision = self._latest(target.get("configurationName") or "")
        return Target(
            revision=name_of(revision),
            percent=int(target.get("percent") or 0),
            tag=target.get("tag") or DEFAULT,
            configuration=labels_of(revision).get(labels.CONFIGURATION, ""),
            latest=bool(target.get("latestRevision", not name)),
            protocol=protocol_of(revision),
        )

    def _pinned(self, name: str) -> Document:
        revision = self._revision(name)
        owner = labels_of(revision).get(labels.SERVICE, "")
        if self._service and owner != self._service:
            raise _TroubleError(Trouble(Cause.REVISION_NOT_OWNED, name, owner))
        return self._serving(revision)

    def _latest(self, name: str) -> Document:
        self.references.add((CONFIGURATION, name))
        configuration = self._configurations(name)
        if configuration is None:
            raise _TroubleError(Trouble(Cause.CONFIGURATION_MISSING, name))
        ready = dig(configuration, "status", "latestReadyRevisionName", default="")
        if ready:
            return self._serving(self._revision(ready))
        if is_failed(configuration):
            why = explanation(configuration, with_reason=False)
            raise _TroubleError(Trouble(Cause.CONFIGURATION_FAILED, name, why=why))
        raise _TroubleError(Trouble(Cause.CONFIGURATION_NOT_READY, name))

    def _revision(self, name: str) -> Document:
        self.references.add((REVISION, name))
        revision = self._revisions(name)
        if revision is None:
            raise _TroubleError(Trouble(Cause.REVISION_MISSING, name))
        return revision

    @staticmethod
    def _serving(revision: Document) -> Document:
        if is_ready(revision):
            return revision
        name = name_of(revision)
        if is_failed(revision):
            raise _TroubleError(Trouble(Cause.REVISION_FAILED, name, why=explanation(revision)))
        raise _TroubleError(Trouble(Cause.REVISION_NOT_READY, name))


def resolve(route: Document, configurations: Lookup, revisions: Lookup) -> Traffic:
    """Resolve every target of `route`. All are looked at, so that all are known as references;
    of several troubles a definite one is reported before one that may pass."""
    resolver = _Resolver(route, configurations, revisions)
    targets: list[Target] = []
    trouble: Trouble | None = None
    for entry in dig(route, "spec", "traffic", default=()):
        try:
            targets.append(resolver.resolve(entry))
        except _TroubleError as error:
            if trouble is None or not error.trouble.passing:
                trouble = error.trouble
    references = frozenset(resolver.references)
    if trouble is not None:
        return Traffic((), references, trouble)
    return Traffic(_merged(targets), references, None, _hosts(targets))


def _merged(targets: Iterable[Target]) -> tuple[Target, ...]:
    merged: dict[tuple[str, str, bool], Target] = {}
    for target in targets:
        same = (target.tag, target.revision, target.latest)
        known = merged.get(same)
        share = target.percent + (known.percent if known else 0)
        merged[same] = replace(known or target, percent=share)
    return tuple(merged.values())


def _hosts(targets: Iterable[Target]) -> dict[str, tuple[Target, ...]]:
    hosts: dict[str, dict[str, Target]] = {DEFAULT: {}}
    for target in targets:
        _add(hosts[DEFAULT], replace(target, tag=DEFAULT))
        if target.tag:
            hosts.setdefault(target.tag, {})[target.revision] = replace(target, percent=100)
    return {tag: tuple(t for t in found.values() if t.percent) for tag, found in hosts.items()}


def _add(shares: dict[str, Target], target: Target) -> None:
    known = shares.get(target.revision)
    if known is None:
        shares[target.revision] = target
    else:
        shares[target.revision] = replace(
            known,
            percent=known.percent + target.percent,
            latest=known.latest or target.latest,
        )
