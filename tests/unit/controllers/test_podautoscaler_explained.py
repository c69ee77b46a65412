"""Explanations of what the real autoscaler decided, on virtual time."""

import pytest

from utsuwa.autoscale.explanation import explain
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler import Decisions
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document
from utsuwa.testing.autoscaling import World, autoscaling, revision

WEB = Key("default", "web")


def shown(timestamp: float) -> str:
    return f"{timestamp:.0f}"


def explained(world: World) -> Document:
    told = Decisions(world.scaler, world.horizontal)
    answer = {
        "metadata": {"name": WEB.name, "namespace": WEB.namespace},
        **told.present(WEB),
        "items": told.decisions(WEB),
    }
    return explain(answer, now=world.clock.now(), shown=shown)


def sentences(event: Document) -> str:
    return "; ".join(reason["sentence"] for reason in event["reasons"])


def only(explanation: Document, what: str) -> list[Document]:
    return [event for event in explanation["events"] if event["what"] == what]


@pytest.mark.looptime
async def test_from_zero_it_says_who_woke_it() -> None:
    async with autoscaling(revision("web")) as world:
        await world.run(100)
        world.load("web", 3)
        await world.run(20)
        told = explained(world)
    (up,) = only(told, "scaled-up")
    assert (up["from"], up["to"]) == (0, 1)
    assert "woken by ? / from test" in sentences(up)
    assert told["wanted"] == 1


@pytest.mark.looptime
async def test_on_the_way_to_zero_it_says_why_the_last_pod_is_kept_and_until_when() -> None:
    async with autoscaling(revision("web")) as world:
        await world.run(30)
        told = explained(world)
        now = world.clock.now()
        await world.run(100)
        later = explained(world)
    (why,) = [one for one in told["why"] if one["role"] == "held"]
    assert why["sentence"].startswith("last pod kept because it has not been active for 60 s")
    assert parse_rfc3339(told["next"]["fewerAt"]) > now
    assert "at the earliest" in told["next"]["fewer"]
    (down,) = only(later, "scaled-down")
    assert (down["from"], down["to"]) == (1, 0)
    assert "scaled to zero because" in sentences(down)
    assert later["next"] == {
        "more": "a pod as soon as a request comes", "fewer": "", "fewerAt": None,
    }  # fmt: skip


@pytest.mark.looptime
async def test_a_cap_is_named_with_what_was_wanted() -> None:
    capped = revision("web", concurrency=10, annotations={"max-scale": "2"})
    async with autoscaling(capped) as world:
        world.load("web", 100)
        await world.run(30)
        told = explained(world)
    assert "capped by max-scale: wanted" in sentences(only(told, "scaled-up")[-1])
    assert any(one["code"] == "max-scale" for one in told["why"])
    assert told["next"]["more"] == "no more pods: max-scale is 2"


@pytest.mark.looptime
async def test_panic_and_what_it_keeps() -> None:
    async with autoscaling(revision("web", concurrency=80)) as world:
        world.load("web", 500)
        await world.run(30)
        surge = explained(world)
        world.load("web", 0)
        await world.run(20)
        told = explained(world)
    assert surge["mode"] == "panic"
    assert any("panic since" in sentences(event) for event in surge["events"])
    held = [
        event for event in told["events"] if "not scaling down because of panic" in sentences(event)
    ]
    assert held
    assert all(event["from"] == event["to"] for event in held)
    assert told["next"]["fewerAt"] is not None


@pytest.mark.looptime
async def test_a_floor_is_named() -> None:
    async with autoscaling(revision("web", annotations={"min-scale": "2"})) as world:
        await world.run(100)
        told = explained(world)
    assert "not scaling down because min-scale is 2" in [one["sentence"] for one in told["why"]]
    assert told["next"]["fewer"] == "no fewer pods: at least 2"


@pytest.mark.looptime
async def test_steady_load_makes_no_events() -> None:
    """Neither the ticks nor the load itself are news."""
    async with autoscaling(revision("web")) as world:
        world.load("web", 5)
        await world.run(80)
        before = len(explained(world)["events"])
        await world.run(300)
        told = explained(world)
    assert len(told["events"]) <= before + 1  # the first minute's panic is over
    assert told["next"]["more"] == (
        "more pods when concurrency averages more than 70 over 60 s, or 140 over 6 s"
    )


def test_where_nothing_was_decided_nothing_is_made_up() -> None:
    """Just after a restart of control."""
    told = explain({"metadata": {"name": "web"}, "items": []}, now=5.0, shown=shown)
    assert (told["wanted"], told["why"], told["events"]) == (None, [], [])
    assert told["next"]["more"] == "nothing has been decided yet"


def test_class_hpa_is_explained_by_use() -> None:
    """It has no windows and no way to zero: what was used, and the bounds."""
    use = {"ready": 2, "percent": 180, "metric": "cpu", "pods": 4}
    decision = {
        "time": "2023-11-14T22:13:20.000000Z", "class": "hpa.autoscaling.knative.dev", "desired": 3,
        "mode": "stable", "metric": "cpu", "ratio": 1.8, "ready": 2, "want": 3, "applied": True,
        "reasons": [
            {"code": "use", "numbers": use},
            {"code": "max-scale", "numbers": {"wanted": 4, "cap": 3}},
        ],
        "scaleReasons": [], "changesAt": None,
    }  # fmt: skip
    told = explain({"metadata": {"name": "web"}, "items": [decision]}, now=0.0, shown=shown)
    (event,) = told["events"]
    assert (event["what"], event["from"], event["to"]) == ("scaled-up", 2, 3)
    assert sentences(event) == (
        "2 ready pods use 180 % of the target of cpu, which needs 4; "
        "capped by max-scale: wanted 4, at most 3"
    )
    assert told["inputs"] == {"metric": "cpu", "ratio": 1.8}
    assert told["next"]["more"] == "more pods with more use"
