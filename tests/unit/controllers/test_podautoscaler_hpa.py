"""Class HPA at work on virtual time."""

import pytest

from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler import PodUse
from utsuwa.model.kinds import SERVERLESS_SERVICE
from utsuwa.testing.autoscaling import Revision, autoscaling, revision

pytestmark = pytest.mark.looptime

HPA = {"class": "hpa.autoscaling.knative.dev", "metric": "cpu", "target": "50"}


def on_cpu(**annotations: str) -> Revision:
    """A revision of class HPA, half a core a pod wanted; keys with `_` for `-`."""
    extra = {key.replace("_", "-"): value for key, value in annotations.items()}
    return revision("web", annotations={**HPA, **extra})


async def test_it_is_active_and_ready_with_its_first_pod() -> None:
    """And its traffic goes straight to pods."""
    async with autoscaling(on_cpu()) as world:
        await world.run(10)
        assert world.condition("web", "Ready") == "True"
        sks = await world.controllers.cluster.get(SERVERLESS_SERVICE, Key("default", "web"))
        assert (sks["spec"]["mode"], sks["spec"]["numActivators"]) == ("Serve", 0)


async def test_pods_follow_the_use_of_the_processor() -> None:
    """One busy pod becomes two; idle ones go after five minutes, but never the last."""
    async with autoscaling(on_cpu()) as world:
        await world.run(10)
        world.usage.use = PodUse(cores=1.0, memory=0.0)
        await world.run(10)
        assert world.replicas("web") == 2
        world.usage.use = PodUse(cores=0.0, memory=0.0)
        await world.run(600)
        assert world.replicas("web") == 1
        assert world.status("web")["desiredScale"] == 1


async def test_the_minimum_holds_and_initialises() -> None:
    """min-scale 3 from a Deployment of one."""
    async with autoscaling(on_cpu(min_scale="3")) as world:
        await world.run(3)
        assert world.condition("web", "ScaleTargetInitialized") == "Unknown"
        await world.run(30)
        assert (world.replicas("web"), world.ready("web")) == (3, 3)
        assert world.condition("web", "Ready") == "True"


async def test_where_nothing_is_measured_nothing_moves() -> None:
    """The number of pods stays as it is."""
    async with autoscaling(on_cpu()) as world:
        await world.run(400)
        assert world.replicas("web") == 1
