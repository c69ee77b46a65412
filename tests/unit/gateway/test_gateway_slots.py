"""The broker of slots on its socket, and gateways that dial it, in one process or several."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from utsuwa.gateway.slots.__main__ import gateways
from utsuwa.gateway.slots.broker import Broker
from utsuwa.gateway.slots.client import SlotClient
from utsuwa.gateway.slots.revision import LeasedRevision
from utsuwa.gateway.slots.words import Lease, Need, Return, Serve
from utsuwa.kit.clock import SystemClock
from utsuwa.routing.messages import Drained, Endpoint
from utsuwa.testing.gateway import Hop, one_service, settle

REQUEST = b"GET / HTTP/1.1\r\nHost: hello.default.example.com\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NAME = "default/hello-00001"


class Tenant:
    """A revision that notes what it is told."""

    def __init__(self, *held: Lease) -> None:
        self.held = list(held)
        self.told: list[object] = []
        self.changed = asyncio.Event()

    def granted(self, uid: str) -> None:
        self._note(uid)

    def wanted(self, elsewhere: bool) -> None:
        self._note(elsewhere)

    def hold(self) -> list[Lease]:
        return self.held

    def introduce(self) -> None:
        self._note("introduce")

    def lost_broker(self) -> None:
        self._note("lost")

    def _note(self, what: object) -> None:
        self.told.append(what)
        self.changed.set()

    async def hear(self, what: object) -> None:
        async with asyncio.timeout(10):
            while what not in self.told:
                self.changed.clear()
                await self.changed.wait()


async def test_a_gateway_gets_a_slot_and_after_a_crash_of_the_broker_says_what_it_holds(
    tmp_path: Path,
) -> None:
    path = tmp_path / "slots.sock"
    client = SlotClient(str(path), "gateway-0", SystemClock())
    tenant = Tenant()
    client.adopt(NAME, tenant)
    task = asyncio.ensure_future(client.run())
    broker = Broker(path)
    await broker.open()
    await tenant.hear("introduce")
    client.send(Serve(NAME, "pod", 1))
    client.send(Need(NAME, 1, client.seen))
    await tenant.hear("pod")
    assert (client.seen, broker.ledger.held(NAME, "pod")) == (1, 1)
    await broker.close()
    await tenant.hear("lost")
    tenant.held = [Lease(NAME, "pod", 1)]
    tenant.told.clear()
    second = Broker(path, [os.getpid()])
    await second.open()
    await tenant.hear("introduce")
    async with asyncio.timeout(10):
        while not second.ledger.held(NAME, "pod"):
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await second.close()


async def test_what_a_killed_process_held_is_free_when_it_has_ended(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    broker = Broker(tmp_path / "slots.sock", [process.pid])
    ledger = broker.ledger
    heard = ledger.heard
    heard(1, Serve(NAME, "pod", 1))
    process.kill()
    async with asyncio.timeout(10):
        while repr(process.pid) in repr(vars(ledger)["_expected"]):
            await asyncio.sleep(0.01)
    process.wait()
    await broker.close()


def test_the_list_of_gateways_is_read_or_refused_by_name() -> None:
    assert gateways("") == []
    assert gateways("4711,4712") == [4711, 4712]
    with pytest.raises(ValueError, match="UTSUWA_GATEWAYS='x'"):
        gateways("x")


class Words:
    """A broker that is played by the test."""

    def __init__(self) -> None:
        self.client = SlotClient("/nowhere", "gateway-0", SystemClock())
        self.said: list[object] = []
        vars(self.client)["send"] = self.said.append

    def take(self) -> list[object]:
        said, self.said[:] = list(self.said), []
        return said


def sharing(hop: Hop, words: Words) -> LeasedRevision:
    """A gateway with one pod of one revision, limit 1, that shares its slots."""
    vars(hop.table)["_make"] = lambda core, name, prove: LeasedRevision(
        core, name, prove, words.client
    )
    hop.table.apply(one_service(Endpoint("pod", "10.0.0.1", 8000, ready=True), concurrency=1))
    revision = hop.core.revisions[NAME]
    assert isinstance(revision, LeasedRevision)
    return revision


async def test_a_request_waits_for_a_slot_keeps_it_and_gives_it_up_when_others_wait() -> None:
    words = Words()
    async with Hop() as hop:
        revision = sharing(hop, words)
        assert words.take() == [Serve(NAME, "pod", 1)]
        client = hop.client()
        client.feed(REQUEST)
        await settle()
        assert words.take() == [Need(NAME, 1, 0)]
        assert not hop.pods
        revision.granted("pod")
        await settle()
        assert REQUEST[:14] in hop.pods[0].take()
        hop.pods[0].feed(ANSWER)
        assert client.take().endswith(b"ok")
        client.feed(REQUEST)  # over the slot that we hold: no word to anybody
        hop.pods[0].feed(ANSWER)
        await settle()
        assert words.take() == []
        assert len(hop.pods) == 1
        revision.wanted(True)
        await settle()
        assert words.take() == [Return(NAME, "pod", 1)]
        assert hop.pods[0].closed, "no slot, no connection"


async def test_a_pod_that_drains_is_given_back_when_its_last_request_has_ended() -> None:
    words = Words()
    async with Hop() as hop:
        revision = sharing(hop, words)
        client = hop.client()
        client.feed(REQUEST)
        await settle()
        revision.granted("pod")
        await settle()
        words.take()
        revision.retire(revision.pods["pod"])
        assert words.take() == [Serve(NAME, "pod", 0)]
        assert hop.of(Drained) == []
        hop.pods[0].feed(ANSWER)
        await settle()
        assert words.take() == [Return(NAME, "pod", 1)]
        assert hop.of(Drained) == [Drained(NAME, "pod")]
        revision.granted("pod")
        assert words.take() == [Return(NAME, "pod", 1)]


async def test_without_a_limit_nobody_is_asked() -> None:
    words = Words()
    async with Hop() as hop:
        sharing(hop, words)
        hop.table.apply(
            one_service(Endpoint("pod", "10.0.0.1", 8000, ready=True), version=2, concurrency=0)
        )
        words.take()
        client = hop.client()
        client.feed(REQUEST)
        await settle()
        hop.pods[0].feed(ANSWER)
        await settle()
        assert client.take().endswith(b"ok")
        assert words.take() == []
