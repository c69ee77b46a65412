"""The names of services inside Pods: `hello`, `hello.default`, `hello.default.svc` and
`hello.default.svc.cluster.local` lead to the gateway.

They stand in the file `/etc/hosts`, which is rewritten in place when services come and go, as
engines do it themselves. Not a resolver: every look-up of every container would depend on one,
those of other names too, while a file goes on to be read when we are gone. Containers have a file
each, made by their engine; the processes of a namespace share one, in their view of the files.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from utsuwa.cluster.informer import Informers
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import CORE_SERVICE
from utsuwa.model.labels import ROUTE
from utsuwa.model.names import cluster_local_hosts

_log = get_logger(__name__)

HOSTS = Path("/etc/hosts")
GATHER = 0.05
"""Seconds in which changes are gathered before files are rewritten."""
_KEPT = frozenset({"host.containers.internal", "host.docker.internal"})
"""What engines call the address at which the gateway is, too."""


class ServiceNames:
    """Knows the names, and keeps the files up to date.

    `boxes`, `processes`: the address at which containers and processes reach the gateway on port
    80; "" where they do not. Mutable state: `_services`, names by namespace; `_shown`, the files
    of containers by Pod and container, with their namespace; changed on the loop alone.
    """

    def __init__(self, directory: Path, *, boxes: str = "", processes: str = "") -> None:
        self._directory = directory
        self._boxes = boxes
        self._processes = processes
        self._services: dict[str, set[str]] = {}
        self._shown: dict[tuple[str, str], tuple[str, Path]] = {}
        self._changes = asyncio.Event()

    def __repr__(self) -> str:
        count = sum(map(len, self._services.values()))
        return f"<ServiceNames {count} services, {len(self._shown)} containers>"

    def follow(self, informers: Informers, tasks: TaskSet, clock: Clock) -> None:
        """Know every Route's Services from now on; the informer of Services must be synced."""
        if not (self._boxes or self._processes):
            return
        services = informers.of(CORE_SERVICE)
        for service in services.list():
            self._learn(service, known=True)
        services.on_change(self._changed)
        tasks.start(self._rewrite(clock), name="names of services")

    def _changed(self, old: Document | None, new: Document | None) -> None:
        if old is not None and (new is None or not _is_of_route(new)):
            self._learn(old, known=False)
        elif new is not None:
            self._learn(new, known=True)

    def _learn(self, service: Document, *, known: bool) -> None:
        if not _is_of_route(service):
            return
        metadata = service["metadata"]
        names = self._services.setdefault(metadata["namespace"], set())
        if (metadata["name"] in names) != known:
            (names.add if known else names.discard)(metadata["name"])
            self._changes.set()

    # --- what Pods get --------------------------------------------------------------------------

    def entries(self, namespace: str) -> tuple[tuple[str, str], ...]:
        """Name and address of each service, for a container of `namespace` that is to be made."""
        if not self._boxes:
            return ()
        lines = names_of(self._services, namespace)
        return tuple((name, self._boxes) for line in lines for name in line)

    def of_processes(self, namespace: str) -> Path | None:
        """What processes of `namespace` shall see as `/etc/hosts`; None: nothing else than the
        machine's."""
        if not self._processes:
            return None
        path = self._directory / namespace
        if not path.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            self._write_processes(path, self._services)
        return path

    def show(self, uid: str, container: str, namespace: str, hosts: str) -> None:
        """Keep `hosts`, the file of a container, up to date for as long as its Pod lives; "": it
        has none of its own."""
        if self._boxes and hosts:
            self._shown[uid, container] = (namespace, Path(hosts))
            self._changes.set()

    def forget(self, uid: str) -> None:
        """The Pod is gone."""
        for key in [key for key in self._shown if key[0] == uid]:
            del self._shown[key]

    # --- the files ------------------------------------------------------------------------------

    async def _rewrite(self, clock: Clock) -> None:
        while True:
            await self._changes.wait()
            await clock.sleep(GATHER)
            self._changes.clear()
            files = {path: namespace for namespace, path in self._shown.values()}
            services = {home: set(names) for home, names in self._services.items()}
            await asyncio.to_thread(self._rewrite_all, files, services)

    def _rewrite_all(self, files: Mapping[Path, str], services: Mapping[str, set[str]]) -> None:
        for path, namespace in files.items():
            try:
                kept = without(path.read_text(), self._boxes)
                write_in_place(path, kept + text_of(services, namespace, self._boxes))
            except FileNotFoundError:
                continue  # it has just ended
            except OSError as error:
                _log.warning("names of services not written", file=path, reason=error)
        if self._processes and self._directory.is_dir():
            for path in self._directory.iterdir():
                self._write_processes(path, services)

    def _write_processes(self, path: Path, services: Mapping[str, Iterable[str]]) -> None:
        names = text_of(services, path.name, self._processes)
        try:
            machine = HOSTS.read_text()
        except OSError:
            machine = "127.0.0.1 localhost\n"
        write_in_place(path, machine.rstrip("\n") + "\n" + names)


def _is_of_route(service: Document) -> bool:
    return dig(service, "metadata", "labels", ROUTE) is not None


def names_of(services: Mapping[str, Iterable[str]], namespace: str) -> list[tuple[str, ...]]:
    """The names of all services as `namespace` sees them, the longest first.

    >>> names_of({"a": ["x"], "b": ["y"]}, "b")
    [('x.a.svc.cluster.local', 'x.a.svc', 'x.a'), ('y.b.svc.cluster.local', 'y.b.svc', 'y.b', 'y')]
    """
    found = []
    for home, names in sorted(services.items()):
        for name in sorted(names):
            hosts = tuple(sorted(cluster_local_hosts(name, home), key=len, reverse=True))
            found.append((*hosts, name) if home == namespace else hosts)
    return found


def text_of(services: Mapping[str, Iterable[str]], namespace: str, address: str) -> str:
    """The lines of `/etc/hosts`; short ones: some readers look at 512 bytes of each."""
    lines = []
    for names in names_of(services, namespace):
        lines += [f"{address} {names[0]}\n", f"{address} {' '.join(names[1:])}\n"]
    return "".join(lines)


def without(text: str, address: str) -> str:
    """`text` without the lines of `address`, other than those that engines write."""
    kept = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] != address or _KEPT & set(words[1:]):
            kept.append(f"{line}\n")
    return "".join(kept)


def write_in_place(path: Path, text: str) -> None:
    """Let the file itself have `text`: who has it mounted would not see another one. A reader
    sees no line cut off: what is too long at first is blank."""
    data = text.encode()
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        size = os.fstat(fd).st_size
        if size == len(data) and os.pread(fd, size, 0) == data:
            return
        os.pwrite(fd, data + b"\n" * max(0, size - len(data)), 0)
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)
