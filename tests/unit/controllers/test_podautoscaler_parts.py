"""Pod counts, history and children of the autoscaler."""

import asyncio

import pytest

from utsuwa.autoscale.burst import Mode
from utsuwa.autoscale.collector import Load
from utsuwa.autoscale.decider import Decider, Decision
from utsuwa.autoscale.parameters import Parameters
from utsuwa.autoscale.reasons import because
from utsuwa.autoscale.scaling import Scaling
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler.children import (
    serverless_service_of,
    serverless_service_update,
)
from utsuwa.controllers.podautoscaler.history import Budget, Entry, History
from utsuwa.controllers.podautoscaler.pods import (
    PodCounter,
    PodCounts,
    PodState,
    revision_of,
    state_of,
)
from utsuwa.kit.documents import Document
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import POD
from utsuwa.testing.autoscaling import revision
from utsuwa.testing.cluster import memory_cluster


def pod(
    phase: str = "", ready: str = "", *, deleting: bool = False, frozen: bool = False
) -> Document:
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    if frozen:
        conditions.append({"type": "utsuwa.dev/Frozen", "status": "True"})
    document = POD.document("default", "p", status={"phase": phase, "conditions": conditions})
    if deleting:
        document["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return document


@pytest.mark.parametrize(
    ("document", "state"),
    [
        (pod("Pending"), PodState.PENDING),
        (pod("Pending", deleting=True), PodState.PENDING),
        (pod("Running", "True"), PodState.READY),
        (pod("Running", "True", frozen=True), PodState.FROZEN),
        (pod("Running", "False", frozen=True), PodState.NOT_READY),
        (pod("Running", "False"), PodState.NOT_READY),
        (pod("Running"), PodState.NOT_READY),
        (pod("Running", "True", deleting=True), PodState.TERMINATING),
        (pod("Succeeded", "True"), None),
        (pod("Failed"), None),
        (pod(), None),
    ],
)
def test_a_pod_counts_by_phase_deletion_and_readiness(
    document: Document, state: PodState | None
) -> None:
    """`spec/autoscaling.md` §4.5."""
    assert state_of(document) is state


@pytest.mark.looptime
async def test_a_frozen_pod_is_a_ready_pod() -> None:
    """That it is frozen changes nothing that the autoscaler would have to look at."""
    async with memory_cluster() as cluster:
        informers = Informers(cluster)
        told: list[Key] = []
        counter = PodCounter(informers.of(POD), told.append)
        tasks = TaskSet()
        informers.start(tasks)
        await informers.synced()
        document = pod("Running", "True")
        document["metadata"]["labels"] = {"serving.knative.dev/revision": "a"}
        await cluster.create(document)
        status = pod("Running", "True", frozen=True)["status"]
        await cluster.merge(POD, Key("default", "p"), {"status": status}, subresource="status")
        await asyncio.sleep(1)
        assert counter.counts(Key("default", "a")) == PodCounts(ready=1, frozen=1)
        assert len(told) <= 2, "once when it came, once when it was ready"
        await tasks.close()


def test_a_pod_belongs_to_the_revision_of_its_label() -> None:
    """Other pods are nobody's."""
    assert revision_of(pod()) is None


def decision(desired: int, at: float) -> Decision:
    decider = Decider(Parameters(target=1.0, panic_threshold=1e9), now=0, ready=0)
    return decider.decide(Load(desired, desired), now=at, ready=desired)


def test_history_keeps_changes_and_one_now_and_then() -> None:
    """Ten seconds of the same are one entry."""
    history = History()
    for second in range(0, 40, 2):
        history.add(Entry(float(second), decision(3 if second == 14 else 2, second), None))
    assert [entry.time for entry in history.entries()] == [0, 10, 14, 16, 26, 36]
    assert history.current is not None
    assert history.current.time == 38


def test_history_forgets_after_an_hour() -> None:
    """And is bounded whatever happens."""
    history = History()
    for second in range(0, 10_000, 5):
        history.add(Entry(float(second), decision(second % 7, second), None))
    entries = history.entries()
    assert entries[0].time >= 10_000 - 3600 - 5
    assert len(entries) <= 720


def test_many_active_revisions_share_the_memory() -> None:
    """Fewer entries each, further apart."""
    assert Budget.shared(1) == Budget(10.0, 720)
    shared = Budget.shared(3000)
    assert (shared.most, shared.spacing) == (10, 720.0)
    history = History()
    for second in range(100):
        history.add(Entry(float(second), decision(second % 7, second), None), shared)
    assert [entry.time for entry in history.entries()] == list(range(90, 100))


def test_what_became_of_a_decision_takes_its_place() -> None:
    """One entry, with the reasons of both."""
    history = History()
    made = decision(0, 1.0)
    history.add(Entry(1.0, made, None))
    history.add(Entry(1.0, made, Scaling(0, apply=True, reasons=(because("to-zero"),))))
    (entry,) = history.entries()
    assert [reason.code for reason in entry.reasons] == ["idle", "to-zero"]


def test_a_serverless_service_mirrors_its_autoscaler() -> None:
    """Target, protocol, mode and number; changed only where it differs."""
    autoscaler = revision("web").autoscaler
    autoscaler["metadata"]["annotations"] = {
        "autoscaling.knative.dev/metric": "rps",
        "autoscaling.knative.dev/min-scale": "1",
    }
    wanted = serverless_service_of(autoscaler, Mode.PROXY, 2)
    assert wanted["spec"] == {
        "mode": "Proxy",
        "objectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-d"},
        "numActivators": 2,
        "protocolType": "http1",
    }
    assert wanted["metadata"]["annotations"] == {"autoscaling.knative.dev/min-scale": "1"}
    assert wanted["metadata"]["ownerReferences"][0]["kind"] == "PodAutoscaler"
    assert serverless_service_update(wanted, wanted) is None
    changed = serverless_service_update(wanted, serverless_service_of(autoscaler, Mode.SERVE, 2))
    assert changed is not None
    assert changed["spec"]["mode"] == "Serve"
