"""The request log (`spec/dataplane.md` §12): a line for each request, in one file per Service.

Off, it costs a request one comparison. On, a line is made when the request has ended and its
answer is on its way; lines are written ten times a second, by a thread, each with its time beside
(`kit.timeline`). Several gateways may write to one file.
"""

import asyncio
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from utsuwa.gateway.http1.fields import CHUNKED
from utsuwa.kit.log import get_logger
from utsuwa.kit.timeline import index_of, record

if TYPE_CHECKING:
    from utsuwa.gateway.core import Core
    from utsuwa.gateway.entrance import Entrant
    from utsuwa.gateway.host import Host
    from utsuwa.gateway.http1.request import Peer
    from utsuwa.gateway.revision import Revision
    from utsuwa.model.settings.templates import Template
    from utsuwa.routing.messages import RequestLog

_log = get_logger(__name__)

FLUSH = 0.1
"""Seconds between two writes."""
MOST_HELD = 16 * 1024 * 1024
"""Bytes that wait for the disk; what comes beyond is not logged, and that is told."""
_DIRECTORY = "_requests"

Values = dict[str, Any]


class Answer(NamedTuple):
    """What became of a request: status, bytes of content, and seconds."""

    status: int
    size: int
    latency: float


class RequestLogger:
    """Makes the lines, and has them written.

    Mutable state: `_held`, lines by file, `_size` of all of them, `_due`, the write that is to
    come, `_lost`, how many lines there was no room for, and `_last`, the request before.
    """

    def __init__(self, core: "Core", root: Path, template: "Template", probes: bool) -> None:
        self._core = core
        self._root = root
        self._template = template
        self.probes = probes
        self._held: dict[Path, list[bytes]] = {}
        self._size = 0
        self._due = False
        self._lost = 0
        self._last: tuple[Any, bytes, bytes, Values] | None = None

    def __repr__(self) -> str:
        return f"<RequestLogger to {self._root}: {self._size} bytes held>"

    def request(self, entrant: "Entrant", answer: Answer) -> None:
        """One has ended."""
        revision, pod = entrant.revision, entrant.backend
        place = ("", "") if pod is None else (pod.name, pod.host)
        self._put(revision, place, self._values(entrant.head, entrant.peer), answer)

    def _values(self, head: Any, peer: "Peer") -> Values:
        """What a template may say of a request. A client that repeats itself has one head."""
        last = self._last
        if last is None or last[0] is not head or last[1:3] != (peer.address, peer.scheme):
            values = _of_request(head, peer.address, peer.scheme)
            last = self._last = (head, peer.address, peer.scheme, values)
        return last[3]

    def probe(self, host: "Host", head: Any, peer: "Peer", status: int) -> None:
        """The platform has answered one itself."""
        revision = host.pick(self._core.random)
        self._put(revision, ("", ""), self._values(head, peer), Answer(status, 0, 0.0))

    def _put(
        self, revision: "Revision", place: tuple[str, str], request: Values, answer: Answer
    ) -> None:
        namespace, _, name = revision.name.partition("/")
        header = request["Header"]
        values = {
            "Request": request,
            "Response": {
                "Code": answer.status, "Size": answer.size, "Latency": round(answer.latency, 9),
            },
            "Revision": {
                "Name": name, "Namespace": namespace, "Service": revision.service,
                "Configuration": revision.configuration, "PodName": place[0], "PodIP": place[1],
            },
            "TraceID": _trace(header),
        }  # fmt: skip
        try:
            line = self._template.render(values)
        except ValueError as error:
            line = f"Failed to execute request log template: {error}"
        data = line.removesuffix("\n").replace("\n", " ").encode() + b"\n"
        if self._size + len(data) > MOST_HELD:
            self._lost += 1
            return
        owner = revision.service or revision.configuration or name
        file = self._root / namespace / _DIRECTORY / f"{owner}.log"
        self._held.setdefault(file, []).append(data)
        self._size += len(data)
        if not self._due:
            self._due = True
            self._core.loop.call_later(FLUSH, self._begin)

    def _begin(self) -> None:
        self._core.tasks.start(self.flush(), name="request log")

    async def flush(self) -> None:
        """Write what is held."""
        held, self._held, lost, self._lost = self._held, {}, self._lost, 0
        now = int(self._core.clock.now() * 1e9)
        if lost:
            _log.warning("requests not logged: the disk does not keep up", requests=lost)
        try:
            await asyncio.to_thread(write, held, now)
        except OSError as error:
            _log.warning("requests not logged", reason=error)
        self._size = sum(len(line) for lines in self._held.values() for line in lines)
        self._due = False
        if self._held:
            self._due = True
            self._core.loop.call_later(FLUSH, self._begin)


def renew(core: "Core", how: "RequestLog") -> None:
    """Log requests of `core` as control says from now on."""
    old = core.request_log
    if old is not None:
        core.tasks.start(old.flush(), name="request log")
    core.request_log = None
    if how.template and core.logs is not None:
        from utsuwa.model.settings.templates import (  # noqa: PLC0415  (most gateways never need it)
            Template,
        )

        core.request_log = RequestLogger(core, core.logs, Template.parse(how.template), how.probes)


def write(held: dict[Path, list[bytes]], now: int) -> None:
    """Append lines to files, with the time; for a thread."""
    for path, lines in held.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file, index_of(path).open("ab") as index:
            # Other gateways write too: sizes must be noted in their order.
            fcntl.flock(index, fcntl.LOCK_EX)
            file.write(b"".join(lines))
            index.write(record(os.fstat(file.fileno()).st_size, now))
            index.flush()


def _of_request(head: Any, address: bytes, scheme: bytes) -> Values:
    if hasattr(head, "fields"):  # of HTTP/2
        fields = [(name, value) for name, value in head.fields]
        host, proto = head.authority, "HTTP/2.0"
        length = -1 if head.length is None else head.length
    else:
        fields = _fields(head.out)
        host, proto = head.host, "HTTP/1.1" if head.http11 else "HTTP/1.0"
        length = -1 if head.length == CHUNKED else head.length
    header: dict[str, list[str]] = {}
    for name, value in fields:
        header.setdefault(name.decode("latin-1").title(), []).append(value.decode("latin-1"))
    return {
        "Method": head.method.decode("latin-1"),
        "RequestURI": head.target.decode("latin-1"),
        "ContentLength": length,
        "UserAgent": _first(header, "User-Agent"),
        "Referer": _first(header, "Referer"),
        "RemoteAddr": address.decode("latin-1"),
        "Proto": proto,
        "Host": host.decode("latin-1"),
        "Header": header,
        "TLS": {"ServerName": host.decode("latin-1")} if scheme == b"https" else None,
    }


def _fields(out: bytes) -> list[tuple[bytes, bytes]]:
    lines = out.split(b"\r\n")[1:]
    parts = (line.partition(b":") for line in lines)
    return [(name, value.strip()) for name, colon, value in parts if colon]


def _first(header: dict[str, list[str]], name: str) -> str:
    found = header.get(name)
    return found[0] if found else ""


def _trace(header: dict[str, list[str]]) -> str:
    """The second part of `traceparent`, else B3's."""
    parts = _first(header, "Traceparent").split("-")
    return parts[1] if len(parts) > 1 else _first(header, "X-B3-Traceid")
