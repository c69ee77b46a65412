import socket

import pytest

from utsuwa.app import sockets
from utsuwa.app.sockets import Listeners, PortInUseError, bind_all, inside_of, listen


@pytest.fixture
def taken() -> socket.socket:
    return listen("127.0.0.1", 0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_port_in_use_is_refused_with_the_flag_that_chooses_another(
    taken: socket.socket,
) -> None:
    with taken, pytest.raises(PortInUseError, match=r"already in use; .*--gateway-port"):
        bind_all(gateway_port=taken.getsockname()[1], api_port=free_port(), address="off")


def test_an_api_port_in_use_lets_go_of_the_gateways(taken: socket.socket) -> None:
    gateway_port = free_port()
    with taken, pytest.raises(PortInUseError, match="--api-port"):
        bind_all(gateway_port=gateway_port, api_port=taken.getsockname()[1], address="off")
    listen("127.0.0.1", gateway_port).close()


def test_an_address_that_cannot_be_had_is_a_note_and_not_an_end() -> None:
    """192.0.2.1 is reserved for documentation: no machine has it."""
    listeners = bind_all(gateway_port=free_port(), api_port=free_port(), address="192.0.2.1")
    try:
        assert not listeners.address_has_api
        assert not listeners.address_has_gateway
        assert [note.split(" ")[0] for note in listeners.notes] == ["192.0.2.1:443", "192.0.2.1:80"]
        assert "gcloud" in listeners.notes[0]
    finally:
        listeners.close()


def test_workers_share_an_address_that_nobody_else_may_share() -> None:
    port = free_port()
    listeners = bind_all(gateway_port=port, api_port=free_port(), address="off", workers=3)
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(120)]
    try:
        accepted = [_accept_all(listeners.worker(number)[0]) for number in range(3)]
        assert sum(accepted) == 120
        assert all(accepted), accepted  # one that gets none: (2/3)^120
        with pytest.raises(PortInUseError, match="already in use"):
            bind_all(gateway_port=port, api_port=free_port(), address="off", workers=3)
    finally:
        for one in clients:
            one.close()
        listeners.close()
    listen("127.0.0.1", port).close()


def test_workers_share_the_port_for_tls_as_well() -> None:
    port = free_port()
    listeners = bind_all(
        gateway_port=free_port(), api_port=free_port(), address="off", https_port=port, workers=3
    )
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(120)]
    try:
        accepted = [_accept_all(listeners.worker_tls(number)[0]) for number in range(3)]
        assert sum(accepted) == 120
        assert all(accepted), accepted
        assert listeners.https_port == port
    finally:
        for one in clients:
            one.close()
        listeners.close()
    listen("127.0.0.1", port).close()


def test_the_usual_port_for_https_may_be_taken(
    taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for it by number: everything else goes on, and one line says what to do."""
    port = taken.getsockname()[1]
    monkeypatch.setattr(sockets, "HTTPS_PORT", port)
    with taken:
        listeners = bind_all(
            gateway_port=free_port(), api_port=free_port(), address="off", https_port=None,
            workers=2,
        )  # fmt: skip
    try:
        assert listeners.https_port == 0
        assert listeners.worker_tls(1) == []
        (note,) = listeners.notes
        assert note.startswith(f"127.0.0.1:{port} not served: address already in use")
        assert "--https-port" in note
    finally:
        listeners.close()


def test_a_port_for_https_that_was_asked_for_must_be_had(taken: socket.socket) -> None:
    with taken, pytest.raises(PortInUseError, match="--https-port"):
        bind_all(
            gateway_port=free_port(), api_port=free_port(), address="off",
            https_port=taken.getsockname()[1],
        )  # fmt: skip


def _accept_all(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_metrics_are_on_the_port_that_was_asked_for_or_on_none() -> None:
    """A note where the usual one is taken is for `None` alone."""
    port = free_port()
    listeners = bind_all(
        gateway_port=free_port(), api_port=free_port(), address="off", metrics_port=port
    )
    try:
        assert [one.getsockname() for one in listeners.exposition] == [("127.0.0.1", port)]
        with pytest.raises(PortInUseError, match="--metrics-port"):
            bind_all(
                gateway_port=free_port(), api_port=free_port(), address="off", metrics_port=port
            )
    finally:
        listeners.close()
    none = bind_all(gateway_port=free_port(), api_port=free_port(), address="off")
    assert none.exposition == []
    none.close()


@pytest.mark.parametrize(
    ("runtime", "inside", "pods", "expected"),
    [
        ("auto", "127.128.0.2", "10.88.0.1", ("127.128.0.2", "10.88.0.1")),
        ("auto", "127.128.0.2", "", ("127.128.0.2",)),
        ("auto", "", "10.88.0.1", ()),  # processes would call where everybody does
        ("container", "", "10.88.0.1", ("10.88.0.1",)),
        ("container", "127.128.0.2", "", ()),
        ("process", "", "", ()),
    ],
)
def test_callers_are_told_apart_where_every_pod_has_a_place_of_its_own_to_call(
    runtime: str, inside: str, pods: str, expected: tuple[str, ...]
) -> None:
    listeners = Listeners(inside_address=inside, pods_address=pods)
    assert listeners.inside(runtime) == expected


def test_clusters_with_different_addresses_have_different_ones_inside() -> None:
    addresses = ["127.0.0.2", "127.0.0.3", "127.1.0.2"]
    assert len({*addresses, *map(inside_of, addresses)}) == 6
