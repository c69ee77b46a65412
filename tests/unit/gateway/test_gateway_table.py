"""Control's messages laid over what is there."""

import asyncio

import pytest

from utsuwa.gateway.table import OutOfStepError
from utsuwa.routing.messages import (
    Delta,
    Drained,
    Elsewhere,
    Endpoint,
    EndpointUp,
    HostTable,
    Probe,
    RevisionTable,
    Snapshot,
    Split,
    TaggedSplits,
    Wake,
)
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle

pytestmark = pytest.mark.looptime

GET = b"GET / HTTP/1.1\r\nHost: hello.default.example.com\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
READY = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
UNPROVEN = Endpoint("pod-1", "127.0.0.1", 9001)
REVISION = "default/hello-00001"


async def sent(hop: Hop, data: bytes = GET) -> FakeTransport:
    client = hop.client()
    client.feed(data)
    await settle()
    return client


async def test_a_new_snapshot_does_not_disturb_requests_on_pods_in_both() -> None:
    """A control that comes back knows the pod by its uid: connection and request go on."""
    hop = Hop()
    hop.table.apply(one_service(READY))
    client = await sent(hop)
    hop.table.apply(one_service(READY, epoch="e2", version=1))
    hop.pods[0].feed(OK)
    assert client.take() == OK
    client.feed(GET)
    hop.pods[0].feed(OK)
    assert client.take() == OK
    assert len(hop.pods) == 1
    assert (hop.table.epoch, hop.table.version) == ("e2", 1)


async def test_requests_that_wait_survive_a_new_snapshot() -> None:
    hop = Hop()
    hop.table.apply(one_service())
    client = await sent(hop)
    hop.table.apply(one_service(epoch="e2"))
    hop.table.apply(one_service(READY, epoch="e3"))
    await settle()
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_a_snapshot_removes_what_it_does_not_name() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY, host="a.example.com", revision="default/a"))
    hop.table.apply(one_service(READY, host="b.example.com", revision="default/b", epoch="e2"))
    assert list(hop.core.hosts) == [b"b.example.com"]
    assert list(hop.core.revisions) == ["default/b"]
    assert hop.of(Drained) == [Drained("default/a", "pod-1")]


async def test_a_delta_changes_only_what_it_names() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY))
    other = RevisionTable(name="default/b", endpoints=(READY,))
    hop.table.apply(
        Delta(2, hosts=(HostTable("b.example.com", (Split("default/b"),)),), revisions=(other,))
    )
    assert set(hop.core.hosts) == {b"hello.default.example.com", b"b.example.com"}
    hop.table.apply(Delta(3, removed_hosts=("b.example.com",), removed_revisions=("default/b",)))
    assert set(hop.core.hosts) == {b"hello.default.example.com"}
    assert set(hop.core.revisions) == {REVISION}


async def test_a_delta_out_of_step_is_refused() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY))
    with pytest.raises(OutOfStepError, match="delta 5 came after version 1"):
        hop.table.apply(Delta(5))


async def test_a_host_that_moves_to_another_revision_does_so_for_the_next_request() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY))
    second = RevisionTable(
        name="default/hello-00002", endpoints=(Endpoint("pod-2", "127.0.0.1", 9002, ready=True),)
    )
    host = HostTable("hello.default.example.com", (Split("default/hello-00002"),))
    client = await sent(hop)
    hop.table.apply(Delta(2, hosts=(host,), revisions=(second,)))
    hop.pods[0].feed(OK)
    client.feed(GET)
    await settle()
    assert hop.pods[1].take()


async def test_a_pod_not_yet_ready_is_used_as_soon_as_our_own_probe_succeeds() -> None:
    hop = Hop()
    hop.network.refusing = {9001}
    hop.table.apply(one_service(UNPROVEN))
    client = await sent(hop)
    await asyncio.sleep(0.5)
    assert hop.of(EndpointUp) == []
    hop.network.refusing.clear()
    await asyncio.sleep(0.026)
    assert hop.of(EndpointUp) == [EndpointUp(REVISION, "pod-1")]
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_the_connection_that_proved_a_pod_carries_the_first_request() -> None:
    hop = Hop()
    hop.table.apply(one_service(UNPROVEN))
    await settle()
    await sent(hop)
    assert len(hop.pods) == 1


async def test_a_pod_that_control_calls_ready_needs_no_probe() -> None:
    hop = Hop()
    hop.network.refusing = {9001}
    hop.table.apply(one_service(UNPROVEN))
    await settle()
    hop.table.apply(one_service(READY, version=2))
    assert hop.core.revisions[REVISION].pods["pod-1"].usable
    await settle()
    assert hop.of(EndpointUp) == []


async def test_a_pod_that_moves_to_another_address_is_another_pod() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY))
    await sent(hop)
    moved = Endpoint("pod-1", "127.0.0.1", 9009, ready=True)
    hop.table.apply(one_service(moved, version=2))
    await sent(hop)
    assert hop.pods[1].get_extra_info("peername") == ("127.0.0.1", 9009)


