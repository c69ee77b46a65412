"""Pods that may be frozen: when the gateway lets them rest, and how it wakes them."""

import asyncio
from typing import Any

import pytest

from utsuwa.gateway.http1.client import ClientConnection
from utsuwa.kit.freezing import Share
from utsuwa.routing.messages import Endpoint, Probe, Resting, RevisionTable, Woken
from utsuwa.testing.freezing import FakeBrake, FakeHold, FakeLock, at_once
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle

pytestmark = pytest.mark.looptime

HOST = b"Host: hello.default.example.com\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
ASKING = b"GET / HTTP/1.1\r\n" + HOST + b"Utsuwa-Cold-Start-Receipt: 1\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SWITCHED = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
OTHER = Endpoint("pod-2", "127.0.0.1", 9002, ready=True)
REVISION = "default/hello-00001"
AFTER = 10.0


class Frozen(Hop):
    """A hop whose pods have holds. Mutable state: `locks` by uid, `stands`, the node's brake."""

    def __init__(self) -> None:
        super().__init__()
        self.locks: dict[str, FakeLock] = {}
        self.stands = FakeBrake()
        self.core.hold = self._hold
        self.core.aside = at_once

    def _hold(self, uid: str) -> Share:
        return self.locks.setdefault(uid, FakeLock()).hand()

    def freeze(self, uid: str = "pod-1") -> bool:
        """As the node does it."""
        return FakeHold(self.locks[uid]).stop([self.stands])

    async def answered(self, data: bytes = GET) -> FakeTransport:
        """A request, and the pod's answer."""
        client = self.client()
        client.feed(data)
        await settle()
        self.pods[-1].feed(OK)
        await settle()
        return client


async def serving(*endpoints: Endpoint, **fields: Any) -> Frozen:
    hop = Frozen()
    hop.table.apply(one_service(*(endpoints or (POD,)), freeze_after=AFTER, **fields))
    await settle()
    return hop


async def test_a_pod_without_a_request_comes_to_rest() -> None:
    """Its connections are closed, its share is given up, and control is told."""
    hop = await serving()
    await hop.answered()
    assert hop.locks["pod-1"].shares
    await asyncio.sleep(AFTER - 1)
    assert not hop.of(Resting)
    assert not hop.pods[0].closed
    await asyncio.sleep(3)
    assert hop.of(Resting) == [Resting(REVISION, "pod-1", AFTER)]
    assert hop.pods[0].closed
    assert not hop.locks["pod-1"].shares
    assert hop.freeze()


async def test_a_request_goes_to_a_pod_that_runs() -> None:
    """First the share and the thaw, then the connection, then control is told."""
    hop = await serving()
    await asyncio.sleep(AFTER + 2)
    assert hop.freeze()
    goes_on = asyncio.Event()

    async def slowly(work: object) -> object:
        await goes_on.wait()
        return work()  # type: ignore[operator]  # the work of a thread

    hop.core.aside = slowly  # type: ignore[assignment]  # one that waits
    client = hop.client()
    client.feed(GET)
    await settle()
    assert not hop.pods
    goes_on.set()
    await settle()
    assert not hop.stands.down
    assert not hop.freeze(), "it is in use"
    hop.pods[0].feed(OK)
    assert client.take() == OK
    assert hop.of(Woken) == [Woken(REVISION, "pod-1", frozen=True)]


async def test_requests_that_come_while_it_is_woken_all_get_there() -> None:
    hop = await serving()
    await asyncio.sleep(AFTER + 2)
    hop.freeze()
    clients = [hop.client() for _ in range(3)]
    for client in clients:
        client.feed(GET)
    await settle()
    assert len(hop.pods) == 3
    for pod in hop.pods:
        pod.feed(OK)
    assert [client.take() for client in clients] == [OK] * 3
    assert len(hop.of(Woken)) == 1


async def test_who_left_while_it_was_woken_is_not_dialled_for() -> None:
    hop = await serving()
    await asyncio.sleep(AFTER + 2)
    client = hop.client()
    client.feed(GET)
    client.lose()
    await settle()
    assert not hop.pods
    await asyncio.sleep(AFTER + 3)
    assert len(hop.of(Resting)) == 2, "it rests again"


