"""What a cold start cost: in the answer, in the log, in the metrics, in explain. Acceptance A9."""

import http.client
import json
import os
import re
import signal
import sqlite3

import pytest
from tests.e2e.conftest import Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PHASES = ("decide", "start", "listen", "ready", "first-byte")


@pytest.fixture
def at_zero(hello: Up) -> Up:
    data = '{"data":{"stable-window":"6s","scale-to-zero-grace-period":"1s"}}'
    hello.kubectl(
        "-n", "knative-serving", "patch", "cm", "config-autoscaler", "--type", "merge", "-p", data
    )
    until(lambda: not hello.get("pods")["items"], 60, "zero")
    return hello


def timing_of(up: Up, **headers: str) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", up.gateway_port, timeout=30)
    try:
        host = {"Host": "hello.default.localhost"}
        connection.request("GET", "/cart", headers={**host, **headers})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return answer.headers.get("Server-Timing")
    finally:
        connection.close()


def test_every_cold_start_has_a_receipt(at_zero: Up) -> None:
    """In the header for whoever asks, in the log, and in the time line."""
    asking = {"Utsuwa-Cold-Start-Receipt": "1"}
    timing = timing_of(at_zero, **asking)
    assert timing is not None
    found = {name: float(value) for name, value in re.findall(r"([a-z-]+);dur=([\d.]+)", timing)}
    assert tuple(found) == ("cold-start", *PHASES)
    assert found["cold-start"] == pytest.approx(sum(found[name] for name in PHASES), abs=0.01)
    assert min(found["decide"], found["start"], found["listen"], found["first-byte"]) > 0
    assert timing_of(at_zero, **asking) is None, "a warm request has no receipt"

    logs = at_zero.data_dir / "logs"
    line: str = until(
        lambda: next(
            (
                text
                for path in logs.glob("gateway*")
                for text in path.read_text().splitlines()
                if " cold start revision=default/hello-00001 " in text
            ),
            None,
        )
    )
    assert f"total_ms={found['cold-start']:g}" in line
    assert "path=/cart" in line

    def receipts() -> list[dict[str, object]]:
        told = json.loads(at_zero.run("explain", "hello", "-o", "json").stdout)
        starts: list[dict[str, object]] = told["revisions"][0]["coldStarts"]
        return starts

    (start,) = until(receipts)
    assert start["total"] == found["cold-start"]
    assert start["phases"] == {name: found[name] for name in PHASES}
    assert "cold start: GET /cart waited" in at_zero.run("explain", "hello").stdout
    print(timing, line, sep="\n")


def test_the_time_line_survives_a_restart_of_control(at_zero: Up) -> None:
    """Killed, not asked: what was decided before, and the receipt, are told as before."""
    assert timing_of(at_zero, **{"Utsuwa-Cold-Start-Receipt": "1"})

    def noted() -> bool:
        with sqlite3.connect(at_zero.data_dir / "history.db") as file:
            kinds = dict(file.execute("SELECT kind, count(*) FROM notes GROUP BY kind"))
        return kinds.get("cold-start") == 1 and kinds.get("decision", 0) > 1

    def events() -> list[dict[str, object]]:
        told = json.loads(at_zero.run("explain", "hello", "-o", "json").stdout)
        found: list[dict[str, object]] = told["revisions"][0]["events"]
        return found

    until(noted, 20, "the journal")
    until(lambda: [event["what"] for event in events()].count("cold-start"), 10)
    before = [event for event in events() if event["what"] in {"scaled-up", "cold-start"}]
    assert [event["what"] for event in before].count("cold-start") == 1
    assert any("woken by GET /cart" in json.dumps(event) for event in before)
    control = at_zero.pid_of("control")
    os.kill(control, signal.SIGKILL)
    until(lambda: at_zero.pid_of("control") != control, 20, "another control")
    until(lambda: at_zero.run("explain", "hello", check=False).returncode == 0, 20, "its API")
    after = events()
    assert all(event in after for event in before), after
