"""The autoscaler at work on virtual time: the timelines of `spec/autoscaling.md` §3.7 to §5."""

import pytest

from utsuwa.cluster.port import Key
from utsuwa.model.kinds import DEPLOYMENT, POD_AUTOSCALER, SERVERLESS_SERVICE
from utsuwa.routing.messages import RevisionStats, Stats, Wake
from utsuwa.testing.autoscaling import World, autoscaling, revision

pytestmark = pytest.mark.looptime

WEB = Key("default", "web")


async def reach_zero(world: World) -> None:
    """Let an unused revision go to zero, then on to a moment within a second."""
    await world.run(90)
    assert world.replicas("web") == 0
    await world.run(0.3)


def codes(world: World) -> list[str]:
    entry = world.scaler.current(WEB)
    return [] if entry is None else [reason.code for reason in entry.reasons]


@pytest.mark.parametrize(
    ("concurrency", "percent", "pods"), [(80, "100", 7), (80, "70", 9), (40, "100", 13), (40, "70", 18)]
)  # fmt: skip
async def test_500_clients_from_zero_get_the_pods_of_the_worked_example(
    concurrency: int, percent: str, pods: int
) -> None:
    """One pod at once by the wake-up, then straight to the final number."""
    new = revision("web", concurrency=concurrency)
    async with autoscaling(new, container_concurrency_target_percentage=percent) as world:
        await reach_zero(world)
        world.load("web", 500)
        await world.run(0.01)
        assert world.replicas("web") == 1
        seen: list[int] = []
        for _ in range(120):
            await world.run(0.5)
            if world.replicas("web") not in seen:
                seen.append(world.replicas("web"))
        assert seen == [1, pods]
        assert world.ready("web") == pods


async def test_500_clients_on_a_warm_pod_pass_through_the_panic_window() -> None:
    """The idle history of the pod dilutes the first seconds: steps, not one leap."""
    new = revision("web", concurrency=80, annotations={"min-scale": "1"})
    async with autoscaling(new, container_concurrency_target_percentage="100") as world:
        await world.run(130)
        world.load("web", 500)
        seen: list[int] = []
        for _ in range(40):
            await world.run(0.5)
            if world.replicas("web") not in seen:
                seen.append(world.replicas("web"))
        assert seen == [1, 3, 5, 7]


async def test_after_the_load_pods_go_as_the_window_drains() -> None:
    """7, 6, 5, 4, 3, 2, 1 and, a stable window after the last request, none."""
    new = revision("web", concurrency=80)
    async with autoscaling(new, container_concurrency_target_percentage="100") as world:
        await world.run(2)
        world.load("web", 500)
        await world.run(200)
        world.load("web", 0)
        timeline: dict[int, int] = {}
        for second in range(100):
            await world.run(1)
            timeline.setdefault(world.replicas("web"), second + 1)
        assert list(timeline) == [7, 6, 5, 4, 3, 2, 1, 0]
        assert timeline[6] <= 5
        assert 60 <= timeline[0] <= 66
        assert world.condition("web", "Active") == "False(NoTraffic)"


async def test_a_new_revision_without_traffic_is_ready_first_and_gone_after_a_minute() -> None:
    """Active at the first pod, for a stable window."""
    async with autoscaling(revision("web")) as world:
        await world.run(1)
        assert world.condition("web", "Active") == "Unknown(Queued)"
        assert world.status("web")["desiredScale"] == -1
        await world.run(4)
        assert world.condition("web", "Ready") == "True"
        assert world.condition("web", "ScaleTargetInitialized") == "True"
        assert world.status("web")["serviceName"] == "web"
        await world.run(55)
        assert (world.replicas("web"), world.status("web")["actualScale"]) == (1, 1)
        await world.run(15)
        assert (world.replicas("web"), world.status("web")["desiredScale"]) == (0, 0)


async def test_a_wake_up_moves_the_deployment_before_anything_else_runs() -> None:
    """The patch is on its way from the message itself; its reason names who came."""
    async with autoscaling(revision("web")) as world:
        await reach_zero(world)
        world.load("web", 1)
        assert codes(world)[0] == "woken"
        assert "/" in world.scaler.history(WEB)[-1].reasons[0].sentence
        await world.run(0.001)
        assert world.replicas("web") == 1
        await world.run(6)
        assert world.condition("web", "Active") == "True"


