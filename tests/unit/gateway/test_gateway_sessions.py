"""Session affinity: a client comes back to the pod that answered it first, as long as that can."""

from typing import Any

import pytest

from utsuwa.gateway.sessions import in_cookie, in_head, set_cookie
from utsuwa.routing.messages import (
    Delta,
    Endpoint,
    HostTable,
    RevisionTable,
    Snapshot,
    Split,
)
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle
from utsuwa.testing.http2 import http2_client, http2_pod

HOST = "hello.default.example.com"
REVISION = "default/hello-00001"
ONE = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
TWO = Endpoint("pod-2", "127.0.0.1", 9002, ready=True)
THREE = Endpoint("pod-3", "127.0.0.1", 9003, ready=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
OTHERS = {"pod-1": "pod-2", "pod-2": "pod-1"}

pytestmark = pytest.mark.looptime


def cookie(uid: str) -> bytes:
    return (f"Set-Cookie: utsuwa-session={uid}; Path=/; Max-Age=2592000; HttpOnly\r\n").encode()


def hop_to(*endpoints: Endpoint, **fields: Any) -> Hop:
    hop = Hop()
    hop.table.apply(one_service(*endpoints, session_affinity=True, **fields))
    return hop


async def ask(hop: Hop, *fields: str) -> FakeTransport:
    """A new client sends a request."""
    client = hop.client()
    client.feed("\r\n".join(["GET / HTTP/1.1", f"Host: {HOST}", *fields, "", ""]).encode())
    await settle()
    return client


def carrier(hop: Hop) -> FakeTransport:
    """The connection on which a pod has been sent a request that it has not answered."""
    (found,) = [pod for pod in hop.pods if pod.written]
    return found


async def answered(hop: Hop, *fields: str) -> tuple[str, bytes]:
    """Which pod a client's request reaches, and what the client gets."""
    client = await ask(hop, *fields)
    pod = carrier(hop)
    pod.take()
    pod.feed(OK)
    return f"pod-{pod.get_extra_info('peername')[1] - 9000}", client.take()


async def test_the_first_answer_binds_the_client_and_later_ones_leave_it_be() -> None:
    """The cookie lasts 30 days, holds for every path, and no script sees it."""
    hop = hop_to(ONE, TWO, THREE)
    uid, answer = await answered(hop)
    assert answer == OK.replace(b"\r\n\r\n", b"\r\n" + cookie(uid) + b"\r\n")
    for _ in range(4):
        assert await answered(hop, f"Cookie: theme=dark; utsuwa-session={uid}") == (uid, OK)


async def test_without_the_annotation_no_cookie_is_set_or_heeded() -> None:
    hop = Hop()
    hop.table.apply(one_service(ONE, TWO))
    seen = [await answered(hop, "Cookie: utsuwa-session=pod-1") for _ in range(4)]
    assert {uid for uid, _ in seen} == {"pod-1", "pod-2"}
    assert {answer for _, answer in seen} == {OK}


async def test_the_pod_still_sees_the_cookies_of_its_client() -> None:
    hop = hop_to(ONE)
    await ask(hop, "Cookie: theme=dark; utsuwa-session=pod-1")
    assert b"\r\nCookie: theme=dark; utsuwa-session=pod-1\r\n" in carrier(hop).take()


@pytest.mark.parametrize("draining", [True, False])
async def test_where_the_pod_goes_another_answers_and_takes_the_session(draining: bool) -> None:
    hop = hop_to(ONE, TWO)
    going = (Endpoint("pod-1", "127.0.0.1", 9001, draining=True),) if draining else ()
    table = RevisionTable(name=REVISION, endpoints=(*going, TWO), session_affinity=True)
    hop.table.apply(Delta(version=2, revisions=(table,)))
    uid, answer = await answered(hop, "Cookie: utsuwa-session=pod-1")
    assert uid == "pod-2"
    assert cookie("pod-2") in answer


async def test_where_the_pod_is_full_another_answers_and_takes_the_session() -> None:
    """Affinity is best effort: the hard limit comes first, and nobody waits for it."""
    hop = hop_to(ONE, TWO, concurrency=1)
    await ask(hop, "Cookie: utsuwa-session=pod-1")
    first = carrier(hop)
    assert first.get_extra_info("peername")[1] == 9001
    first.take()
    uid, answer = await answered(hop, "Cookie: utsuwa-session=pod-1")
    assert (uid, cookie("pod-2") in answer) == ("pod-2", True)


async def test_where_all_are_full_the_first_slot_is_taken_in_the_order_of_arrival() -> None:
    hop = hop_to(ONE, TWO, concurrency=1)
    for uid in ("pod-1", "pod-2"):
        await ask(hop, f"Cookie: utsuwa-session={uid}")
    one, two = sorted(hop.pods, key=lambda pod: pod.get_extra_info("peername")[1])
    one.take(), two.take()
    third = await ask(hop, "Cookie: utsuwa-session=pod-1")
    two.feed(OK)
    await settle()
    two.take()
    two.feed(OK)
    assert cookie("pod-2") in third.take()


async def test_a_session_goes_before_the_percentages() -> None:
    """A client that is bound to a pod of the revision with 1 % stays there."""
    hop = Hop()
    names = ("default/old", "default/new")
    hop.table.apply(
        Snapshot(
            epoch="e1",
            version=1,
            hosts=(
                HostTable(HOST, (Split(names[0], 99), Split(names[1], 1, (("X-Split", "new"),)))),
            ),
            revisions=(
                RevisionTable(name=names[0], endpoints=(ONE,), session_affinity=True),
                RevisionTable(name=names[1], endpoints=(TWO,), session_affinity=True),
            ),
        )
    )
    for _ in range(5):
        await ask(hop, "Cookie: utsuwa-session=pod-2")
        pod = carrier(hop)
        assert b"\r\nX-Split: new\r\n" in pod.take()
        pod.feed(OK)


async def test_an_upload_in_pieces_gets_its_cookie() -> None:
    """What would otherwise pass unseen once the body is sent."""
    hop = hop_to(ONE)
    client = hop.client()
    client.feed(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n\r\nab".encode())
    await settle()
    client.feed(b"cd")
    hop.pods[0].feed(OK)
    assert cookie("pod-1") in client.take()


async def test_the_body_of_a_refused_first_request_is_dropped() -> None:
    """Its host is unknown, so it has no revision that could be sticky or not."""
    hop = hop_to(ONE)
    client = hop.client()
    client.feed(b"POST / HTTP/1.1\r\nHost: nobody\r\nContent-Length: 4\r\n\r\nab")
    assert client.take().startswith(b"HTTP/1.1 404 ")
    client.feed(b"cd" + f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    await settle()
    assert carrier(hop).take().startswith(b"GET / ")


async def test_a_websocket_takes_a_session_too() -> None:
    hop = hop_to(ONE)
    client = await ask(hop, "Connection: Upgrade", "Upgrade: websocket")
    hop.pods[0].feed(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert cookie("pod-1") in client.take()


async def test_an_answer_of_the_gateway_itself_binds_nobody() -> None:
    hop = hop_to(ONE)
    client = await ask(hop)
    hop.pods[0].lose()
    await settle()
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"Set-Cookie" not in answer


@pytest.mark.parametrize("protocol", ["http1", "h2c"])
@pytest.mark.parametrize(
    ("cookies", "told"), [(("theme=dark", "utsuwa-session=pod-2"), False), (("x=y",), True)]
)
async def test_streams_have_sessions(protocol: str, cookies: tuple[str, ...], told: bool) -> None:
    """Over HTTP/2 cookies may come in pieces; pods of either kind can be bound to."""
    hop = hop_to(ONE, TWO, protocol=protocol)
    client = http2_client(hop.client())
    stream = client.request(*(("cookie", value) for value in cookies))
    await settle()
    uid = f"pod-{hop.pods[0].get_extra_info('peername')[1] - 9000}"
    if protocol == "h2c":
        http2_pod(hop.pods[0]).respond(1, end=True)
    else:
        hop.pods[0].feed(OK)
    await settle()
    client.read()
    found = [value for name, value in client.messages[stream].fields if name == b"set-cookie"]
    assert found == ([set_cookie(uid, secure=False)] if told else [])
    assert told or uid == "pod-2"


def test_the_cookie_is_for_https_alone_where_the_client_speaks_that() -> None:
    assert set_cookie("p", secure=True).endswith(b"; HttpOnly; Secure")


@pytest.mark.parametrize(
    ("value", "uid"),
    [
        (b"utsuwa-session=a", "a"),
        (b"x=1;utsuwa-session=a; y=2", "a"),
        (b"my-utsuwa-session=a", ""),
        (b"x=utsuwa-session=a", ""),
        (b"utsuwa-session=", ""),
        (b"utsuwa-session=" + b"a" * 129, ""),
        (b"", ""),
    ],
)
def test_the_cookie_is_found_among_others(value: bytes, uid: str) -> None:
    assert in_cookie(value) == uid
    assert in_head(b"GET / HTTP/1.1\r\nX: y\r\ncookie: %b\r\n\r\n" % value) == uid
