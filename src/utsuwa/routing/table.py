"""The gateway's table, versioned. Pure.

A :class:`Table` collects changes, and :meth:`Table.flush` turns what changed since the last flush
into one Delta. Its entries are made of objects in :mod:`utsuwa.routing.entries`.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from utsuwa.routing.messages import (
    Certificate,
    Delta,
    Endpoint,
    HostTable,
    RequestLog,
    RevisionName,
    RevisionTable,
    Snapshot,
)


class _Changed(NamedTuple):
    """What has changed since the last flush, by name."""

    hosts: set[str]
    revisions: set[RevisionName]
    certificates: set[str]

    @classmethod
    def nothing(cls) -> "_Changed":
        return cls(set(), set(), set())


class Table:
    """What gateways should know, with what they do not know yet.

    Mutable state: `_claims`, `_revisions`, `_certificates` (the truth), `_followers` (by host,
    those whose splits are its own) and `_changed` since the last flush.
    A host claimed by several Routes stays with the one that came first.
    """

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.version = 0
        self._claims: dict[str, dict[str, HostTable]] = {}
        self._followers: dict[str, set[str]] = {}
        self._revisions: dict[RevisionName, RevisionTable] = {}
        self._certificates: dict[str, Certificate] = {}
        self._changed = _Changed.nothing()
        self._request_log = self._told_request_log = RequestLog()

    def __repr__(self) -> str:
        changed = sum(map(len, self._changed))
        return (
            f"<Table v{self.version}: {len(self._claims)} hosts, "
            f"{len(self._revisions)} revisions, {changed} changed>"
        )

    @property
    def dirty(self) -> bool:
        """Whether there is something to flush."""
        return any(self._changed) or self._request_log != self._told_request_log

    @property
    def next_version(self) -> int:
        """The version that will carry what changed so far."""
        return self.version + 1 if self.dirty else self.version

    def set_route(self, route: str, hosts: Iterable[HostTable]) -> bool:
        """Make `hosts` all that `route` claims; whether anything changed."""
        wanted = {table.host: table for table in hosts}
        changed = False
        for host in [h for h, claims in self._claims.items() if route in claims]:
            if host not in wanted:
                self._unfollow(self._claims[host].pop(route))
                if not self._claims[host]:
                    del self._claims[host]
                self._host_changed(host)
                changed = True
        for host, table in wanted.items():
            claims = self._claims.setdefault(host, {})
            old = claims.get(route)
            if old != table:
                if old is not None:
                    self._unfollow(old)
                if table.follows:
                    self._followers.setdefault(table.follows, set()).add(host)
                claims[route] = table
                self._host_changed(host)
                changed = True
        return changed

    def _unfollow(self, table: HostTable) -> None:
        followers = self._followers.get(table.follows)
        if followers is not None:
            followers.discard(table.host)
            if not followers:
                del self._followers[table.follows]

    def _host_changed(self, host: str) -> None:
        self._changed.hosts.update((host, *self._followers.get(host, ())))

    def holder(self, host: str) -> str:
        """The Route whose entry is in force for `host`, or ""."""
        claims = self._claims.get(host)
        return next(iter(claims)) if claims else ""

    def followers_of(self, hosts: Iterable[str]) -> frozenset[str]:
        """The Routes of hosts that follow one of `hosts`."""
        following = (other for host in hosts for other in self._followers.get(host, ()))
        return frozenset(route for other in following for route in self._claims.get(other, ()))

    def leads_nowhere(self, host: str) -> str:
        """The host that `host` follows, if nothing is served there; else ""."""
        claims = self._claims.get(host)
        table = next(iter(claims.values())) if claims else None
        return table.follows if table is not None and self._in_force(host) is None else ""

    def set_revision(self, entry: RevisionTable) -> bool:
        """Put or replace a revision; whether anything changed."""
        if self._revisions.get(entry.name) == entry:
            return False
        self._revisions[entry.name] = entry
        self._changed.revisions.add(entry.name)
        return True

    def remove_revision(self, name: RevisionName) -> bool:
        """Forget a revision; whether it was known."""
        if self._revisions.pop(name, None) is None:
            return False
        self._changed.revisions.add(name)
        return True

    def set_certificate(self, certificate: Certificate) -> bool:
        """Put or replace a certificate; whether anything changed."""
        if self._certificates.get(certificate.name) == certificate:
            return False
        self._certificates[certificate.name] = certificate
        self._changed.certificates.add(certificate.name)
        return True

    def remove_certificate(self, name: str) -> bool:
        """Forget a certificate; whether it was known."""
        if self._certificates.pop(name, None) is None:
            return False
        self._changed.certificates.add(name)
        return True

    def set_request_log(self, how: RequestLog) -> None:
        """Log requests like this."""
        self._request_log = how

    def endpoints(self, name: RevisionName) -> tuple[Endpoint, ...]:
        """The endpoints of a revision, as last set."""
        entry = self._revisions.get(name)
        return entry.endpoints if entry is not None else ()

    def snapshot(self) -> Snapshot:
        """The whole table as of the last flush's version; flush first."""
        tables = (self._in_force(host) for host in self._claims)
        return Snapshot(
            epoch=self.epoch,
            version=self.version,
            hosts=tuple(table for table in tables if table is not None),
            revisions=tuple(self._revisions.values()),
            certificates=tuple(self._certificates.values()),
            request_log=self._request_log,
        )

    def flush(self) -> Delta | None:
        """What changed since the last flush, as the next version; None if nothing did."""
        if not self.dirty:
            return None
        self.version += 1
        log, told = self._request_log, self._told_request_log
        self._told_request_log = log
        changed, self._changed = self._changed, _Changed.nothing()
        hosts = {host: self._in_force(host) for host in sorted(changed.hosts)}
        revisions, certificates = self._revisions, self._certificates
        return Delta(
            version=self.version,
            hosts=tuple(table for table in hosts.values() if table is not None),
            revisions=tuple(revisions[n] for n in sorted(changed.revisions) if n in revisions),
            removed_hosts=tuple(host for host, table in hosts.items() if table is None),
            removed_revisions=tuple(n for n in sorted(changed.revisions) if n not in revisions),
            certificates=tuple(
                certificates[n] for n in sorted(changed.certificates) if n in certificates
            ),
            removed_certificates=tuple(
                n for n in sorted(changed.certificates) if n not in certificates
            ),
            request_log=log if log != told else None,
        )

    def _in_force(self, host: str) -> HostTable | None:
        """What gateways are told of `host`; None where there is nothing to serve."""
        claims = self._claims.get(host)
        table = next(iter(claims.values())) if claims else None
        if table is None or not table.follows:
            return table
        followed = self._claims.get(table.follows)
        target = next(iter(followed.values())) if followed else None
        if target is None or target.follows:
            return None
        return msgspec.structs.replace(
            table, follows="", splits=target.splits, tagged=target.tagged
        )