async def test_a_revision_that_goes_sends_away_who_waits() -> None:
    hop = Hop()
    hop.table.apply(one_service())
    client = await sent(hop)
    hop.table.apply(Delta(2, removed_revisions=(REVISION,)))
    assert client.take().startswith(b"HTTP/1.1 503 ")


async def test_a_control_that_comes_back_is_told_what_it_missed() -> None:
    hop = Hop()
    hop.table.apply(one_service(UNPROVEN, concurrency=1))
    await settle()
    await sent(hop)
    await sent(hop)
    hop.said.clear()
    hop.table.apply(one_service(UNPROVEN, concurrency=1, epoch="e2"))
    hop.core.revisions[REVISION].resend()
    assert [type(message) for message in hop.said] == [Wake, EndpointUp]


async def test_a_control_that_comes_back_hears_again_of_drained_pods() -> None:
    hop = Hop()
    draining = Endpoint("pod-1", "127.0.0.1", 9001, draining=True)
    hop.table.apply(one_service(draining))
    hop.said.clear()
    hop.table.apply(one_service(draining, epoch="e2"))
    hop.core.revisions[REVISION].resend()
    assert hop.said == [Drained(REVISION, "pod-1")]


async def test_limits_follow_the_table() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY, concurrency=1))
    await sent(hop)
    waiter = await sent(hop)
    hop.table.apply(one_service(READY, concurrency=2, version=2))
    await settle()
    hop.pods[1].feed(OK)
    assert waiter.take() == OK


async def test_a_host_whose_revisions_are_unknown_is_not_there() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY))
    nowhere = HostTable("hello.default.example.com", (Split("default/none"),))
    hop.table.apply(Delta(2, hosts=(nowhere,)))
    assert hop.core.hosts == {}


async def test_a_host_is_there_once_its_revision_is() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY))
    hop.table.apply(Delta(2, hosts=(HostTable("b.example.com", (Split("default/b"),)),)))
    assert b"b.example.com" not in hop.core.hosts
    hop.table.apply(Delta(3, revisions=(RevisionTable(name="default/b", endpoints=(READY,)),)))
    assert b"b.example.com" in hop.core.hosts


async def test_a_pod_that_refused_us_must_prove_itself_whatever_control_repeats() -> None:
    hop = Hop()
    hop.network.refusing = {9001}
    hop.table.apply(one_service(READY))
    await sent(hop)
    hop.table.apply(one_service(READY, version=2))
    assert not hop.core.revisions[REVISION].pods["pod-1"].usable
    await hop.tasks.close()


def tagged_table(*tagged: str) -> Snapshot:
    """A host that goes to `default/a`, but with a tag to the revision of that name."""
    return Snapshot(
        "e1",
        1,
        (
            HostTable(
                "hello.default.example.com",
                (Split("default/a", headers=(("Knative-Serving-Default-Route", "true"),)),),
                tagged=tuple(TaggedSplits(tag, (Split(f"default/{tag}"),)) for tag in tagged),
            ),
        ),
        tuple(
            RevisionTable(f"default/{name}", endpoints=(Endpoint(name, "127.0.0.1", port, True),))
            for port, name in enumerate(("a", "b"), 9001)
        ),
    )


def with_tag(tag: str) -> bytes:
    return GET[:-2] + f"Knative-Serving-Tag: {tag}\r\n\r\n".encode()


async def test_a_tag_header_goes_to_its_tag_and_the_rest_to_the_default() -> None:
    """`spec/dataplane.md` §10: matched exactly; the default path says that it is one."""
    hop = Hop()
    hop.table.apply(tagged_table("b"))
    for data, pod in ((with_tag("b"), "b"), (with_tag("B"), "a"), (GET, "a")):
        await sent(hop, data)
        head = hop.pods[-1].take()
        assert hop.pods[-1].get_extra_info("peername")[1] == {"a": 9001, "b": 9002}[pod]
        assert (b"Knative-Serving-Default-Route: true" in head) == (pod == "a")
        assert (b"Knative-Serving-Tag" in head) == (data != GET)


async def test_without_tag_routing_a_tag_header_is_an_ordinary_field() -> None:
    hop = Hop()
    hop.table.apply(one_service(READY))
    await sent(hop, with_tag("b"))
    assert b"Knative-Serving-Tag: b" in hop.pods[0].take()


async def test_a_tag_whose_revision_is_unknown_takes_the_default_until_it_is() -> None:
    hop = Hop()
    hop.table.apply(tagged_table("c"))
    await sent(hop, with_tag("c"))
    assert hop.pods[-1].get_extra_info("peername")[1] == 9001
    endpoint = Endpoint("c", "127.0.0.1", 9003, ready=True)
    hop.table.apply(Delta(2, revisions=(RevisionTable("default/c", endpoints=(endpoint,)),)))
    await sent(hop, with_tag("c"))
    assert hop.pods[-1].get_extra_info("peername")[1] == 9003


