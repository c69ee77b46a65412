"""What adds up, what is forgotten, and what the documents and the dashboard say of it."""

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml

from utsuwa.app.metrics import CATALOGUE, Pulse, Traffic
from utsuwa.app.metrics.catalogue import COLD_BOUNDS, THAW_BOUNDS
from utsuwa.app.options import METRICS_PORT
from utsuwa.gateway.accounting import Usage, bucketed
from utsuwa.kit.clock import LoopClock
from utsuwa.routing.messages import (
    LATENCY_BOUNDS,
    ColdStart,
    ColdStarts,
    RevisionStats,
    Stats,
    Wake,
)

ROOT = Path(__file__).parents[3]
NAMES = {metric.name for metric in CATALOGUE}
SERIES = {name for metric in CATALOGUE for name in metric.series}


def told(second: int, waiting: int = 0, status: int = 0) -> Stats:
    return Stats(second, (
        RevisionStats(
            "default/a", 2.5, 3.0, in_flight=1, waiting=waiting, completed=3,
            status=(0, 2, 0, 0, status, 1), platform_errors=status,
            buckets=(2, *([0] * 13), 1), latency_sum=20.01,
        ),
    ))  # fmt: skip


@pytest.mark.looptime
async def test_figures_of_all_gateways_and_seconds_add_up() -> None:
    clock = LoopClock(1000.0)
    traffic = Traffic(clock)
    traffic.wake(Wake("default/a", 999.0))
    for gateway in ("g0", "g1"):
        traffic.stats(gateway, told(999, waiting=4, status=1))
    traffic.stats("g0", told(1000, waiting=1))
    figures = traffic.figures["default/a"]
    assert figures.classes == [0, 6, 0, 0, 2, 3]
    assert (figures.wakeups, figures.platform_errors) == (1, 2)
    assert (figures.duration.counts[0], figures.duration.counts[-1]) == (6, 3)
    assert figures.duration.total == pytest.approx(60.03)
    assert figures.now(clock.now()) == (5.0, 5, 2)


@pytest.mark.looptime
async def test_a_gateway_that_is_silent_has_nothing_inside() -> None:
    """It died: its last word must not stand for ever."""
    clock = LoopClock(1000.0)
    traffic = Traffic(clock)
    traffic.stats("g0", told(1000))
    await clock.sleep(10.0)
    assert traffic.figures["default/a"].now(clock.now()) == (0, 0, 0)


@pytest.mark.looptime
async def test_a_revision_that_is_gone_takes_its_series_with_it() -> None:
    traffic = Traffic(LoopClock(1000.0))
    traffic.wake(Wake("default/a", 1.0))
    traffic.wake(Wake("default/b", 1.0))
    traffic.keep({"default/b", "default/c"})
    assert set(traffic.figures) == {"default/b"}


@pytest.mark.looptime
async def test_durations_add_up_by_route_where_one_alone_leads_there() -> None:
    """Over revisions, and on when one of them goes; a Route that is gone takes its series along."""
    routes = {"default/a": "default/web", "default/b": "default/web", "default/c": ""}
    traffic = Traffic(LoopClock(1000.0), lambda revision: routes[revision])
    for name in routes:
        figures = RevisionStats(name, 1.0, 1.0, buckets=(3,) + (0,) * 14, latency_sum=0.006)
        traffic.stats("g0", Stats(1000, (figures,)))
    assert list(traffic.routes) == ["default/web"]
    traffic.keep({"default/b"}, {"default/web"})
    durations = traffic.routes["default/web"]
    assert durations.counts[0] == 6
    assert durations.total == pytest.approx(0.012)
    traffic.keep({"default/b"}, ())
    assert traffic.routes == {}


@pytest.mark.looptime
async def test_the_pulse_tells_by_how_much_the_loop_was_late() -> None:
    clock = LoopClock(1000.0)
    pulse = Pulse(clock)
    beating = asyncio.ensure_future(pulse.run())
    await clock.sleep(3.5)
    beating.cancel()
    assert pulse.worst == pytest.approx(0.0, abs=1e-3)
    assert repr(pulse) == "<Pulse late by 0.000 s>"


