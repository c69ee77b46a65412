"""The budget of a rollout, looked up in the cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from utsuwa.autoscale.parameters import Parameters
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller
from utsuwa.controllers.podautoscaler.budget import PodBudget
from utsuwa.controllers.podautoscaler.pods import PodCounts
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CONFIGURATION, REVISION, ROUTE
from utsuwa.testing.serving import World, running

pytestmark = pytest.mark.looptime

OLD, NEW = Key("default", "hello-00001"), Key("default", "hello-00002")
ASKED = Parameters(min_scale=4)
SURGE = {"utsuwa.dev/rollout-max-surge": "1"}


@dataclass
class FakePods:
    """Pods of each Revision: all ready, as many as asked for."""

    pods: dict[Key, int] = field(default_factory=dict)
    told: list[Key] = field(default_factory=list)

    def counts(self, key: Key) -> PodCounts:
        return PodCounts(ready=self.pods.get(key, 0))

    def replicas(self, key: Key) -> int:
        return self.pods.get(key, 0)

    def wanted(self, key: Key) -> int:
        return self.pods.get(key, -1)


@dataclass
class Stage:
    world: World
    pods: FakePods
    budget: PodBudget

    async def share(self, new: int) -> None:
        """The Route's status, as its reconciler writes it."""
        route = await self.world.get(ROUTE, "hello")
        traffic = [
            {"revisionName": OLD.name, "percent": 100 - new},
            {"revisionName": NEW.name, "percent": new},
            {"revisionName": NEW.name, "tag": "next"},
        ]
        await self.world.cluster.update_status({**route, "status": {"traffic": traffic}})
        await self.world.settle(0.1)

    def bounds(self, key: Key) -> tuple[int, int]:
        found = self.budget.within(key, ASKED)
        return found.min_scale, found.max_scale


def revision(number: int) -> Document:
    document = REVISION.document("default", f"hello-{number:05}", spec={})
    document["metadata"]["labels"] = {
        "serving.knative.dev/configuration": "hello",
        "serving.knative.dev/configurationGeneration": str(number),
    }
    document["metadata"]["annotations"] = {"autoscaling.knative.dev/min-scale": "4"}
    return document


@asynccontextmanager
async def rolling(annotations: dict[str, str]) -> AsyncIterator[Stage]:
    pods = FakePods({OLD: 4, NEW: 1})
    made: list[PodBudget] = []

    def build(context: Context) -> list[Controller]:
        made.append(PodBudget(context.informers, pods, pods.told.append))
        return []

    async with running((build,)) as world:
        configuration = CONFIGURATION.document("default", "hello", spec={})
        configuration["metadata"]["annotations"] = annotations
        route = ROUTE.document("default", "hello", spec={})
        for document in (configuration, route, revision(1), revision(2)):
            await world.cluster.create(document)
        stage = Stage(world, pods, made[0])
        await stage.share(0)
        yield stage


async def test_old_and_new_share_what_is_needed_and_the_surge() -> None:
    """One pod after another changes sides; min-scale counts once."""
    async with rolling(SURGE) as stage:
        assert (stage.bounds(OLD), stage.bounds(NEW)) == ((4, 4), (1, 1))
        assert stage.budget.room(NEW) == 25
        await stage.share(25)
        assert (stage.bounds(OLD), stage.bounds(NEW)) == ((3, 3), (1, 1))
        stage.budget.promise(OLD, 3)
        assert stage.bounds(NEW) == (1, 1), "the fourth is still there"
        stage.pods.pods[OLD] = 3
        assert stage.bounds(NEW) == (2, 2)
        assert repr(stage.budget) == "<PodBudget of 1 rollouts>"


async def test_what_was_promised_is_as_good_as_there() -> None:
    """Two that are looked at in one moment do not both take the last place."""
    async with rolling(SURGE) as stage:
        stage.pods.pods[OLD] = 3
        assert stage.bounds(NEW)[1] == 2
        stage.budget.promise(OLD, 4)
        assert stage.bounds(NEW)[1] == 1
        stage.budget.forget(OLD)
        assert stage.bounds(NEW)[1] == 2


async def test_those_that_were_there_are_told_of_a_rollout() -> None:
    """Once; from then on they look for themselves."""
    async with rolling(SURGE) as stage:
        stage.budget.watched(NEW, ASKED)
        assert stage.pods.told == [OLD]
        stage.budget.watched(OLD, ASKED)
        stage.budget.watched(NEW, ASKED)
        assert stage.pods.told == [OLD]


async def test_one_revision_alone_has_no_bounds() -> None:
    """Before a rollout and after it."""
    async with rolling(SURGE) as stage:
        stage.budget.watched(NEW, ASKED)
        stage.pods.pods[OLD] = 0
        assert stage.budget.watched(NEW, ASKED) is ASKED
        assert stage.budget.room(NEW) == 100
        assert repr(stage.budget) == "<PodBudget of 0 rollouts>"


@pytest.mark.parametrize("value", ["", "none"])
async def test_without_a_budget_nothing_is_bounded(value: str) -> None:
    """Nor with one that is no number: admission refuses it, but objects may be older."""
    annotations = {"utsuwa.dev/rollout-max-surge": value} if value else {}
    async with rolling(annotations) as stage:
        assert stage.budget.within(NEW, ASKED) is ASKED
        assert stage.budget.room(NEW) == 100


async def test_a_revision_that_was_taken_back_is_not_the_one_that_traffic_moves_to() -> None:
    """The one before it may have all that is needed again."""
    async with rolling(SURGE) as stage:
        mark: Document = {"metadata": {"annotations": {"utsuwa.dev/rollout-taken-back": "slow"}}}
        await stage.world.cluster.merge(REVISION, NEW, mark)
        await stage.world.settle(0.1)
        assert stage.bounds(OLD) == (4, 4)
        assert stage.bounds(NEW) == (1, 1)
