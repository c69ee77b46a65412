"""Decisions as documents: what went in, why, what came out, when it can change."""

import json
from datetime import datetime

import pytest

from utsuwa.autoscale.horizontal import HorizontalDecision
from utsuwa.autoscale.reasons import because
from utsuwa.autoscale.scaling import Scaling
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler import Decisions, HorizontalHistory, PodUse
from utsuwa.controllers.podautoscaler.history import Entry
from utsuwa.controllers.podautoscaler.told import document_of
from utsuwa.testing.autoscaling import autoscaling, revision

WEB = Key("default", "web")


@pytest.mark.looptime
async def test_a_surge_is_told_with_its_numbers_and_rules() -> None:
    """500 clients, 80 at a time: the panic window says 7."""
    new = revision("web", concurrency=80)
    async with autoscaling(new, container_concurrency_target_percentage="100") as world:
        world.load("web", 500)
        await world.run(30)
        told = Decisions(world.scaler, world.horizontal).decisions(WEB)
        surge = next(one for one in told if one["desired"] == 7)
        assert (surge["mode"], surge["metric"], surge["target"]) == ("panic", "concurrency", 80.0)
        assert surge["panic"] > 480
        assert surge["excessBurstCapacity"] < 0
        assert "panic-entered" in [reason["code"] for reason in surge["reasons"]]
        assert all(reason["sentence"] for reason in surge["reasons"])
        assert datetime.fromisoformat(surge["changesAt"]) > datetime.fromisoformat(surge["time"])
        assert (surge["want"], surge["applied"]) == (7, True)
        assert json.loads(json.dumps(told)) == told
        times = [one["time"] for one in told]
        assert times == sorted(times)


@pytest.mark.looptime
async def test_the_way_to_zero_is_told_apart_from_the_decision() -> None:
    """Why the last pod is still there: the bounds' own reasons."""
    async with autoscaling(revision("web")) as world:
        await world.run(100)
        told = Decisions(world.scaler, world.horizontal).decisions(WEB)
        codes = [reason["code"] for one in told for reason in one["scaleReasons"]]
        assert "deactivated" in codes
        assert "to-zero" in codes
        assert (told[-1]["want"], told[-1]["applied"]) == (0, True)


def test_before_there_is_data_only_the_bounds_speak() -> None:
    """No decision yet: unknown, and nothing is made up."""
    entry = Entry(1_700_000_000.5, None, Scaling(-1, apply=False, reasons=(because("unknown"),)))
    told = document_of(entry)
    assert (told["desired"], told["mode"], told["want"]) == (None, "unknown", -1)
    assert told["time"] == "2023-11-14T22:13:20.500000Z"
    assert told["reasons"] == []
    assert told["scaleReasons"][0]["code"] == "unknown"


@pytest.mark.looptime
async def test_class_hpa_is_told_by_the_ratio_of_use_and_target() -> None:
    """A whole core of one requested, half a core wanted: 2 pods."""
    hpa = {"class": "hpa.autoscaling.knative.dev", "metric": "cpu", "target": "50"}
    async with autoscaling(revision("web", annotations=hpa)) as world:
        world.usage.use = PodUse(cores=1.0, memory=0.0)
        await world.run(31)
        told = Decisions(world.scaler, world.horizontal).decisions(WEB)
        grown = next(one for one in told if one["desired"] == 2)
        assert (grown["class"], grown["metric"], grown["ratio"]) == (hpa["class"], "cpu", 2.0)
        assert grown["reasons"][0]["code"] == "use"


def test_class_hpa_remembers_an_hour() -> None:
    """240 decisions of 15 s; nothing of a revision that is gone."""
    history = HorizontalHistory()
    for number in range(300):
        history.add(WEB, HorizontalDecision(number * 15.0, "cpu", 1.0, 1, 1, ()))
    kept = history.of(WEB)
    assert (len(kept), kept[0].time, kept[-1].time) == (240, 900.0, 4485.0)
    history.forget(WEB)
    assert history.of(WEB) == []
