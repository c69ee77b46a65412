"""What a person should act on, in a real cluster: told in every place, with what to do."""

import concurrent.futures
import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import SAMPLES, Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"


def alerts(up: Up, name: str) -> dict[str, Any]:
    told = json.loads(up.kubectl("get", "--raw", f"{SERVICES}/{name}/alerts").stdout)
    return {one["code"]: one for one in told["items"]}


def reasons(up: Up, name: str) -> list[str]:
    """Of the Warning events of the service `name`."""
    found = up.get("events", "--field-selector", "type=Warning")["items"]
    return [one["reason"] for one in found if one["involvedObject"]["name"] == name]


def test_a_service_that_cannot_start_says_so_everywhere(up: Up, tmp_path: Path) -> None:
    """A crash loop, and an image that there is not."""
    (tmp_path / "crashes").mkdir()
    (tmp_path / "crashes" / "main.py").write_text("raise SystemExit('no database')\n")
    up.run("build", str(tmp_path / "crashes"), "-t", "crashes:1")
    up.run("deploy", "crashes", "--image", "crashes:1", "--no-wait", check=False)
    up.run("deploy", "missing", "--image", "dev.local/missing:1", "--no-wait", check=False)
    missing = until(lambda: alerts(up, "missing").get("ImagePullFailing"), 60, "missing image")
    assert "utsuwa build" in missing["action"]
    looping = until(lambda: alerts(up, "crashes").get("CrashLoop"), 90, "crash loop")
    assert "utsuwa logs crashes -n default --revision crashes-00001" in looping["action"]
    assert "CrashLoop" in reasons(up, "crashes")
    listed = up.run("services")
    assert "CRITICAL default/crashes: Container user-container" in listed.stderr
    assert "CRITICAL default/missing" in listed.stderr
    assert up.run("explain", "crashes").stdout.startswith("CRITICAL default/crashes")
    with urllib.request.urlopen(f"http://127.0.0.1:{up.metrics_port}/metrics") as answer:
        page = answer.read().decode()
    assert 'utsuwa_alert{alert="CrashLoop",severity="critical"' in page
    print(listed.stdout, listed.stderr)


def test_a_queue_at_max_scale_says_how_to_raise_it(up: Up) -> None:
    """Four clients that come again and again, and one pod for one request."""
    up.run("build", str(SAMPLES / "autoscale"), "-t", "auto:1")
    up.run("deploy", "auto", "--image", "auto:1", "--concurrency", "1", "--max-scale", "1")
    enough = threading.Event()

    def ask_again_and_again() -> None:
        while not enough.is_set():
            assert up.call("auto.default.localhost", "/?sleep=500")[0] == 200

    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        calls = [clients.submit(ask_again_and_again) for _ in range(4)]
        try:
            found = until(lambda: alerts(up, "auto").get("QueueGrowing"), 70, "the alert")
        finally:
            enough.set()
        assert "utsuwa deploy auto -n default --max-scale" in found["action"]
        for call in calls:
            call.result()
