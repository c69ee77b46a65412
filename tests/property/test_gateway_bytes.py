"""The gateway's HTTP/1.1 entry under any bytes, cut in any way."""

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.request import Peer, parse
from utsuwa.routing.messages import Endpoint
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle

HOST = b"hello.default.example.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

_bodies = st.binary(max_size=40)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One well-formed request."""
    kind = draw(st.sampled_from(["get", "head", "length", "chunked", "absolute"]))
    path = b"/" + draw(st.text("abc123/", max_size=8)).encode()
    head = b" HTTP/1.1\r\nHost: " + HOST + b"\r\n"
    if kind == "absolute":
        return b"GET http://" + HOST + path + head + b"\r\n"
    if kind in {"get", "head"}:
        return kind.upper().encode() + b" " + path + head + b"\r\n"
    body = draw(_bodies)
    if kind == "length":
        return b"POST " + path + head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    parts = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=3))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"POST " + path + head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


async def _run(data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """What the pods and what the client got when `data` came cut at `cuts`."""
    hop = Hop()
    hop.table.apply(one_service(Endpoint("pod-1", "127.0.0.1", 9001, ready=True)))
    client = hop.client()
    seen = b""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        if not client.closed and client.reading:
            client.feed(data[start:end])
        seen += await _answer(hop)
    await hop.tasks.close()
    return seen, client.take()


async def _answer(hop: Hop) -> bytes:
    """Answer, as a pod does, every request that is complete; what pods got."""
    seen = b""
    while True:
        await settle(6)
        ready = [pod for pod in hop.pods if not pod.closed and _complete(bytes(pod.written))]
        if not ready:
            return seen
        for pod in ready:
            data = pod.take()
            seen += data
            answer = OK[:-2] if data.startswith(b"HEAD") else OK
            pod.feed(answer)


def _complete(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n") + 4
    if end == 3:
        return False
    head = parse(data[:end], Peer("10.0.0.9"))
    if head.length < 0:
        return ChunkedBody().feed(data, end) == len(data)
    return len(data) - end == head.length


@settings(max_examples=60, deadline=None)
@given(st.lists(requests(), min_size=1, max_size=4), st.lists(st.integers(0, 2000), max_size=12))
def test_how_bytes_are_cut_changes_nothing(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole = asyncio.run(_run(data, []))
    assert asyncio.run(_run(data, cuts)) == whole
    assert whole[1].count(b"HTTP/1.1 200 OK") == len(parts)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(requests(), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4), st.integers(0, 4)), max_size=4),
    st.lists(st.integers(0, 2000), max_size=4),
)
def test_spoilt_bytes_never_reach_a_pod_as_anything_but_requests(
    parts: list[bytes], edits: list[tuple[int, bytes, int]], cuts: list[int]
) -> None:
    """No crash, no hang; and whatever a pod gets, it reads where we read."""
    data = b"".join(parts)
    for place, new, old in edits:
        position = place % (len(data) + 1)
        data = data[:position] + new + data[position + old :]
    seen, _ = asyncio.run(_run(data, cuts))
    while seen:
        end = seen.index(b"\r\n\r\n") + 4
        head = parse(seen[:end], Peer("10.0.0.9"))
        size = ChunkedBody().feed(seen, end) if head.length < 0 else end + head.length
        assert end <= size <= len(seen)
        seen = seen[size:]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5))
def test_a_pod_may_answer_anything(pieces: list[bytes]) -> None:
    """The client gets an answer, a 502 or a cut connection; the slot is free again."""

    async def run() -> None:
        hop = Hop()
        hop.table.apply(one_service(Endpoint("pod-1", "127.0.0.1", 9001, ready=True)))
        client: FakeTransport = hop.client()
        client.feed(b"GET / HTTP/1.1\r\nHost: " + HOST + b"\r\n\r\n")
        await settle()
        (pod,) = hop.pods
        for piece in pieces:
            if not pod.closed:
                pod.feed(piece)
        pod.lose()
        await settle()
        assert client.written or client.closed
        (figures,) = hop.close_second()
        assert (figures.in_flight, figures.waiting) == (0, 0)
        await hop.tasks.close()

    asyncio.run(run())