@pytest.mark.parametrize("answer", [b"", SWITCHED, b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_what_is_in_use_does_not_rest(answer: bytes) -> None:
    """A request without an answer, a WebSocket, a stream."""
    hop = await serving(timeout=600.0)
    client = hop.client()
    client.feed(UPGRADE)
    await settle()
    if answer:
        hop.pods[0].feed(answer)
    await asyncio.sleep(5 * AFTER)
    assert not hop.of(Resting)
    assert not hop.freeze()


async def test_steady_requests_keep_it_awake() -> None:
    hop = await serving()
    client = await hop.answered()
    for _ in range(10):
        await asyncio.sleep(AFTER / 2)
        client.feed(GET)
        hop.pods[0].feed(OK)
    assert not hop.of(Resting)
    assert len(hop.pods) == 1


async def test_requests_go_to_the_pod_used_last_so_that_others_rest() -> None:
    hop = await serving(POD, OTHER)
    for _ in range(8):
        await hop.answered()
        await asyncio.sleep(AFTER / 4)
    assert [message.uid for message in hop.of(Resting)] == ["pod-1"]


async def test_a_new_control_is_told_what_rests_and_what_does_not() -> None:
    hop = await serving(POD, OTHER)
    await hop.answered()
    await asyncio.sleep(AFTER + 3)
    await hop.answered()
    hop.said.clear()
    for revision in hop.core.revisions.values():
        revision.resend()
    assert len(hop.of(Resting)) == 1
    assert len(hop.of(Woken)) == 1


async def test_a_pod_that_is_to_go_is_let_go() -> None:
    """Not before its last request has ended."""
    hop = await serving()
    client = hop.client()
    client.feed(GET)
    await settle()
    hop.table.apply(one_service(epoch="e2", freeze_after=AFTER))
    assert hop.locks["pod-1"].shares
    hop.pods[0].feed(OK)
    await settle()
    assert client.take().startswith(b"HTTP/1.1 200")
    assert not hop.locks["pod-1"].shares
    await asyncio.sleep(3 * AFTER)
    assert not hop.of(Resting)


async def test_a_setting_that_is_taken_back_thaws() -> None:
    hop = await serving()
    await asyncio.sleep(AFTER + 2)
    hop.freeze()
    hop.table.apply(one_service(POD, epoch="e2"))
    await settle()
    assert not hop.stands.down
    await asyncio.sleep(5 * AFTER)
    assert not hop.freeze()
    hop.table.apply(one_service(POD, epoch="e3", freeze_after=AFTER))
    await asyncio.sleep(AFTER + 2)
    assert hop.freeze()


@pytest.mark.parametrize("fault", ["alone", "broken"])
async def test_what_it_cannot_thaw_itself_control_is_asked_to(fault: str) -> None:
    """The request goes there all the same: it is answered when the pod runs."""
    hop = await serving()
    await asyncio.sleep(AFTER + 2)
    setattr(hop.locks["pod-1"], fault, True)
    client = hop.client()
    client.feed(GET)
    await settle()
    assert hop.of(Woken) == [Woken(REVISION, "pod-1", help=True)]
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_a_pod_is_awake_while_it_is_probed() -> None:
    """One that stands would never answer; the gateway may be new, and the pod not."""
    hop = Frozen()
    hop.table.apply(one_service(freeze_after=AFTER, protocol="auto"))
    hop.table.apply(one_service(POD, freeze_after=AFTER, protocol="auto", epoch="e2"))
    lock = hop.locks["pod-1"]
    await settle()
    assert lock.shares
    await hop.tasks.close()


async def test_without_a_hold_it_serves_and_never_rests(caplog: pytest.LogCaptureFixture) -> None:
    hop = Frozen()

    def refuse(uid: str) -> Share:
        raise FileNotFoundError(uid)

    hop.core.hold = refuse
    hop.table.apply(one_service(POD, freeze_after=AFTER))
    await hop.answered()
    await asyncio.sleep(3 * AFTER)
    assert not hop.of(Resting)


async def test_the_receipt_says_what_the_thaw_cost() -> None:
    hop = await serving()
    await asyncio.sleep(AFTER + 2)
    hop.freeze()
    client = await hop.answered(ASKING)
    assert b'desc="frozen pod", thaw;dur=0, first-byte;dur=0' in client.take()
    start = hop.core.cold_starts[0]
    assert start.thawed
    assert not start.started


async def test_no_receipt_where_it_rested_and_was_not_frozen() -> None:
    hop = await serving()
    await asyncio.sleep(AFTER + 2)
    client = await hop.answered(ASKING)
    assert b"Server-Timing" not in client.take()
    assert not hop.core.cold_starts


async def test_others_are_left_alone() -> None:
    """Without the setting a pod has no hold."""
    hop = Frozen()
    hop.table.apply(one_service(POD))
    await hop.answered()
    assert not hop.locks


async def test_a_probe_apart_and_an_upgrade_over_h2c_wake_it_too() -> None:
    hop = Frozen()
    table = RevisionTable(
        REVISION, endpoints=(POD,), protocol="h2c", probe=Probe(kind="none"), freeze_after=AFTER
    )
    snapshot = one_service()
    hop.table.apply(type(snapshot)("e1", 1, snapshot.hosts, (table,)))
    await asyncio.sleep(AFTER + 2)
    assert hop.freeze()
    client = FakeTransport(ClientConnection(hop.core))
    client.feed(UPGRADE)
    await settle()
    assert not hop.stands.down
    assert hop.locks["pod-1"].shares
    await hop.tasks.close()
