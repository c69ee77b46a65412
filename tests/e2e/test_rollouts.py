"""Rollouts with real processes: a bad revision is taken back under load; the guide's own words."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.e2e.conftest import ROOT, Up, need, until
from tests.e2e.test_crashes import Load

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

APP = """
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.01)
        body = b"hello"
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
GUARD = (
    "serving.knative.dev/rollout-duration=60s",
    "utsuwa.dev/rollout-max-error-rate=10",
    "utsuwa.dev/rollout-min-requests=5",
)


def ready(up: Up) -> dict[str, str]:
    conditions = up.get("ksvc", "load")["status"]["conditions"]
    return next(one for one in conditions if one["type"] == "Ready")


def test_a_bad_revision_is_taken_back_with_no_more_than_its_share_of_failures(
    up: Up, tmp_path: Path
) -> None:
    """All of its answers are 500; at 1 % a few are needed to know."""
    source = tmp_path / "app"
    source.mkdir()
    (source / "main.py").write_text(APP)
    up.run("deploy", "load", "--source", str(source))
    up.kubectl("annotate", "ksvc", "load", *GUARD)
    with Load(up, 4, path="/") as load:
        up.run("deploy", "load", "--env", "STATUS=500", "--no-wait")
        until(lambda: ready(up).get("reason") == "RolloutTakenBack", 90, "taken back")
        failed, answered = load.failed, load.served + load.failed
        until(lambda: load.has_served(answered + 500), 60, "500 answers afterwards")
        assert load.failed <= failed + 4, "those under way when it was taken back"
    assert set(load.statuses) <= {200, 500}
    assert 5 <= load.failed <= 0.1 * answered
    assert "utsuwa.dev/rollout-max-error-rate is 10 %" in ready(up)["message"]
    service = up.get("ksvc", "load")["status"]
    assert service["latestReadyRevisionName"] == "load-00002"
    assert [(t["revisionName"], t["percent"]) for t in service["traffic"]] == [("load-00001", 100)]
    assert "RolloutTakenBack" in up.kubectl("describe", "ksvc", "load").stdout
    assert "traffic was taken back" in up.run("revisions", "load").stdout
    up.run("deploy", "load", "--env", "STATUS=200", "--no-wait")
    until(lambda: ready(up).get("reason") == "RolloutInProgress", 30, "the next deployment")
    assert "load-00003" in up.run("traffic", "load").stdout


def test_old_and_new_pods_keep_to_the_budget(up: Up, tmp_path: Path) -> None:
    """Three pods are needed, one more is allowed: four at any moment, and all requests succeed."""
    source = tmp_path / "app"
    source.mkdir()
    (source / "main.py").write_text(APP)
    up.run("deploy", "load", "--source", str(source), "--min-scale", "3")
    up.kubectl(
        "annotate", "ksvc", "load",
        "serving.knative.dev/rollout-duration=5s", "utsuwa.dev/rollout-max-surge=1",
    )  # fmt: skip
    seen: set[int] = set()

    def done() -> bool:
        pods = up.get("pods", "-l", "serving.knative.dev/service=load")["items"]
        seen.add(len(pods))
        return ready(up)["status"] == "True"

    until(lambda: len(up.get("pods")["items"]) == 3, 30, "three pods")
    with Load(up, 2, path="/") as load:
        up.run("deploy", "load", "--env", "STATUS=200", "--no-wait")
        until(lambda: ready(up)["status"] != "True", 10, "the rollout begins")
        until(done, 120, "the rollout ends")
    assert set(load.statuses) == {200}
    assert max(seen) == 4
    new = [
        pod
        for pod in up.get("pods", "-l", "serving.knative.dev/revision=load-00002")["items"]
        if "deletionTimestamp" not in pod["metadata"]
    ]
    assert len(new) == 3


def test_the_guide_of_rollouts_says_what_works(up: Up) -> None:
    """Its blocks, in their order."""
    need("kubectl")
    guide = (ROOT / "docs" / "guides" / "rollouts.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", guide, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            words = line.split("  #")[0].split()
            run = up.run if words[0] == "utsuwa" else up.kubectl
            try:
                run(*(word.replace("samples/", f"{ROOT}/samples/") for word in words[1:]))
            except subprocess.TimeoutExpired as error:
                raise AssertionError(f"takes too long: {line}") from error
