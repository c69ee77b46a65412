"""How often and with what a new pod is asked."""

import pytest

from utsuwa.gateway.probing import http_probe, interval, success
from utsuwa.routing.messages import Probe


def test_intervals_are_short_while_a_start_is_decided_and_long_when_it_is_not() -> None:
    assert [interval(attempt, 0.1) for attempt in (0, 5, 200)] == [0.002] * 3
    assert interval(250, 0.6) == 0.025
    assert interval(1000, 11.0) == 0.2


def test_a_pod_that_takes_long_is_asked_less_often() -> None:
    assert interval(500, 9.9) == 0.025
    assert interval(500, 10.0) == 0.2


def test_the_probe_is_what_the_kubelet_would_send() -> None:
    probe = Probe(kind="http", path="/healthz?full=1", headers=(("X-Probe", "1"),))
    assert http_probe(probe, "127.0.0.1", 9001) == (
        b"GET /healthz?full=1 HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUser-Agent: kube-probe//\r\n"
        b"X-Probe: 1\r\nConnection: close\r\n\r\n"
    )


def test_headers_of_the_probe_win() -> None:
    probe = Probe(kind="http", headers=(("Host", "a"), ("user-agent", "b")))
    data = http_probe(probe, "127.0.0.1", 9001)
    assert data.count(b"Host:") == data.lower().count(b"user-agent:") == 1


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.0 302 Found\r\n", True),
        (b"HTTP/1.1 399\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n", False),
        (b"HTTP/1.1 503 Service Unavailable\r\n", False),
        (b"HTTP/1.1 101 Switching Protocols\r\n", False),
        (b"SSH-2.0-x 200\r\n", False),
        (b"", False),
    ],
)
def test_200_to_399_is_ready(line: bytes, wanted: bool) -> None:
    assert success(line) is wanted
