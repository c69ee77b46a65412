"""Where containers reach this machine: an engine is asked, if there is one."""

import socket
import threading
from pathlib import Path

import pytest

from utsuwa.app import pod_network
from utsuwa.app.sockets import Listeners, bind_pods, listen, twin

NETWORK = b'{"Name":"bridge","IPAM":{"Config":[{"Gateway":"fd00::1"},{"Gateway":"10.88.0.1"}]}}'


def answering(path: Path, answer: bytes) -> dict[str, str]:
    """An engine that gives one answer; what the environment says of it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def answer_once() -> None:
        line, _ = listener.accept()
        with line, listener:
            line.recv(65_536)
            line.sendall(answer)

    threading.Thread(target=answer_once, daemon=True).start()
    return {"DOCKER_HOST": f"unix://{path}"}


def test_the_bridge_of_the_engine(tmp_path: Path) -> None:
    """Its IPv4 address."""
    environment = answering(tmp_path / "s", b"HTTP/1.0 200 OK\r\nX: y\r\n\r\n" + NETWORK)
    assert pod_network.address("auto", environment) == "10.88.0.1"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 404 Not Found\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\nno json",
        b"HTTP/1.0 200 OK\r\n\r\n[]",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"",
    ],
)
def test_an_engine_that_does_not_say(tmp_path: Path, answer: bytes) -> None:
    assert pod_network.address("auto", answering(tmp_path / "s", answer)) == ""


def test_no_engine_is_asked_that_is_not_used(tmp_path: Path) -> None:
    """Or that is not there."""
    environment = {"DOCKER_HOST": f"unix://{tmp_path / 'none'}"}
    assert pod_network.address("auto", environment) == ""
    assert pod_network.address("process", {"DOCKER_HOST": "tcp://elsewhere"}) == ""


def test_an_address_that_is_yet_to_come_can_be_listened_on() -> None:
    """The bridge comes with its first container; each gateway has a socket of its own."""
    with listen("192.0.2.7", 0, absent=True) as first, twin(first) as second:
        assert first.getsockname() == second.getsockname()


def test_that_containers_cannot_call_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as when another cluster has the bridge's port 80."""

    def taken(host: str, port: int, *, absent: bool = False) -> socket.socket:
        if absent:
            raise OSError(98, "Address already in use")
        return listen(host, port)

    monkeypatch.setattr("utsuwa.app.sockets.listen", taken)
    found = Listeners()
    bind_pods("10.88.0.1", found)
    assert found.pods_address == ""
    assert found.notes[-1] == (
        "10.88.0.1:80 not served: address already in use; containers cannot call services by name"
    )
