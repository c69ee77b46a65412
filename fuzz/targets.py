"""What is done with each input: a client sends it, in pieces, to a gateway without sockets.

The first bytes say how it is cut. Every connection to a pod must then have carried one request,
read by :mod:`fuzz.strict`; and when the client is gone nothing of it is left.
"""

import asyncio

from fuzz import strict
from utsuwa.gateway.core import Limits
from utsuwa.routing.messages import Endpoint
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle
from utsuwa.testing.http2 import Http2Peer

HOST = b"hello.default.example.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_MOST = 64


def pieces(data: bytes) -> list[bytes]:
    """`data` without its first byte, cut every so many bytes as that one says."""
    step = (data[:1] or b"\xff")[0]
    body = data[1:]
    if step > _MOST:
        return [body]
    step = max(step, 1, len(body) // _MOST)
    return [body[start : start + step] for start in range(0, len(body), step)]


async def http1(data: bytes) -> None:
    """The entry of HTTP/1.1, from the first byte of a connection on."""
    await _serve(pieces(data))


async def http2(data: bytes) -> None:
    """The entry of HTTP/2: what follows the preface and the client's first settings."""
    await _serve([PREFACE + b"\0\0\0\4\0\0\0\0\0", *pieces(data)])


async def _serve(parts: list[bytes]) -> None:
    hop = Hop(limits=Limits(body_timeout=0.0))
    hop.table.apply(
        one_service(
            Endpoint("pod-1", "127.0.0.1", 9001, ready=True), concurrency=50, session_affinity=True
        )
    )
    client = hop.client()
    carried: dict[FakeTransport, bytes] = {}
    for part in parts:
        if client.closed or not client.reading:
            break
        client.feed(part)
        await settle(3)
        _answer(hop, carried)
    await settle(3)
    _answer(hop, carried)
    client.lose()
    await settle(3)
    revision = hop.core.revisions["default/hello-00001"]
    held = revision.pods["pod-1"].in_flight
    left = (held, len(revision.waiting), len(hop.core.connections))
    await hop.tasks.close()
    if left != (0, 0, 0):
        raise AssertionError(f"in flight, waiting, connections when the client is gone: {left}")


def _answer(hop: Hop, carried: dict[FakeTransport, bytes]) -> None:
    """Read what came on each connection; answer every other request, so that it is used again."""
    for number, pod in enumerate(hop.pods):
        carried[pod] = carried.get(pod, b"") + pod.take()
        if not carried[pod]:
            continue
        strict.check(carried[pod])
        if number % 2 == 0 and not pod.closed:
            request, carried[pod] = carried[pod], b""
            pod.feed(OK[:-2] if request.startswith(b"HEAD ") else OK)


SEEDS = {
    "http1": (
        b"\xffGET / HTTP/1.1\r\nHost: " + HOST + b"\r\n\r\n",
        b"\x03GET /a?b HTTP/1.1\r\nHost: " + HOST + b":8080\r\nConnection: close\r\n\r\n",
        b"\xffPOST / HTTP/1.1\r\nHost: " + HOST + b"\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
        b"\x05POST / HTTP/1.1\r\nHost: " + HOST
        + b"\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"\xffGET / HTTP/1.1\r\nHost: " + HOST
        + b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        b"\xffGET / HTTP/1.1\r\nHost: " + HOST + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x80abcd",
        b"\xffHEAD http://" + HOST + b"/ HTTP/1.0\r\nX-Forwarded-For: ::1\r\nTE: trailers\r\n\r\n",
        b"\xffPUT / HTTP/1.1\r\nHost: " + HOST + b"\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        b"\xffGET / HTTP/1.1\r\nHost: " + HOST + b"\r\nCookie: a=b; utsuwa-session=pod-1\r\n"
        b"Knative-Serving-Tag: x\r\nK-Network-Probe: probe\r\nK-Network-Hash: h\r\n\r\n",
    ),
    "http2": (),
}  # fmt: skip
"""Inputs to begin with, by target; those of HTTP/2 are recorded when asked for."""


class _Listener(asyncio.Protocol):
    """Keeps what a client sends."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def data_received(self, data: bytes) -> None:
        self.heard += data


async def recorded() -> tuple[bytes, ...]:
    """What a client of HTTP/2 sends after its first settings: requests, content, trailers, resets."""
    found = []
    for kind in range(5):
        hop = Hop()
        transport = hop.client()
        listener = _Listener()
        transport.set_protocol(listener)
        peer = Http2Peer(transport, client=True)
        stream = peer.request(
            ("te", "trailers"), method="GET" if not kind else "POST", end=not kind
        )
        if kind:
            peer.send(stream, b"abc" * kind, end=kind == 1)
        if kind == 2:
            peer.trailers(stream, ("x-sum", "1"))
        if kind == 3:
            peer.reset(stream)
        if kind == 4:
            peer.request(("k-network-probe", "activator"))
        found.append(b"\xff" + bytes(listener.heard[len(PREFACE) :]))
        await hop.tasks.close()
    return tuple(found)


TARGETS = {"http1": http1, "http2": http2}
