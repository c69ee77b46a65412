"""Where the requests of one host go: a revision each, by percentages, tag, or session."""

import random
from bisect import bisect_right
from typing import TYPE_CHECKING

from utsuwa.routing.messages import HostTable

if TYPE_CHECKING:
    from utsuwa.gateway.revision import Revision

_NOT_SENT = frozenset({"knative-serving-revision", "knative-serving-namespace"})
"""Headers of a split that only tell an activator where to go (`spec/dataplane.md` §2)."""


class Host:
    """Where the requests of one host go. Not changed once made."""

    __slots__ = ("_bounds", "_choices", "_fields", "_tagged", "revision", "sets_fields")

    def __init__(self, table: HostTable, revisions: "dict[str, Revision]") -> None:
        shares = [
            (split, revisions[split.revision])
            for split in table.splits
            if split.percent > 0 and split.revision in revisions
        ]
        self.revision = shares[0][1] if len(shares) == 1 else None
        self._choices = [revision for _, revision in shares]
        self._bounds: list[float] = []
        total = 0.0
        for split, _ in shares:
            total += split.percent
            self._bounds.append(total)
        self._fields: dict[str, tuple[tuple[bytes, bytes], ...]] = {}
        for split, revision in shares:
            fields = tuple(
                (name.encode(), value.encode())
                for name, value in split.headers
                if name.lower() not in _NOT_SENT
            )
            if fields:
                self._fields[revision.name] = fields
                revision.prepares = True
        self.sets_fields = bool(self._fields)
        exceptions = ((one.tag, HostTable(table.host, one.splits)) for one in table.tagged)
        hosts = ((tag.encode(), Host(entry, revisions)) for tag, entry in exceptions)
        self._tagged = {tag: host for tag, host in hosts if not host.empty}

    def __repr__(self) -> str:
        return f"<Host {[revision.name for revision in self._choices]} up to {self._bounds}>"

    @property
    def empty(self) -> bool:
        """Whether there is no revision to go to."""
        return not self._choices

    @property
    def routes_by_tag(self) -> bool:
        """Whether the tag header means anything here."""
        return bool(self._tagged)

    def tagged(self, tag: bytes) -> "Host":
        """Where a request goes that names `tag`: elsewhere only where tag header routing is on."""
        return self._tagged.get(tag, self)

    def revision_with(self, uid: str) -> "Revision | None":
        """The one to whose pod `uid` a session is bound: that goes before the percentages."""
        for revision in self._choices:
            pod = revision.pods.get(uid) if revision.sticky else None
            if pod is not None and pod.usable:
                return revision
        return None

    @property
    def sticky(self) -> bool:
        """Whether a session may be bound to any of its pods."""
        return any(revision.sticky for revision in self._choices)

    def pick(self, source: random.Random) -> "Revision":
        """A revision, each as often as its percentage says."""
        point = source.random() * self._bounds[-1]
        return self._choices[min(bisect_right(self._bounds, point), len(self._choices) - 1)]

    def fields_of(self, revision: "Revision") -> tuple[tuple[bytes, bytes], ...]:
        """Headers to set on requests to `revision`."""
        return self._fields.get(revision.name, ())
