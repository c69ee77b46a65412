"""The metrics of a real cluster, as Debian's own Prometheus sees them."""

import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import ROOT, Up, free_port, need, until
from tests.unit.app.test_metrics import expressions

from utsuwa.app.metrics import CATALOGUE
from utsuwa.kit.exposition import CONTENT_TYPE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ORIGINALS = {metric.name for metric in CATALOGUE if not metric.name.startswith("utsuwa_")}
IGNORED = {
    "kn_revision_rps_stable", "kn_revision_rps_panic", "kn_revision_rps_target", "utsuwa_alert",
    "utsuwa_thaw_duration_seconds", "utsuwa_warm_parent_memory_bytes",
}  # fmt: skip
"""Of revisions that are scaled by requests per second, that are frozen or that have a warm parent,
and of what is wrong: there is none here, or it is the machine's."""


def page(up: Up) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{up.metrics_port}/metrics") as answer:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        text: str = answer.read().decode()
        return text


def value(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of `name` with these labels."""
    found = [
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if re.match(rf"{name}[{{ ]", line) and all(f'{k}="{v}"' in line for k, v in labels.items())
    ]
    return sum(found)


@pytest.fixture
def cold(hello: Up) -> Up:
    """A service that was at zero, and was then called five times."""
    data = '{"data":{"stable-window":"6s","scale-to-zero-grace-period":"1s"}}'
    hello.kubectl(
        "-n", "knative-serving", "patch", "cm", "config-autoscaler", "--type", "merge", "-p", data
    )
    until(lambda: not hello.get("pods")["items"], 60, "zero")
    for _ in range(5):
        assert hello.call("hello.default.localhost")[0] == 200
    until(lambda: value(page(hello), "utsuwa_revision_requests_total") == 5, 10)
    return hello


def test_requests_cold_starts_and_pods_are_counted(cold: Up) -> None:
    """Of the one revision, under the original's labels; everything in the catalogue is there."""
    until(lambda: value(page(cold), "kn_revision_pods_count") == 1, 10)
    text = page(cold)
    own = {
        "k8s_namespace_name": "default", "kn_service_name": "hello",
        "kn_configuration_name": "hello", "kn_revision_name": "hello-00001",
    }  # fmt: skip
    assert value(text, "utsuwa_revision_requests_total", **own, **{"class": "2xx"}) == 5
    assert value(text, "http_server_request_duration_seconds_count", **own) == 5
    assert value(text, "utsuwa_cold_start_duration_seconds_count", **own) == 1
    whole = value(text, "utsuwa_cold_start_duration_seconds_sum", **own)
    parts = value(text, "utsuwa_cold_start_phase_duration_seconds_sum", **own)
    assert whole == pytest.approx(parts, abs=1e-6)
    assert value(text, "utsuwa_revision_decisions_total", **own, direction="up") >= 1
    assert value(text, "utsuwa_gateways_connected") == 1
    assert value(text, "utsuwa_store_commits_total") > 0
    there = set(re.findall(r"^# TYPE (\w+) ", text, flags=re.MULTILINE))
    assert there - IGNORED == {metric.name for metric in CATALOGUE} - IGNORED
    cold.run("delete", "hello")
    until(lambda: "hello-00001" not in page(cold), 30, "the series to go with the revision")


def test_promtool_finds_nothing_but_names_that_are_the_original_s(cold: Up) -> None:
    checked = subprocess.run(
        [need("promtool"), "check", "metrics"], input=page(cold), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    complaints = (checked.stdout + checked.stderr).strip().splitlines()
    assert [line for line in complaints if line.split(" ")[0] not in ORIGINALS] == []
    assert all('should not have "_count" suffix' in line for line in complaints)
    config = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    subprocess.run([need("promtool"), "check", "config", str(config)], check=True)


@pytest.fixture
def prometheus(cold: Up, tmp_path: Path) -> Iterator[str]:
    """Debian's Prometheus with our configuration, on a port of its own."""
    text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    text = text.replace(":9464", f":{cold.metrics_port}").replace("5s", "1s")
    config = tmp_path / "prometheus.yml"
    config.write_text(text)
    port = free_port()
    process = subprocess.Popen(
        [
            need("prometheus"), f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}", "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def test_prometheus_scrapes_it_and_understands_every_query(prometheus: str) -> None:
    """The dashboard's, with its variables filled in."""

    def ask(query: str) -> str:
        with urllib.request.urlopen(
            f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        ) as answer:
            text: str = answer.read().decode()
            return text

    def scraped() -> bool:
        try:
            return '"1"' in ask('up{job="utsuwa"}')
        except (urllib.error.URLError, ConnectionError):
            return False

    until(scraped, 60, "a scrape")
    for query in expressions():
        plain = query.replace("$namespace", ".*").replace("$service", ".*")
        if not plain.startswith("label_values"):
            assert '"status":"success"' in ask(plain), plain
    assert "hello-00001" in ask("kn_revision_pods_count")
