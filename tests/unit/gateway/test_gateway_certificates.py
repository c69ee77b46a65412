"""Which certificates a gateway has after a snapshot."""

import pytest

from utsuwa.routing.messages import Certificate, HostTable, Snapshot, Split
from utsuwa.testing.gateway import Hop

pytestmark = pytest.mark.looptime

PAIR = Certificate("default/shop-tls", b"chain", b"key")


def snapshot(epoch: str, *certificates: Certificate, named: str = PAIR.name) -> Snapshot:
    host = HostTable(
        host="shop.example.org", splits=(Split(revision="default/a"),), certificate=named
    )
    return Snapshot(epoch, 1, (host,), (), certificates)


async def test_one_that_control_cannot_read_now_is_kept() -> None:
    """Control was started anew while somebody had broken the Secret."""
    hop = Hop()
    hop.table.apply(snapshot("e1", PAIR))
    hop.table.apply(snapshot("e2"))
    assert hop.core.certificates.names == {PAIR.name}
    assert hop.core.certificates.hosts == {"shop.example.org"}


async def test_one_that_no_host_names_any_more_is_forgotten() -> None:
    hop = Hop()
    hop.table.apply(snapshot("e1", PAIR))
    hop.table.apply(snapshot("e2", named=""))
    assert hop.core.certificates.names == frozenset()
    assert hop.core.certificates.hosts == frozenset()
