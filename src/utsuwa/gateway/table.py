"""The routing table in force: hosts, their splits, and revisions with their pods."""

from collections.abc import Callable, Iterable

from utsuwa.gateway.core import Core
from utsuwa.gateway.host import Host
from utsuwa.gateway.request_log import renew
from utsuwa.gateway.revision import Prove, Revision
from utsuwa.kit.log import get_logger
from utsuwa.routing.messages import (
    Certificate,
    Delta,
    HostTable,
    RevisionTable,
    Snapshot,
)

_log = get_logger(__name__)

Make = Callable[[Core, str, Prove], Revision]
"""Makes the revision of a name."""


class OutOfStepError(Exception):
    """A delta does not follow the version in force: a snapshot is needed."""


class Table:
    """Applies control's messages to the core.

    Mutable state: `epoch` and `version` in force (empty and 0 before the first snapshot), and
    `_incomplete`: hosts some of whose revisions have not been told yet.
    """

    def __init__(self, core: Core, prove: Prove, make: Make = Revision) -> None:
        self._core = core
        self._prove = prove
        self._make = make
        self._incomplete: dict[str, HostTable] = {}
        self.epoch = ""
        self.version = 0

    def __repr__(self) -> str:
        return f"<Table epoch={self.epoch} version={self.version}>"

    def apply(self, message: Snapshot | Delta) -> None:
        """Put `message` in force.

        Raises:
            OutOfStepError: it is a delta to a version that is not in force.
        """
        if isinstance(message, Snapshot):
            self._replace(message)
            self.epoch, self.version = message.epoch, message.version
            return
        if message.version != self.version + 1:
            raise OutOfStepError(
                f"delta {message.version} came after version {self.version}: "
                f"expected {self.version + 1}"
            )
        self._put(message.hosts, message.revisions)
        for host in message.removed_hosts:
            self._drop_host(host)
        self._remove(message.removed_revisions)
        self._certify(message.certificates, message.removed_certificates)
        if message.request_log is not None:
            renew(self._core, message.request_log)
        self.version = message.version

    def _replace(self, snapshot: Snapshot) -> None:
        core = self._core
        hosts = {entry.host.encode() for entry in snapshot.hosts}
        names = {entry.name for entry in snapshot.revisions}
        self._incomplete.clear()
        self._put(snapshot.hosts, snapshot.revisions)
        for host in (core.hosts.keys() | core.redirected.keys() | core.inside.keys()) - hosts:
            self._drop_host(host.decode())
        for name in core.certificates.hosts - {entry.host for entry in snapshot.hosts}:
            core.certificates.assign(name, "")
        self._remove(core.revisions.keys() - names)
        renew(core, snapshot.request_log)
        there = {entry.name for entry in snapshot.certificates}
        # One that hosts name and control cannot read is kept: a control that was started anew
        # while the Secret is broken must not take away what is good.
        named = {entry.certificate for entry in snapshot.hosts}
        self._certify(snapshot.certificates, core.certificates.names - there - named)

    def _put(self, hosts: tuple[HostTable, ...], revisions: tuple[RevisionTable, ...]) -> None:
        core = self._core
        for entry in revisions:
            revision = core.revisions.get(entry.name)
            if revision is None:
                revision = core.revisions[entry.name] = self._make(core, entry.name, self._prove)
            revision.update(entry)
        for host_entry in (*self._incomplete.values(), *hosts):
            self._put_host(host_entry)

    def _put_host(self, entry: HostTable) -> None:
        core = self._core
        self._incomplete.pop(entry.host, None)
        splits = (*entry.splits, *(split for one in entry.tagged for split in one.splits))
        missing = [split.revision for split in splits if split.revision not in core.revisions]
        if missing:
            _log.warning("host goes to unknown revisions", host=entry.host, revisions=missing)
            self._incomplete[entry.host] = entry
        host, name = Host(entry, core.revisions), entry.host.encode()
        core.certificates.assign(entry.host, entry.certificate)
        here = core.hosts
        if entry.redirect and core.https_port != 0:
            here = core.redirected
        elif entry.inside and core.inside_addresses:
            here = core.inside
        for names in (core.hosts, core.redirected, core.inside):
            if names is not here or host.empty:
                names.pop(name, None)
        if not host.empty:
            here[name] = host

    def _drop_host(self, name: str) -> None:
        self._incomplete.pop(name, None)
        for names in (self._core.hosts, self._core.redirected, self._core.inside):
            names.pop(name.encode(), None)
        self._core.certificates.assign(name, "")

    def _certify(self, certificates: Iterable[Certificate], removed: Iterable[str]) -> None:
        for entry in certificates:
            self._core.certificates.put(entry)
        for name in removed:
            self._core.certificates.remove(name)

    def _remove(self, names: Iterable[str]) -> None:
        for name in list(names):
            revision = self._core.revisions.pop(name, None)
            if revision is not None:
                revision.remove()
