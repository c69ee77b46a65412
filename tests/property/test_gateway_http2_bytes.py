"""The gateway's HTTP/2 side under any bytes, cut in any way, and header blocks of any kind."""

import asyncio
from itertools import pairwise
from typing import Any

from hpack import Decoder, Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.request import Peer, parse
from utsuwa.gateway.http2.compression import Compressor, Decompressor
from utsuwa.gateway.http2.framing import PREFACE
from utsuwa.routing.messages import Endpoint
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle
from utsuwa.testing.http2 import Http2Peer, Message, http2_client

POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

_bodies = st.none() | st.lists(st.binary(max_size=300), max_size=4)
_requests = st.tuples(st.text("abc123/", max_size=8), _bodies, st.booleans())
_cuts = st.lists(st.integers(0, 4000), max_size=12)


def _script(requests: list[tuple[str, list[bytes] | None, bool]]) -> bytes:
    """The bytes of a client that sends `requests` one after the other."""
    peer = Http2Peer(FakeTransport(asyncio.Protocol()), client=True)
    frames = peer.frames
    for path, body, with_trailers in requests:
        stream_id = frames.get_next_available_stream_id()
        head = [(":method", "POST"), (":scheme", "http"), (":path", "/" + path)]
        head.insert(2, (":authority", "hello.default.example.com"))
        frames.send_headers(stream_id, head, end_stream=body is None)
        if body is not None:
            for part in body:
                frames.send_data(stream_id, part)
            if with_trailers:
                frames.send_headers(stream_id, [("x-end", "1")], end_stream=True)
            else:
                frames.end_stream(stream_id)
    data: bytes = frames.data_to_send()
    return data


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


async def _run(data: bytes, cuts: list[int], protocol: str) -> tuple[Any, Any]:
    """What the pods got, in the order of their paths, and the client, when `data` came cut."""
    hop = Hop()
    hop.table.apply(one_service(POD, protocol=protocol))
    client = hop.client()
    for piece in _pieces(data, cuts):
        client.feed(piece)
        await settle(4)
    await settle()
    seen: list[Any] = []
    if protocol == "h2c":
        seen = [*_answer_http2(hop)]
    else:
        for pod in hop.pods:
            seen.append(_unchunked(pod.take()))
            pod.feed(OK)
    await settle()
    reader = Http2Peer(client, client=True)
    reader.frames.data_to_send()
    for number in range(len(seen)):
        _await_answer(reader, number)
    reader.frames.receive_data(b"")
    answers = _answers(reader, client.take())
    await hop.tasks.close()
    return seen, answers


def _await_answer(reader: Http2Peer, number: int) -> None:
    head = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
    reader.frames.send_headers(2 * number + 1, head, end_stream=True)


def _answers(reader: Http2Peer, data: bytes) -> list[Message]:
    reader.transport.written += data
    reader.transport.closed = True  # it is read from, and hears nothing
    reader.read()
    return [reader.messages[key] for key in sorted(reader.messages) if key]


def _answer_http2(hop: Hop) -> list[Message]:
    messages: list[Message] = []
    for transport in hop.pods:
        pod = Http2Peer(transport, client=False)
        pod.read()
        for stream_id, message in sorted(pod.messages.items()):
            if stream_id:
                messages.append(message)
                pod.respond(stream_id)
                pod.send(stream_id, b"ok", end=True)
    return messages


def _unchunked(data: bytes) -> tuple[bytes, bytes]:
    """Head and content of the one request that `data` is, whole."""
    end = data.index(b"\r\n\r\n") + 4
    if parse(data[:end], Peer("10.0.0.9")).length == 0:
        assert end == len(data)
        return data[:end], b""
    content: list[bytes] = []
    assert ChunkedBody().feed(data, end, content) == len(data)
    return data[:end], b"".join(content)


