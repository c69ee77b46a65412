"""`utsuwa explain`: what it asks for, and how it lays the answer out."""

import json
from typing import Any

import pytest
import yaml

from utsuwa.kit.clock import SystemClock, rfc3339_micro
from utsuwa.testing.commandline import Type
from utsuwa.testing.fakeapi import FakeApi

Document = dict[str, Any]

PARAMETERS = {
    "metric": "concurrency", "target": 70.0, "minScale": 0, "maxScale": 3, "initialScale": 1,
    "activationScale": 0, "stableWindow": 60.0, "panicWindow": 6.0, "panicThreshold": 2.0,
    "maxScaleUpRate": 1000.0, "maxScaleDownRate": 2.0, "scaleDownDelay": 0.0, "scaleToZero": True,
    "gracePeriod": 30.0, "podRetention": 0.0, "reachable": True,
}  # fmt: skip
CAPPED = {"code": "max-scale", "numbers": {"wanted": 5, "cap": 3}}
WOKEN = {"code": "woken", "numbers": {"method": "GET", "path": "/cart", "client": "10.0.0.9"}}


def decision(ago: float, want: int, *, reasons: list[Document], scale: list[Document]) -> Document:
    time = rfc3339_micro(SystemClock().now() - ago)
    return {
        "time": time, "decidedAt": time, "class": "kpa.autoscaling.knative.dev", "desired": want,
        "mode": "stable", "metric": "concurrency", "stable": 1.5, "panic": 2.5, "target": 70.0,
        "ready": 1, "reasons": reasons, "want": want, "applied": True, "scaleReasons": scale,
        "changesAt": rfc3339_micro(SystemClock().now() + 30),
    }  # fmt: skip


@pytest.fixture
def hello(api: FakeApi) -> FakeApi:
    """A service with one revision, woken ten minutes ago and capped one minute ago."""
    meta: Document = {"name": "hello", "namespace": "default"}
    api.put("services", {"metadata": dict(meta)})
    labels = {"serving.knative.dev/service": "hello"}
    api.put("revisions", {"metadata": {**meta, "name": "hello-00001", "labels": labels}})
    items = [
        decision(700, 0, reasons=[], scale=[{"code": "to-zero", "numbers": {}}]),
        decision(600, 1, reasons=[WOKEN], scale=[]),
        decision(60, 3, reasons=[], scale=[CAPPED]),
    ]
    answer = {
        "metadata": {**meta, "name": "hello-00001"},
        "current": items[-1],
        "pods": {"ready": 1, "notReady": 2, "pending": 2, "terminating": 0, "frozen": 1},
        "parameters": PARAMETERS,
        "items": items,
    }
    api.put("podautoscalers/decisions", answer)
    return api


@pytest.mark.usefixtures("hello")
def test_a_service_is_explained_with_what_happened(utsuwa: Type) -> None:
    """What it does, what was measured, why, what comes next; then the events."""
    result = utsuwa("explain", "hello")
    assert result.code == 0
    first, *rest = result.out.splitlines()
    assert first == (
        "hello-00001: 1 ready (1 frozen: the next request thaws), 2 starting, 3 wanted"
    )
    text = "\n".join(rest)
    assert "Measured    average concurrency 1.50 over 60 s and 2.50 over 6 s" in text
    assert "Limits      min-scale 0, max-scale 3" in text
    assert "Why         capped by max-scale: wanted 5, at most 3" in text
    assert "Next        no more pods: max-scale is 3" in text
    assert "at the earliest, in" in text
    happened = text.partition("What happened\n")[2].splitlines()
    assert [line.split("  ", 3)[2].strip() for line in happened] == ["1 → 0", "0 → 1", "1 → 3"]
    assert happened[1].endswith("woken by GET /cart from 10.0.0.9")


@pytest.mark.usefixtures("hello")
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_for_programs_it_is_a_document(utsuwa: Type, form: str) -> None:
    """The same in both forms; `--since` limits the events, not what holds now."""
    result = utsuwa("explain", "hello-00001", "-o", form, "--since", "5m")
    told = json.loads(result.out) if form == "json" else yaml.safe_load(result.out)
    assert (told["kind"], told["of"]) == ("Explanation", "revision")
    (one,) = told["revisions"]
    assert (one["revision"], one["wanted"]) == ("hello-00001", 3)
    assert [event["what"] for event in one["events"]] == ["scaled-up"]
    assert one["why"][0]["code"] == "max-scale"


@pytest.mark.usefixtures("hello")
def test_a_name_that_there_is_not_says_where_to_look(utsuwa: Type) -> None:
    result = utsuwa("explain", "nobody")
    assert result.code == 1
    assert "no service and no revision 'nobody' in namespace 'default'" in result.err
    assert "utsuwa services -A" in result.err


@pytest.mark.usefixtures("hello")
@pytest.mark.parametrize("since", ["soon", "-5s", "0"])
def test_a_time_that_is_none_is_wrong_usage(utsuwa: Type, since: str) -> None:
    result = utsuwa("explain", "hello", f"--since={since}")
    assert result.code == 2
    assert "duration" in result.err


def test_a_service_without_revisions_says_so(utsuwa: Type, api: FakeApi) -> None:
    """Not an empty page."""
    api.put("services", {"metadata": {"name": "new", "namespace": "default"}})
    result = utsuwa("explain", "new")
    assert (result.code, result.out) == (0, "new has no revision that is scaled yet.\n")
