"""Names inside the cluster: served where pods call, and nowhere else."""

import pytest

from utsuwa.routing.messages import (
    Delta,
    Endpoint,
    HostTable,
    RevisionTable,
    Snapshot,
    Split,
    TaggedSplits,
)
from utsuwa.testing.gateway import Hop, settle
from utsuwa.testing.http2 import http2_client

pytestmark = pytest.mark.looptime

NAME = "hello.default.svc.cluster.local"
PUBLIC = "hello.default.example.com"
INSIDE = "127.128.0.2"
REVISION = "default/hello-00001"
POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
TABLE = RevisionTable(REVISION, endpoints=(POD,))


def hop_with(*inside: str) -> Hop:
    """A service with a name outside and one inside; pods call at `inside`."""
    hop = Hop()
    hop.core.inside_addresses = frozenset(inside)
    tagged = (TaggedSplits(tag="v1", splits=(Split(REVISION),)),)
    hosts = (
        HostTable(PUBLIC, (Split(REVISION),)),
        HostTable(NAME, (Split(REVISION),), tagged=tagged, inside=True),
    )
    hop.table.apply(Snapshot("e", 1, hosts, (TABLE,)))
    return hop


async def reaches_a_pod(hop: Hop, host: str, address: str, extra: str = "") -> bool:
    """Whether a request to our `address` is passed on, rather than answered with 404."""
    client = hop.client(address)
    client.feed(f"GET / HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode())
    await settle()
    answer = client.take()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 404 ")
    return not answer


async def test_a_name_inside_is_unknown_to_who_comes_from_outside() -> None:
    hop = hop_with(INSIDE)
    assert not await reaches_a_pod(hop, NAME, "127.0.0.1")
    assert await reaches_a_pod(hop, NAME, INSIDE)


async def test_who_comes_from_inside_may_call_names_outside_too() -> None:
    hop = hop_with(INSIDE)
    assert await reaches_a_pod(hop, PUBLIC, INSIDE)
    assert await reaches_a_pod(hop, PUBLIC, "127.0.0.1")


async def test_tags_and_probes_work_inside() -> None:
    hop = hop_with(INSIDE)
    assert await reaches_a_pod(hop, NAME, INSIDE, "Knative-Serving-Tag: v1\r\n")
    client = hop.client(INSIDE)
    probe = "K-Network-Probe: probe\r\nK-Network-Hash: abc\r\n"
    client.feed(f"GET / HTTP/1.1\r\nHost: {NAME}\r\n{probe}\r\n".encode())
    await settle()
    assert client.take().startswith(b"HTTP/1.1 200 ")


async def test_without_an_address_that_pods_alone_call_everybody_is_answered() -> None:
    """Nobody can be told apart then: pods must be able to call one another."""
    assert await reaches_a_pod(hop_with(), NAME, "127.0.0.1")


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 404), (INSIDE, 200)])
async def test_the_same_over_http2(address: str, status: int) -> None:
    hop = hop_with(INSIDE)
    client = http2_client(hop.client(address))
    stream = client.request(host=NAME)
    await settle()
    if status == 200:
        hop.pods[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await settle()
    client.read()
    assert client.messages[stream].status == status


async def test_a_host_that_becomes_visible_outside_is_so_for_the_next_request() -> None:
    hop = hop_with(INSIDE)
    hop.table.apply(Delta(2, hosts=(HostTable(NAME, (Split(REVISION),)),)))
    assert await reaches_a_pod(hop, NAME, "127.0.0.1")
    hop.table.apply(Delta(3, hosts=(HostTable(NAME, (Split(REVISION),), inside=True),)))
    assert not await reaches_a_pod(hop, NAME, "127.0.0.1")
    assert await reaches_a_pod(hop, NAME, INSIDE)


async def test_a_host_that_goes_is_unknown_inside_as_well() -> None:
    hop = hop_with(INSIDE)
    hop.table.apply(Delta(2, removed_hosts=(NAME,)))
    assert not await reaches_a_pod(hop, NAME, INSIDE)
    hop.table.apply(Delta(3, hosts=(HostTable(NAME, (Split(REVISION),), inside=True),)))
    hop.table.apply(Snapshot("e2", 1, (HostTable(PUBLIC, (Split(REVISION),)),), (TABLE,)))
    assert not await reaches_a_pod(hop, NAME, INSIDE)