async def test_an_idle_revision_is_not_ticked() -> None:
    """At zero, and with idle pods kept by min-scale."""
    kept = revision("kept", annotations={"min-scale": "2"}, replicas=2)
    async with autoscaling(revision("web"), kept) as world:
        await world.run(100)
        assert repr(world.scaler) == "<Scaler 2 revisions, 0 active>"
        assert (world.replicas("web"), world.replicas("kept")) == (0, 2)
        before = world.scaler.current(WEB)
        await world.run(600)
        assert world.scaler.current(WEB) is before


async def test_an_unreachable_revision_goes_as_soon_as_metrics_say_zero() -> None:
    """min-scale and retention do not hold it; nor does the rate of shrinking."""
    annotations = {"min-scale": "3", "scale-to-zero-pod-retention-period": "10m"}
    old = revision("web", annotations=annotations, reachability="Unreachable", replicas=3)
    async with autoscaling(old) as world:
        await world.run(5)
        assert world.ready("web") == 3
        await world.run(5)
        assert world.replicas("web") == 1
        await world.run(70)
        assert world.replicas("web") == 0


@pytest.mark.parametrize(
    ("reachability", "requests", "left"),
    [("Unreachable", 2, 0), ("Unreachable", 3, 1), ("Reachable", 2, 1)],
)
async def test_open_websockets_keep_no_revision_that_is_unreachable(
    reachability: str, requests: int, left: int
) -> None:
    """Two of the requests are WebSockets; anything else still keeps it, and routes do."""
    async with autoscaling(revision("web", reachability=reachability)) as world:
        world.gateway.tunnels["web"] = 2
        world.load("web", requests)
        await world.run(150)
        assert world.replicas("web") == left


async def test_a_pod_retention_keeps_the_last_pod_longer() -> None:
    """Counted from the moment at which it became idle."""
    new = revision("web", annotations={"scale-to-zero-pod-retention-period": "2m"})
    async with autoscaling(new) as world:
        await world.run(100)
        assert world.condition("web", "Active") == "False(NoTraffic)"
        assert world.replicas("web") == 1
        assert codes(world)[-1] == "retention"
        entry = world.scaler.current(WEB)
        assert entry is not None
        assert entry.changes_at is not None
        assert 80 <= entry.changes_at - world.clock.now() <= 90
        await world.run(100)
        assert world.replicas("web") == 0


async def test_an_initial_scale_of_zero_starts_no_pod_until_somebody_asks() -> None:
    """The revision is initialized at once; the first request brings the pod, without a tick."""
    new = revision("web", annotations={"initial-scale": "0"}, replicas=0)
    async with autoscaling(new, allow_zero_initial_scale="true") as world:
        await world.run(20.3)
        assert (world.replicas("web"), world.ready("web")) == (0, 0)
        assert world.condition("web", "Active") == "False(NoTraffic)"
        assert world.condition("web", "ScaleTargetInitialized") == "True"
        world.load("web", 1)
        await world.run(0.01)
        assert world.replicas("web") == 1


async def test_an_initial_scale_holds_until_it_was_reached() -> None:
    """Then load alone decides."""
    new = revision("web", annotations={"initial-scale": "4"}, replicas=4)
    async with autoscaling(new) as world:
        world.pods.start = 20.0
        await world.run(15)
        assert world.replicas("web") == 4
        assert world.condition("web", "ScaleTargetInitialized") == "Unknown"
        await world.run(10)
        assert world.condition("web", "ScaleTargetInitialized") == "True"
        await world.run(70)
        assert world.replicas("web") < 4


async def test_the_bounds_hold_under_any_load() -> None:
    """min-scale 2, max-scale 3."""
    new = revision("web", concurrency=10, annotations={"min-scale": "2", "max-scale": "3"})
    async with autoscaling(new) as world:
        await world.run(20)
        assert world.replicas("web") == 2
        world.load("web", 500)
        await world.run(30)
        assert world.replicas("web") == 3
        assert codes(world)[-1] == "max-scale"


