"""What a pod speaks where its revision does not say: it is greeted in HTTP/2 once."""

import pytest

from utsuwa.routing.messages import Endpoint
from utsuwa.testing.gateway import Hop, one_service, settle
from utsuwa.testing.http2 import http2_pod

HOST = "hello.default.example.com"
GET = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("ready", [True, False])
async def test_a_pod_that_answers_the_greeting_gets_http2(ready: bool) -> None:
    async with Hop() as hop:
        hop.table.apply(
            one_service(Endpoint("pod-1", "127.0.0.1", 9001, ready=ready), protocol="auto")
        )
        client = hop.client()
        client.feed(GET)
        await settle()
        (greeted,) = hop.pods
        assert greeted.take().startswith(b"PRI * HTTP/2.0\r\n")
        greeted.feed(b"\0\0\0\4\0\0\0\0\0")
        await settle()
        assert greeted.aborted
        http2_pod(hop.pods[1]).respond(1, end=True)
        await settle()
        assert client.take().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_any_other_answer_is_http_1_1(answer: bytes) -> None:
    """A refusal, or the end of the connection."""
    async with Hop() as hop:
        hop.table.apply(
            one_service(Endpoint("pod-1", "127.0.0.1", 9001, ready=True), protocol="auto")
        )
        client = hop.client()
        client.feed(GET)
        await settle()
        greeted = hop.pods[0]
        greeted.take()
        if answer:
            greeted.feed(answer)
        else:
            greeted.lose()
        await settle()
        assert hop.pods[1].take().startswith(b"GET / HTTP/1.1\r\n")
        hop.pods[1].feed(OK)
        assert client.take() == OK