@pytest.mark.looptime
async def test_cold_starts_are_counted_as_a_whole_and_by_phase() -> None:
    traffic = Traffic(LoopClock(1000.0))
    start = ColdStart("default/a", "p", 10.0, 10.001, 10.01, 10.2, 10.2, 10.3)
    traffic.cold_starts(ColdStarts((start, start)))
    figures = traffic.figures["default/a"]
    assert figures.cold is not None
    assert figures.cold.counts[COLD_BOUNDS.index(0.5)] == 2
    assert figures.cold.total == pytest.approx(0.6)
    assert sum(one.total for one in figures.phases.values()) == pytest.approx(0.6)


@pytest.mark.looptime
async def test_a_thaw_is_no_cold_start() -> None:
    traffic = Traffic(LoopClock(1000.0))
    traffic.cold_starts(ColdStarts((ColdStart("default/a", "p", 10.0, first_byte=10.004,
                                              thawed=10.001),)))  # fmt: skip
    figures = traffic.figures["default/a"]
    assert figures.cold is None
    assert figures.thaws is not None
    assert figures.thaws.counts[THAW_BOUNDS.index(0.005)] == 1


def test_latencies_fall_into_the_buckets_of_the_original() -> None:
    """To within the width of a step of the gateway's own histogram."""
    usage = Usage("a", 0.0)
    for latency in (0.001, 0.0011, 0.03, 0.2, 60.0):
        usage.enter(0.0)
        usage.leave(0.0, 200, latency)
    counts, total = bucketed(usage.latencies)
    assert len(counts) == len(LATENCY_BOUNDS) + 1
    assert {LATENCY_BOUNDS[n] if n < 14 else None: c for n, c in enumerate(counts) if c} == {
        0.005: 2, 0.05: 1, 0.25: 1, None: 1,
    }  # fmt: skip
    assert total == pytest.approx(60.232, rel=0.03)
    assert bucketed({}) == ((), 0.0)


# --- the documents and the dashboard --------------------------------------------------------------


def test_the_reference_and_the_code_name_the_same_metrics() -> None:
    """Both ways: one that is missing there, one that is gone here. With kinds and labels."""
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    rows = re.findall(r"^\| `([a-z_0-9]+)` \| (\w+) \| ([^|]*) \|", text, flags=re.MULTILINE)
    revision = CATALOGUE[0].labels
    expected = {
        (
            metric.name,
            metric.kind,
            ("revision", *(name for name in metric.labels if name not in revision))
            if set(revision) <= set(metric.labels)
            else metric.labels,
        )
        for metric in CATALOGUE
    }
    found = {
        (name, kind, tuple(word.strip("` ") for word in labels.split(",") if word.strip()))
        for name, kind, labels in rows
    }
    assert found == expected
    assert len(rows) == len(CATALOGUE)


def expressions() -> list[str]:
    board = json.loads((ROOT / "deploy" / "grafana" / "utsuwa.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return queries + [
        one["definition"] for one in board["templating"]["list"] if "definition" in one
    ]


@pytest.mark.parametrize("query", expressions())
def test_every_query_of_the_dashboard_names_metrics_that_there_are(query: str) -> None:
    """A panel must not stay empty because something was renamed."""
    bare = re.sub(r'"[^"]*"', '""', query)
    named = set(re.findall(r"\b(?:utsuwa|kn_revision|http_server|process)_\w+", bare))
    named -= {"kn_revision_name"}
    assert named
    assert named <= SERIES
    labels = set(re.findall(r"([a-z_0-9]+)(?==~?\"|!=\")", bare))
    known = {label for metric in CATALOGUE for label in metric.labels} | {"job"}
    assert labels <= known


def test_the_configuration_of_prometheus_scrapes_our_port() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{METRICS_PORT}"]}]
    assert "metrics_path" not in job


def test_no_metric_is_there_twice() -> None:
    assert len(NAMES) == len(CATALOGUE)
    assert all(metric.help.endswith(".") for metric in CATALOGUE)