async def test_a_restart_of_control_changes_no_number_of_pods() -> None:
    """History is lost: more than one pod found is kept for a stable window, whatever is said."""
    new = revision("web", concurrency=80, replicas=7)
    async with autoscaling(new, container_concurrency_target_percentage="100") as world:
        await world.run(4.1)
        world.scaler.forget(WEB)
        await world.run(0.1)
        poke = world.controllers.context.cluster
        fresh = await poke.get(POD_AUTOSCALER, WEB)
        annotated = {**fresh, "metadata": {**fresh["metadata"], "annotations": {"x": "y"}}}
        await poke.update(annotated)
        await world.run(55)
        assert world.replicas("web") == 7
        assert "panic-restart" in codes(world)
        await world.run(20)
        assert world.replicas("web") < 7


async def test_after_a_restart_silence_of_unconnected_gateways_is_not_idleness() -> None:
    """A busy pod survives a few seconds in which nobody reports."""
    async with autoscaling(revision("web", concurrency=80)) as world:
        world.gateway.silent = True
        world.load("web", 5)
        await world.run(5)
        world.gateway.silent = False
        await world.run(120)
        assert world.replicas("web") == 1


async def test_a_wake_up_for_a_revision_not_known_yet_is_kept() -> None:
    """Control has just started: the request came before the first pass."""
    new = revision("web", annotations={"initial-scale": "0"}, replicas=0)
    async with autoscaling(allow_zero_initial_scale="true") as world:
        await world.run(1.3)
        world.load("web", 1)
        await world.run(0.1)
        await world.add(new)
        await world.run(0.1)
        assert world.replicas("web") == 1


async def test_starved_requests_do_not_wait_for_the_next_tick() -> None:
    """They wait and no pod is on its way: decided with the figures, half a second after one tick
    and one and a half before the next."""
    new = revision("web", concurrency=10, annotations={"min-scale": "1"})
    async with autoscaling(new) as world:
        await world.run(9.4)  # the next ticks are at 10.25 and 12.25, figures come at 11.0
        world.gateway.waiting["web"] = 90
        await world.run(0.9)
        world.load("web", 100)
        await world.run(0.75)
        assert world.replicas("web") > 1
        reasons = [reason.code for entry in world.scaler.history(WEB) for reason in entry.reasons]
        assert "starved" in reasons


async def test_figures_on_a_revision_at_zero_count_as_a_wake_up() -> None:
    """A gateway that held requests while control was away only tells figures."""
    async with autoscaling(revision("web")) as world:
        await reach_zero(world)
        world.gateway.silent = True
        world.load("web", 3)
        world.gateway.silent = False
        await world.run(1.0)
        assert world.replicas("web") == 1


async def test_a_wake_up_by_a_second_gateway_is_no_onset_while_the_first_has_load() -> None:
    """The first request that comes to another worker says nothing of how load sets in."""
    async with autoscaling(revision("web", concurrency=10)) as world:
        await world.run(2)
        world.load("web", 20)
        await world.run(30.5)
        second = int(world.clock.now())
        world.scaler.wake(Wake("default/web", second + 0.5))
        figures = RevisionStats("default/web", concurrency=2.0, requests=2, in_flight=40)
        before = world.scaler.current(WEB)
        world.scaler.stats("gateway-1-2", Stats(second, (figures,)))
        await world.run(4)
        after = world.scaler.current(WEB)
        assert before is not None
        assert after is not None
        assert before.decision is not None
        assert after.decision is not None
        assert after.decision.panic < before.decision.panic + 3.0  # 40 would have made it 6 more


async def test_an_annotation_takes_effect_on_a_running_revision() -> None:
    """min-scale raised and lowered again."""
    async with autoscaling(revision("web")) as world:
        await world.run(20)
        cluster = world.controllers.cluster
        for count in (3, 1):
            key = "autoscaling.knative.dev/min-scale"
            patch = {"metadata": {"annotations": {key: str(count)}}}
            await cluster.merge(POD_AUTOSCALER, WEB, patch)
            await world.run(10)
            assert world.replicas("web") == count


async def test_a_setting_takes_effect_on_a_running_revision() -> None:
    """`config-autoscaler` is live: with half the target, twice the pods."""
    new = revision("web", concurrency=100)
    async with autoscaling(new, container_concurrency_target_percentage="100") as world:
        world.load("web", 400)
        await world.run(90)
        assert world.replicas("web") == 4
        await world.configure(container_concurrency_target_percentage="50")
        await world.run(5)
        assert world.replicas("web") == 8


