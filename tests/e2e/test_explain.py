"""Why there are so many pods, of a real cluster under real load: acceptance A8."""

import concurrent.futures
import json
import subprocess
import sys
from typing import Any

import pytest
from tests.e2e.conftest import SAMPLES, Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

HOST = "auto.default.localhost"


def explained(up: Up) -> dict[str, Any]:
    told = json.loads(up.run("explain", "auto", "-o", "json").stdout)
    revision: dict[str, Any] = told["revisions"][0]
    return revision


def sentences(up: Up) -> list[str]:
    """Of every event so far."""
    events = explained(up)["events"]
    return [reason["sentence"] for event in events for reason in event["reasons"]]


def changes(up: Up) -> list[tuple[str, int | None, int | None]]:
    """What happened, from how many pods to how many."""
    return [(event["what"], event["from"], event["to"]) for event in explained(up)["events"]]


def told(up: Up, words: str) -> str:
    """The first sentence of the time line with `words`, as soon as there is one."""
    found: str = until(lambda: next((s for s in sentences(up) if words in s), None), 60, words)
    return found


@pytest.fixture
def auto(up: Up) -> Up:
    """At most two pods of two requests each, on a short window."""
    data = '{"data":{"stable-window":"6s","scale-to-zero-grace-period":"6s"}}'
    up.kubectl(
        "-n", "knative-serving", "patch", "cm", "config-autoscaler", "--type", "merge", "-p", data
    )
    up.run("build", str(SAMPLES / "autoscale"), "-t", "auto:1")
    up.run("deploy", "auto", "--image", "auto:1", "--concurrency", "2", "--max-scale", "2")
    return up


def test_every_reason_for_the_number_of_pods_is_told(auto: Up) -> None:
    """Not scaling down, scaled up, woken by, capped by."""
    told(auto, "last pod kept because")
    until(lambda: explained(auto)["wanted"] == 0, 60, "zero")
    told(auto, "scaled to zero because")
    assert auto.call(HOST, "/?sleep=1&who=me")[0] == 200
    assert told(auto, "woken by") == "woken by GET /?sleep=1&who=me from 127.0.0.1"
    until(lambda: ("scaled-up", 0, 1) in changes(auto), 10, str(explained(auto)["events"]))

    follower = subprocess.Popen(
        [sys.executable, "-m", "utsuwa.cli", "explain", "auto", "-w", "-o", "json"],
        stdout=subprocess.PIPE,
        text=True,
        env=auto.environment,
    )
    try:
        with concurrent.futures.ThreadPoolExecutor(6) as clients:
            calls = [clients.submit(auto.call, HOST, "/?sleep=2000") for _ in range(6)]
            assert told(auto, "capped by max-scale").endswith("at most 2")
            assert all(call.result()[0] == 200 for call in calls)
        told(auto, "not scaling down because")
        assert follower.stdout is not None
        followed = (json.loads(line) for line in follower.stdout)
        grown = next(event for event in followed if event["to"] == 2)
        assert grown["revision"] == "auto-00001"
    finally:
        follower.terminate()
        follower.wait(10)
        if follower.stdout is not None:
            follower.stdout.close()

    text = auto.run("explain", "auto").stdout
    assert text.startswith("auto-00001: ")
    for expected in ("Measured", "Limits", "Why", "Next", "What happened", "capped by max-scale"):
        assert expected in text
    print(text)


def test_the_revision_alone_and_a_name_that_is_not_there(auto: Up) -> None:
    """A clear line instead of an empty answer."""
    assert "auto-00001: 1 ready" in auto.run("explain", "auto-00001").stdout
    refused = auto.run("explain", "nobody", check=False)
    assert refused.returncode == 1
    assert "no service and no revision 'nobody'" in refused.stderr