async def test_until_the_gateway_before_us_leaves_limited_pods_are_full() -> None:
    hop = Hop()
    hop.core.elsewhere = Elsewhere(all=True)
    hop.table.apply(one_service(READY, concurrency=2))
    revision = hop.core.revisions[REVISION]
    await sent(hop)
    assert (hop.pods, len(revision.waiting)) == ([], 1)
    revision.occupied(Elsewhere(held=(("pod-1", 2),)))
    await settle()
    assert hop.pods == []
    revision.occupied(Elsewhere(held=(("pod-1", 1),)))
    await settle()
    assert len(hop.pods) == 1


async def test_pods_without_a_limit_are_anybodys() -> None:
    hop = Hop()
    hop.core.elsewhere = Elsewhere(all=True)
    hop.table.apply(one_service(READY))
    await sent(hop)
    assert len(hop.pods) == 1


async def test_a_gateway_that_leaves_hands_on_what_waits_and_what_still_comes() -> None:
    """To the address where its successor listens; what it has on pods, it ends."""
    hop = Hop()
    hop.table.apply(one_service(READY, concurrency=1))
    lessened: list[int] = []
    running, waiting = await sent(hop), await sent(hop)
    revision = hop.core.revisions[REVISION]
    hop.core.lessened = lambda: lessened.append(revision.pods["pod-1"].own)
    revision.leave("127.0.0.1", 8070)
    await settle()
    pod, successor = hop.pods
    assert successor.get_extra_info("peername") == ("127.0.0.1", 8070)
    assert successor.take().startswith(b"GET / HTTP/1.1")
    pod.feed(OK)
    assert (running.take(), lessened) == (OK, [0])
    successor.feed(OK)
    assert waiting.take() == OK
    running.feed(GET)
    await settle()
    assert successor.take().startswith(b"GET / HTTP/1.1")
    assert pod.take().count(b"GET / HTTP/1.1") == 1


async def test_a_pod_that_appears_meanwhile_is_the_successors() -> None:
    hop = Hop()
    hop.table.apply(one_service(concurrency=1))
    revision = hop.core.revisions[REVISION]
    revision.leave("127.0.0.1", 8070)
    hop.core.successor = ("127.0.0.1", 8070)
    hop.table.apply(one_service(READY, concurrency=1, version=2))
    await sent(hop)
    assert [pod.get_extra_info("peername")[1] for pod in hop.pods] == [8070]


async def test_a_successor_that_refuses_is_asked_again_and_nobody_is_lost() -> None:
    hop = Hop()
    hop.network.refusing.add(8070)
    hop.table.apply(one_service(concurrency=1))
    client = await sent(hop)
    hop.core.revisions[REVISION].leave("127.0.0.1", 8070)
    await asyncio.sleep(0.05)
    hop.network.refusing.clear()
    await asyncio.sleep(0.2)
    hop.pods[0].feed(OK)
    assert client.take() == OK


# --- pods that are not ready any more -------------------------------------------------------------

FAILING = Endpoint("pod-1", "127.0.0.1", 9001, failing=True)


async def test_a_pod_that_is_not_ready_any_more_gets_no_new_request() -> None:
    """What it has begun goes on; what comes waits until control calls it ready again, however
    well it accepts connections."""
    hop = Hop()
    hop.table.apply(one_service(READY))
    begun = await sent(hop)
    hop.table.apply(one_service(FAILING, version=2))
    held = await sent(hop)
    await asyncio.sleep(5.0)
    hop.pods[0].feed(OK)
    assert begun.take() == OK
    assert not held.take()
    hop.table.apply(one_service(READY, version=3))
    await settle()
    hop.pods[-1].feed(OK)
    assert held.take() == OK


async def test_requests_go_to_the_pods_that_are_still_ready() -> None:
    hop = Hop()
    other = Endpoint("pod-2", "127.0.0.1", 9002, ready=True)
    hop.table.apply(one_service(READY, other))
    hop.table.apply(one_service(FAILING, other, version=2))
    for _ in range(3):
        await sent(hop)
    assert hop.core.revisions[REVISION].pods["pod-2"].in_flight == 3


async def test_a_pod_that_starts_anew_is_used_as_soon_as_it_answers() -> None:
    """Its container has ended: nobody has to wait for control."""
    hop = Hop()
    hop.table.apply(one_service(READY))
    hop.network.refusing = {9001}
    hop.table.apply(one_service(FAILING, version=2))
    hop.table.apply(one_service(UNPROVEN, version=3))
    assert not hop.core.revisions[REVISION].pods["pod-1"].usable
    await asyncio.sleep(0.1)
    hop.network.refusing.clear()
    await asyncio.sleep(0.1)
    assert hop.core.revisions[REVISION].pods["pod-1"].usable


async def test_a_pod_that_we_cannot_probe_waits_for_control() -> None:
    """That it accepts connections says nothing about its exec probe."""
    hop = Hop()
    hop.table.apply(one_service(UNPROVEN, probe=Probe(kind="none")))
    await asyncio.sleep(1.0)
    assert not hop.core.revisions[REVISION].pods["pod-1"].usable
    hop.table.apply(one_service(READY, version=2, probe=Probe(kind="none")))
    assert hop.core.revisions[REVISION].pods["pod-1"].usable