async def test_requests_per_second_can_be_the_metric() -> None:
    """Requests that never end arrive once: rps falls to 0 while concurrency stays."""
    new = revision("web", annotations={"metric": "rps", "target": "10"})
    async with autoscaling(new) as world:
        await world.run(10)
        world.load("web", 140)
        await world.run(4)
        entry = world.scaler.current(WEB)
        assert entry is not None
        assert entry.decision is not None
        assert entry.decision.metric == "rps"
        assert 0 < entry.decision.panic < 140


async def test_the_serverless_service_shows_the_mode_of_the_original() -> None:
    """Behind activators while a burst would not fit; straight to pods when it would."""
    tight = revision("web", concurrency=80, annotations={"min-scale": "1"})
    roomy = revision(
        "roomy", concurrency=80, annotations={"min-scale": "4", "target-burst-capacity": "100"}
    )
    async with autoscaling(tight, roomy) as world:
        await world.run(30)
        cluster = world.controllers.cluster
        web = await cluster.get(SERVERLESS_SERVICE, WEB)
        assert (web["spec"]["mode"], web["spec"]["numActivators"]) == ("Proxy", 3)
        assert web["spec"]["objectRef"]["name"] == "web-d"
        other = await cluster.get(SERVERLESS_SERVICE, Key("default", "roomy"))
        assert (other["spec"]["mode"], other["spec"]["numActivators"]) == ("Serve", 5)


async def test_a_serverless_service_of_somebody_else_is_told() -> None:
    """And left alone."""
    async with autoscaling() as world:
        cluster = world.controllers.cluster
        await cluster.create(SERVERLESS_SERVICE.document("default", "web", spec={"mode": "Serve"}))
        await world.run(0.1)
        await world.add(revision("web"))
        await world.run(1)
        assert world.condition("web", "Active") == "False(NotOwned)"
        sks = await cluster.get(SERVERLESS_SERVICE, WEB)
        assert sks["spec"] == {"mode": "Serve"}


async def test_other_classes_are_left_alone() -> None:
    """The annotation says who looks after a PodAutoscaler."""
    async with autoscaling(revision("web", annotations={"class": "mine.example.com"})) as world:
        await world.run(100)
        assert world.status("web") == {}
        assert world.replicas("web") == 1


async def test_without_a_deployment_nothing_breaks() -> None:
    """It appears later, and is scaled then."""
    new = revision("web", annotations={"min-scale": "2"})
    async with autoscaling() as world:
        cluster = world.controllers.cluster
        await cluster.create(new.autoscaler)
        await world.run(1)
        world.load("web", 1)
        await world.run(5)
        await cluster.create(new.deployment)
        await world.run(1)
        assert world.replicas("web") == 2


async def test_a_revision_that_never_starts_is_given_up() -> None:
    """Progress deadline and 30 s more, then zero. As in the original, the pass after that one
    already says NoTraffic; why is in the history."""
    new = revision("web")
    new.autoscaler["metadata"]["annotations"]["serving.knative.dev/progress-deadline"] = "60s"
    async with autoscaling(new) as world:
        world.pods.start = 10_000
        await world.run(85)
        assert (world.replicas("web"), world.condition("web", "Active")) == (1, "Unknown(Queued)")
        await world.run(100)
        assert world.replicas("web") == 0
        assert world.condition("web", "Active") == "False(NoTraffic)"
        entries = world.scaler.history(WEB)
        assert any(r.code == "activation-timed-out" for entry in entries for r in entry.reasons)


async def test_a_deleted_revision_is_forgotten() -> None:
    """No state stays behind."""
    async with autoscaling(revision("web")) as world:
        await world.run(10)
        await world.controllers.cluster.delete(POD_AUTOSCALER, WEB)
        await world.run(1)
        assert repr(world.scaler) == "<Scaler 0 revisions, 0 active>"
        assert world.scaler.history(WEB) == []


async def test_nothing_is_written_when_nothing_changes() -> None:
    """A settled revision costs no write."""
    async with autoscaling(revision("web", annotations={"min-scale": "1"})) as world:
        await world.run(30)
        cluster = world.controllers.cluster
        before = (await cluster.list(POD_AUTOSCALER)).resource_version
        await world.run(300)
        assert (await cluster.list(POD_AUTOSCALER)).resource_version == before
        deployment = await cluster.get(DEPLOYMENT, Key("default", "web-d"))
        assert deployment["spec"]["replicas"] == 1