@settings(max_examples=60, deadline=None)
@given(st.lists(_requests, min_size=1, max_size=4), _cuts, st.sampled_from(["http1", "h2c"]))
def test_how_bytes_are_cut_changes_nothing(requests: Any, cuts: list[int], protocol: str) -> None:
    data = _script(requests)
    seen, answers = asyncio.run(_run(data, [], protocol))
    assert asyncio.run(_run(data, cuts, protocol)) == (seen, answers)
    assert len(seen) == len(requests)
    assert [answer.status for answer in answers] == [200] * len(requests)
    for (_, body, _), got in zip(requests, seen, strict=True):
        content = got.body if isinstance(got, Message) else got[1]
        assert content == b"".join(body or [])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(_requests, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=4), st.integers(0, 4)), max_size=4),
    _cuts,
)
def test_spoilt_bytes_never_reach_a_pod_as_anything_but_requests(
    requests: Any, edits: list[tuple[int, bytes, int]], cuts: list[int]
) -> None:
    """No crash, no hang; whatever a pod gets begins with one well-formed request, and when the
    client is gone nothing is left on any pod or in any line."""
    data = _script(requests)
    for place, new, old in edits:
        position = len(PREFACE) + place % (len(data) + 1 - len(PREFACE))
        data = data[:position] + new + data[position + old :]

    async def run() -> None:
        hop = Hop()
        hop.table.apply(one_service(POD))
        client = hop.client()
        for piece in _pieces(data, cuts):
            if not client.closed:
                client.feed(piece)
            await settle(4)
        await settle()
        for pod in hop.pods:
            sent = pod.take()
            end = sent.index(b"\r\n\r\n") + 4
            head = parse(sent[:end], Peer("10.0.0.9"))
            if head.length < 0:
                stop = ChunkedBody().feed(sent, end)
                assert stop in {-1, len(sent)}
            else:
                assert len(sent) - end <= head.length
        client.lose()
        await settle()
        for figures in hop.close_second():
            assert (figures.in_flight, figures.waiting) == (0, 0)
        await hop.tasks.close()

    asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from(["http1", "http2"]),
)
def test_a_pod_of_http2_may_answer_anything(
    pieces: list[bytes], greets: bool, client_speaks: str
) -> None:
    """The client gets an answer, a reset or a cut connection; the slot is free again."""

    async def run() -> None:
        hop = Hop()
        hop.table.apply(one_service(POD, protocol="h2c"))
        if client_speaks == "http2":
            peer = http2_client(hop.client())
            peer.request()
        else:
            hop.client().feed(b"GET / HTTP/1.1\r\nHost: hello.default.example.com\r\n\r\n")
        await settle()
        pod = hop.pods[0]
        if greets:
            Http2Peer(pod, client=False).read()
        for piece in pieces:
            if not pod.closed:
                pod.feed(piece)
            await settle(4)
        if not pod.closed:
            pod.lose()
        await settle()
        for figures in hop.close_second():
            assert (figures.in_flight, figures.waiting) == (0, 0)
        await hop.tasks.close()

    asyncio.run(run())


_names = st.sampled_from([b":path", b":status", b"x-a", b"x-b", b"cookie", b"te", b"x-long"])
_values = st.sampled_from([b"", b"/", b"200", b"trailers", b"v" * 600]) | st.binary(max_size=12)
_block = st.lists(st.tuples(_names, _values), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(_block, min_size=1, max_size=6),
    st.lists(st.integers(0, 5), min_size=1, max_size=30),
    st.lists(st.sampled_from([0, 64, 200, 4096]), max_size=5),
)
def test_what_is_remembered_of_header_blocks_is_what_would_be_made_anew(
    blocks: list[list[tuple[bytes, bytes]]], order: list[int], sizes: list[int]
) -> None:
    """Whatever is repeated, and however the table's size changes: the plain library understands
    what we write, and we understand what it writes."""
    ours, plain_reader = Compressor(), Decoder()
    plain, our_reader = Encoder(), Decompressor(2**16)
    for turn, number in enumerate(order):
        if sizes and turn % 7 == 6:
            size = sizes[turn // 7 % len(sizes)]
            ours.header_table_size = plain.header_table_size = size
        block = blocks[number % len(blocks)]
        assert list(plain_reader.decode(ours.encode(block), raw=True)) == block
        assert list(our_reader.decode(plain.encode(block), raw=True)) == block
