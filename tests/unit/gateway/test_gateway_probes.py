"""Questions to the platform (`spec/dataplane.md` §7.1), and headers that reach the container (§2)."""

import pytest

from utsuwa.routing.messages import Endpoint, Wake
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle
from utsuwa.testing.http2 import http2_client

pytestmark = pytest.mark.looptime

HOST = "hello.default.example.com"
POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)


def request(*fields: str, line: str = "GET / HTTP/1.1", host: str = HOST) -> bytes:
    return "\r\n".join([line, f"Host: {host}", *fields, "", ""]).encode()


async def asked(hop: Hop, data: bytes) -> FakeTransport:
    client = hop.client()
    client.feed(data)
    await settle()
    return client


async def hop_to_pod() -> Hop:
    hop = Hop()
    hop.table.apply(one_service(POD))
    return hop


PROBES = pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        (("K-Network-Probe: probe", "K-Network-Hash: abc"), 200, b""),
        (("K-Network-Probe: activator",), 200, b"activator"),
        (("K-Kubelet-Probe: queue",), 200, b""),
        (("User-Agent: kube-probe/1.31", "K-Network-Probe: queue"), 200, b""),
        (
            ("K-Network-Probe: probe",),
            400,
            b'a probe request must contain a non-empty "K-Network-Hash" header\n',
        ),
        (("K-Network-Probe: queue",), 400, b"unexpected probe header value: queue\n"),
    ],
)


@PROBES
async def test_the_platform_answers_for_itself(
    fields: tuple[str, ...], status: int, body: bytes
) -> None:
    """It wakes nobody, counts nothing, and the connection goes on."""
    hop = await hop_to_pod()
    client = await asked(hop, request(*fields))
    head, _, found = client.take().partition(b"\r\n\r\n")
    assert (head[9:12], found) == (str(status).encode(), body)
    assert (b"K-Network-Hash: abc" in head) == ("K-Network-Hash: abc" in fields)
    assert hop.pods == []
    assert hop.of(Wake) == []
    assert hop.close_second() == ()
    client.feed(request())
    await settle()
    assert hop.pods[0].take().startswith(b"GET / ")


async def test_a_probe_with_a_body_or_for_a_closing_client_is_answered_in_frame() -> None:
    hop = await hop_to_pod()
    probe = ("K-Network-Probe: probe", "K-Network-Hash: h")
    client = await asked(
        hop, request(*probe, "Content-Length: 4", line="POST / HTTP/1.1") + b"body" + request()
    )
    assert client.take().startswith(b"HTTP/1.1 200")
    assert hop.pods[0].take().startswith(b"GET / ")
    closing = await asked(hop, request(*probe, "Connection: close"))
    assert b"\r\nConnection: close\r\n" in closing.take()
    assert closing.closed


async def test_a_probe_of_a_host_that_is_not_programmed_is_not_found() -> None:
    """That is how a prober learns whether a route is in force."""
    hop = await hop_to_pod()
    client = await asked(
        hop, request("K-Network-Probe: probe", "K-Network-Hash: h", host="else.example.com")
    )
    assert client.take().startswith(b"HTTP/1.1 404")


async def test_headers_of_the_platform_reach_the_container_or_do_not() -> None:
    """`spec/dataplane.md` §2."""
    hop = await hop_to_pod()
    through = (
        "K-Network-Probe: ", "K-Passthrough-Lb: true", "Knative-Serving-Tag: v1",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "X-B3-TraceId: 463ac35c9f6413ad", "X-Request-Id: 7", "User-Agent: curl/8.5.0",
        "Accept-Encoding: gzip",
    )  # fmt: skip
    not_through = (
        "K-Network-Hash: abc", "K-Original-Host: a", "Knative-Serving-Revision: a",
        "Knative-Serving-Namespace: b",
    )  # fmt: skip
    await asked(hop, request(*through, *not_through))
    lines = hop.pods[0].take().decode().split("\r\n")
    assert set(through) <= set(lines)
    assert not set(not_through) & set(lines)


@PROBES
async def test_the_platform_answers_for_itself_over_http2(
    fields: tuple[str, ...], status: int, body: bytes
) -> None:
    """The same answers, and the next stream is an ordinary request."""
    hop = await hop_to_pod()
    client = http2_client(hop.client())
    pairs = [field.split(": ") for field in fields]
    stream = client.request(*((name.lower(), value) for name, value in pairs))
    client.read()
    await settle()
    client.read()
    message = client.messages[stream]
    assert (message.status, message.body, message.ended) == (status, body, True)
    assert message.get("k-network-hash") == ("abc" if "K-Network-Hash: abc" in fields else "")
    assert hop.pods == []
    assert hop.of(Wake) == []
    assert hop.close_second() == ()
    client.request(("user-agent", "curl/8"), ("k-network-hash", "abc"))
    await settle()
    head = hop.pods[0].take()
    assert head.startswith(b"GET / ")
    assert b"k-network-hash" not in head


async def test_a_probe_over_http2_may_ask_for_the_head_alone() -> None:
    hop = await hop_to_pod()
    client = http2_client(hop.client())
    stream = client.request(("k-network-probe", "activator"), method="HEAD")
    await settle()
    client.read()
    message = client.messages[stream]
    assert (message.status, message.get("content-length"), message.body) == (200, "9", b"")
    assert message.ended
