"""A guarded rollout from Service to Ingress on virtual time; figures are fed by hand."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.unit.controllers.test_serving_chain import deploy, hello

from utsuwa.cluster.port import Key
from utsuwa.controllers import configuration, labeler, revision, route, service
from utsuwa.kit.documents import Document, copy
from utsuwa.model.conditions import condition
from utsuwa.model.kinds import EVENT, REVISION, ROUTE, SERVICE
from utsuwa.routing.guard import Figures
from utsuwa.routing.messages import RevisionStats, Stats
from utsuwa.testing.serving import (
    FakeImages,
    World,
    autoscaler,
    dataplane,
    running,
    workloads,
)

pytestmark = pytest.mark.looptime

GUARD = {
    "serving.knative.dev/rollout-duration": "60s",
    "utsuwa.dev/rollout-max-error-rate": "5",
    "utsuwa.dev/rollout-window": "10s",
}
MARK = "utsuwa.dev/rollout-taken-back"


def guarded(image: str) -> Document:
    document = hello(image)
    document["metadata"]["annotations"].update(GUARD)
    return document


@asynccontextmanager
async def serving(figures: Figures) -> AsyncIterator[World]:
    builds = (
        service.build,
        configuration.build,
        lambda context: revision.build(context, FakeImages()),
        lambda context: route.build(context, figures=figures),
        labeler.build,
        workloads,
        autoscaler,
        dataplane,
    )
    async with running(builds) as world:
        yield world


async def update(world: World, image: str) -> None:
    current = copy(await world.get(SERVICE, "hello"))
    current["spec"]["template"]["spec"]["containers"][0]["image"] = image
    await world.cluster.update(current)


async def shares(world: World) -> dict[str, int]:
    found = await world.get(SERVICE, "hello")
    return {one["revisionName"]: one["percent"] for one in found["status"]["traffic"]}


async def load(world: World, figures: Figures, seconds: int, *, bad: int) -> None:
    """Each second 10 answers of the second Revision, `bad` of them 5xx."""
    for _ in range(seconds):
        second = int(world.context.clock.now())
        status = (0, 10 - bad, 0, 0, bad, 0)
        one = RevisionStats(
            "default/hello-00002", 1.0, 10.0, completed=10, status=status, latency=(0.1, 0.1, 0.1)
        )
        await world.settle(1)
        figures.stats("gateway", Stats(second, (one,)))


async def events(world: World, kind: str) -> list[str]:
    found = await world.cluster.list(EVENT, "default")
    return sorted(
        event["reason"]
        for event in found.items
        if event["involvedObject"]["kind"] == kind and "Rollout" in event["reason"]
    )


async def test_a_bad_revision_is_taken_back_and_tried_again_when_the_mark_goes() -> None:
    figures = Figures()
    async with serving(figures) as world:
        await deploy(world, guarded("ex.io/app:1"))
        await update(world, "ex.io/app:2")
        await load(world, figures, 5, bad=5)
        assert await shares(world) == {"hello-00001": 100}
        found = await world.get(SERVICE, "hello")
        assert found["status"]["latestReadyRevisionName"] == "hello-00002"
        ready = condition(found["status"], "Ready") or {}
        assert (ready["status"], ready["reason"]) == ("False", "RolloutTakenBack")
        assert "50 % of 20 answers in 10 s were 5xx" in ready["message"]
        assert await events(world, "Service") == ["RolloutStarted", "RolloutTakenBack"]
        assert await events(world, "Route") == ["RolloutStarted", "RolloutTakenBack"]
        told = (await world.cluster.list(EVENT, "default")).items
        assert {e["count"] for e in told if e["reason"] == "RolloutTakenBack"} == {1}
        await load(world, figures, 60, bad=0)
        assert await shares(world) == {"hello-00001": 100}

        nothing: Document = {"metadata": {"annotations": {MARK: None}}}
        await world.cluster.merge(REVISION, Key("default", "hello-00002"), nothing)
        await load(world, figures, 3, bad=0)
        assert set(await shares(world)) == {"hello-00001", "hello-00002"}
        await load(world, figures, 70, bad=0)
        assert await shares(world) == {"hello-00002": 100}
        ready = condition((await world.get(ROUTE, "hello"))["status"], "Ready") or {}
        assert ready["status"] == "True"
        assert "RolloutFinished" in await events(world, "Route")


async def test_a_good_revision_gets_everything_in_steps() -> None:
    """Shares only rise, at most one error in twenty is allowed."""
    figures = Figures()
    async with serving(figures) as world:
        await deploy(world, guarded("ex.io/app:1"))
        await update(world, "ex.io/app:2")
        seen = []
        for _ in range(70):
            await load(world, figures, 1, bad=0)
            seen.append((await shares(world)).get("hello-00002", 0))
        assert seen == sorted(seen)
        assert seen[-1] == 100
        assert len(set(seen)) > 10


async def test_the_next_deployment_starts_from_the_one_that_serves() -> None:
    figures = Figures()
    async with serving(figures) as world:
        await deploy(world, guarded("ex.io/app:1"))
        await update(world, "ex.io/app:2")
        await load(world, figures, 5, bad=10)
        assert await shares(world) == {"hello-00001": 100}
        await update(world, "ex.io/app:3")
        await world.settle(0.5)
        assert await shares(world) == {"hello-00001": 99, "hello-00003": 1}
        await world.settle(80)
        assert await shares(world) == {"hello-00003": 100}


@pytest.mark.parametrize("seed", range(5))
async def test_a_restart_keeps_the_place(seed: int) -> None:
    """A control that comes later goes on from the state in the Ingress, figures or not."""
    chance = random.Random(seed)
    figures = Figures()
    async with serving(figures) as world:
        await deploy(world, guarded("ex.io/app:1"))
        await update(world, "ex.io/app:2")
        await world.settle(chance.uniform(1, 50))
        before = (await shares(world))["hello-00002"]
        again = route.build(world.context, figures=Figures())
        world.controllers.append(again)
        again.start(world.tasks)
        again.queue.add(Key("default", "hello"))
        await world.settle(0.2)
        assert before <= (await shares(world))["hello-00002"] <= before + 7
        await world.settle(70)
        assert await shares(world) == {"hello-00002": 100}
