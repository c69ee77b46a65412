"""What every implementation of the port Cluster does, over each kind of storage."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.errors import (
    AlreadyExistsError,
    BadRequestError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    NotFoundError,
)
from utsuwa.cluster.port import (
    DeleteOptions,
    EventType,
    Key,
    Preconditions,
    Propagation,
    WatchEvent,
)
from utsuwa.kit.clock import SystemClock
from utsuwa.kit.documents import Document, copy
from utsuwa.kit.ids import Ids
from utsuwa.model.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, NODE, POD, SERVICE
from utsuwa.store import Store

HELLO = Key("default", "hello")


@pytest.fixture(params=["memory", "sqlite"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "state.db" if request.param == "sqlite" else None


@pytest_asyncio.fixture
async def cluster(path: Path | None) -> AsyncIterator[Embedded]:
    store = Store(path, history=50)
    await store.open()
    cluster = Embedded(store, clock=SystemClock(), ids=Ids(random.Random(5)))
    await cluster.create(NAMESPACE.document("", "default"))
    yield cluster
    await store.close()


def service(name: str = "hello", **spec: object) -> Document:
    return SERVICE.document("default", name, spec=spec)


def version(document: Document) -> int:
    return int(document["metadata"]["resourceVersion"])


async def next_event(events: AsyncIterator[WatchEvent]) -> WatchEvent:
    async with asyncio.timeout(5):
        return await anext(events)


async def test_what_was_created_can_be_read(cluster: Embedded) -> None:
    created = await cluster.create(service(x=1))
    assert await cluster.get(SERVICE, HELLO) == created
    assert (await cluster.list(SERVICE)).items == [created]


async def test_the_list_names_the_version_to_watch_from(cluster: Embedded) -> None:
    await cluster.create(service())
    listed = await cluster.list(SERVICE)
    events = cluster.watch(SERVICE, since=listed.resource_version)
    updated = await cluster.merge(SERVICE, HELLO, {"spec": {"x": 1}})
    event = await next_event(events)
    assert event.object == updated
    assert event.resource_version == version(updated) == cluster.resource_version


async def test_a_missing_object_is_not_found(cluster: Embedded) -> None:
    with pytest.raises(NotFoundError) as caught:
        await cluster.get(SERVICE, HELLO)
    assert caught.value.message == 'services.serving.knative.dev "hello" not found'
    assert (caught.value.name, caught.value.group, caught.value.kind) == (
        "hello", "serving.knative.dev", "services",
    )  # fmt: skip


async def test_a_missing_object_cannot_be_written(cluster: Embedded) -> None:
    with pytest.raises(NotFoundError):
        await cluster.update(service())
    with pytest.raises(NotFoundError):
        await cluster.update_status(service())
    with pytest.raises(NotFoundError):
        await cluster.merge(SERVICE, HELLO, {})
    with pytest.raises(NotFoundError):
        await cluster.delete(SERVICE, HELLO)


async def test_a_name_is_given_once(cluster: Embedded) -> None:
    await cluster.create(service())
    with pytest.raises(AlreadyExistsError) as caught:
        await cluster.create(service())
    assert caught.value.message == 'services.serving.knative.dev "hello" already exists'


async def test_of_many_creations_of_one_name_one_wins(cluster: Embedded) -> None:
    answers = await asyncio.gather(
        *(cluster.create(service(n=n)) for n in range(10)), return_exceptions=True
    )
    assert len([a for a in answers if isinstance(a, dict)]) == 1
    assert len([a for a in answers if isinstance(a, AlreadyExistsError)]) == 9


async def test_who_hears_that_it_exists_can_read_it(cluster: Embedded) -> None:
    """A refusal is told only when what it rests on is durable and visible."""

    async def create_or_get() -> Document:
        try:
            return await cluster.create(service())
        except AlreadyExistsError:
            return await cluster.get(SERVICE, HELLO)

    first, second = await asyncio.gather(create_or_get(), create_or_get())
    assert first == second


async def test_a_generated_name_that_is_taken_is_drawn_again(path: Path | None) -> None:
    class Repeating(Ids):
        def __init__(self) -> None:
            super().__init__(random.Random(1))
            self.suffixes = ["aaaaa", "aaaaa", "bbbbb"]

        def suffix(self, length: int = 5) -> str:
            return self.suffixes.pop(0)

    store = Store(path)
    await store.open()
    cluster = Embedded(store, clock=SystemClock(), ids=Repeating())
    await cluster.create(NAMESPACE.document("", "default"))
    document = SERVICE.document("default", "")
    document["metadata"]["generateName"] = "hello-"
    names = [(await cluster.create(document))["metadata"]["name"] for _ in range(2)]
    await store.close()
    assert names == ["hello-aaaaa", "hello-bbbbb"]


async def test_nothing_is_made_in_a_missing_namespace(cluster: Embedded) -> None:
    with pytest.raises(NotFoundError) as caught:
        await cluster.create(SERVICE.document("absent", "hello"))
    assert caught.value.message == 'namespaces "absent" not found'


async def test_nothing_is_made_in_a_namespace_that_ends(cluster: Embedded) -> None:
    await cluster.create(NAMESPACE.document("", "mine"))
    assert await cluster.delete(NAMESPACE, Key("", "mine")) is not None
    with pytest.raises(ForbiddenError, match="because it is being terminated"):
        await cluster.create(SERVICE.document("mine", "hello"))


async def test_a_kind_that_is_not_served_is_refused(cluster: Embedded) -> None:
    with pytest.raises(BadRequestError, match="no kind is served"):
        await cluster.create({"apiVersion": "v9", "kind": "Thing", "metadata": {"name": "x"}})


async def test_cluster_scoped_objects_have_no_namespace(cluster: Embedded) -> None:
    document = NODE.document("", "here")
    document["metadata"]["namespace"] = "default"
    created = await cluster.create(document)
    assert "namespace" not in created["metadata"]
    assert await cluster.get(NODE, Key("", "here")) == created


async def test_an_update_that_changes_nothing_makes_no_event(cluster: Embedded) -> None:
    created = await cluster.create(service(x=1))
    before = cluster.resource_version
    assert await cluster.update(copy(created)) == created
    assert await cluster.update_status(copy(created)) == created
    assert await cluster.merge(SERVICE, HELLO, {"spec": {"x": 1}}) == created
    assert cluster.resource_version == before


async def test_of_two_updates_from_one_version_one_wins(cluster: Embedded) -> None:
    created = await cluster.create(service(x=0))
    first, second = copy(created), copy(created)
    first["spec"]["x"], second["spec"]["x"] = 1, 2
    answers = await asyncio.gather(
        cluster.update(first), cluster.update(second), return_exceptions=True
    )
    assert isinstance(answers[0], dict)
    assert isinstance(answers[1], ConflictError)
    assert (await cluster.get(SERVICE, HELLO))["spec"] == {"x": 1}


async def test_merges_that_race_all_count(cluster: Embedded) -> None:
    await cluster.create(service())
    await asyncio.gather(
        *(cluster.merge(SERVICE, HELLO, {"spec": {f"k{n}": n}}) for n in range(20))
    )
    stored = await cluster.get(SERVICE, HELLO)
    assert len(stored["spec"]) == 20
    assert stored["metadata"]["generation"] == 21


async def test_transforms_that_race_all_count(cluster: Embedded) -> None:
    await cluster.create(service(n=0))

    def one_more(document: Document) -> Document:
        document["spec"]["n"] += 1
        return document

    await asyncio.gather(*(cluster.transform(SERVICE, HELLO, one_more) for _ in range(20)))
    assert (await cluster.get(SERVICE, HELLO))["spec"] == {"n": 20}


async def test_a_transform_that_raises_writes_nothing(cluster: Embedded) -> None:
    created = await cluster.create(service(n=0))

    def spoil(document: Document) -> Document:
        document["spec"]["n"] = 1
        raise BadRequestError("no")

    with pytest.raises(BadRequestError):
        await cluster.transform(SERVICE, HELLO, spoil)
    assert await cluster.get(SERVICE, HELLO) == created


async def test_status_and_spec_are_written_apart(cluster: Embedded) -> None:
    created = await cluster.create(service(x=1))
    change: Document = {**copy(created), "spec": {"x": 2}, "status": {"url": "http://x"}}
    await cluster.update_status(change)
    after = await cluster.get(SERVICE, HELLO)
    assert (after["spec"], after["status"]) == ({"x": 1}, {"url": "http://x"})
    del change["metadata"]["resourceVersion"]
    await cluster.update({**change, "status": {"url": "other"}})
    after = await cluster.get(SERVICE, HELLO)
    assert (after["spec"], after["status"]) == ({"x": 2}, {"url": "http://x"})


async def test_a_deployment_is_scaled(cluster: Embedded) -> None:
    await cluster.create(DEPLOYMENT.document("default", "d", spec={"replicas": 1}))
    patch = {"spec": {"replicas": 0}}
    scaled = await cluster.merge(DEPLOYMENT, Key("default", "d"), patch, subresource="scale")
    assert scaled["spec"] == {"replicas": 0}


async def test_a_dry_run_answers_and_stores_nothing(cluster: Embedded) -> None:
    before = cluster.resource_version
    assert (await cluster.create(service(), dry_run=True))["metadata"]["uid"]
    with pytest.raises(NotFoundError):
        await cluster.get(SERVICE, HELLO)
    assert cluster.resource_version == before
    created = await cluster.create(service(x=1))
    changed = await cluster.update({**copy(created), "spec": {"x": 2}}, dry_run=True)
    assert changed["spec"] == {"x": 2}
    assert await cluster.delete(SERVICE, HELLO, DeleteOptions(dry_run=True)) is None
    assert await cluster.get(SERVICE, HELLO) == created


async def test_lists_are_narrowed_by_namespace_and_labels(cluster: Embedded) -> None:
    await cluster.create(NAMESPACE.document("", "other"))
    for namespace, name, labels in (
        ("default", "a", {"x": "1", "y": "1"}), ("default", "b", {"x": "2"}),
        ("other", "c", {"x": "1"}),
    ):  # fmt: skip
        document = CONFIG_MAP.document(namespace, name)
        document["metadata"]["labels"] = labels
        await cluster.create(document)

    async def names(namespace: str = "", **labels: str) -> list[str]:
        listed = await cluster.list(CONFIG_MAP, namespace, labels=labels)
        return [item["metadata"]["name"] for item in listed.items]

    assert await names() == ["a", "b", "c"]
    assert await names("default") == ["a", "b"]
    assert await names(x="1") == ["a", "c"]
    assert await names("default", x="1", y="1") == ["a"]


async def test_a_watch_tells_each_change_once_in_order(cluster: Embedded) -> None:
    events = cluster.watch(SERVICE, since=cluster.resource_version)
    await cluster.create(service())
    await cluster.merge(SERVICE, HELLO, {"spec": {"x": 1}})
    await cluster.delete(SERVICE, HELLO)
    seen = [await next_event(events) for _ in range(3)]
    assert [event.type for event in seen] == [
        EventType.ADDED, EventType.MODIFIED, EventType.DELETED,
    ]  # fmt: skip
    assert seen[2].object["spec"] == {"x": 1}
    assert [version(event.object) for event in seen] == [e.resource_version for e in seen]
    assert seen[0].previous is None
    assert seen[1].previous == seen[0].object


async def test_a_watch_of_a_namespace_sees_no_other(cluster: Embedded) -> None:
    await cluster.create(NAMESPACE.document("", "other"))
    events = cluster.watch(CONFIG_MAP, "other", since=cluster.resource_version)
    await cluster.create(CONFIG_MAP.document("default", "a"))
    await cluster.create(CONFIG_MAP.document("other", "b"))
    assert (await next_event(events)).object["metadata"]["name"] == "b"


async def test_a_watch_from_too_long_ago_is_expired(cluster: Embedded) -> None:
    since = cluster.resource_version
    await cluster.create(service())
    for number in range(60):
        await cluster.merge(SERVICE, HELLO, {"spec": {"n": number}})
    with pytest.raises(ExpiredError, match="too old resource version"):
        await anext(cluster.watch(SERVICE, since=since))


async def test_a_finalizer_holds_a_deleted_object(cluster: Embedded) -> None:
    document = service()
    document["metadata"]["finalizers"] = ["example.com/hold"]
    await cluster.create(document)
    kept = await cluster.delete(SERVICE, HELLO)
    assert kept is not None
    assert "deletionTimestamp" in kept["metadata"]
    events = cluster.watch(SERVICE, since=cluster.resource_version)
    await cluster.merge(SERVICE, HELLO, {"metadata": {"finalizers": None}})
    assert (await next_event(events)).type is EventType.DELETED
    with pytest.raises(NotFoundError):
        await cluster.get(SERVICE, HELLO)


async def test_a_foreground_delete_waits_for_the_collector(cluster: Embedded) -> None:
    await cluster.create(service())
    kept = await cluster.delete(SERVICE, HELLO, DeleteOptions(Propagation.FOREGROUND))
    assert kept is not None
    assert kept["metadata"]["finalizers"] == ["foregroundDeletion"]


async def test_a_bound_pod_stays_until_it_is_deleted_without_grace(cluster: Embedded) -> None:
    await cluster.create(POD.document("default", "p", spec={}))
    await cluster.merge(POD, Key("default", "p"), {"spec": {"nodeName": "here"}})
    kept = await cluster.delete(POD, Key("default", "p"))
    assert kept is not None
    assert kept["metadata"]["deletionGracePeriodSeconds"] == 30
    again = await cluster.delete(POD, Key("default", "p"), DeleteOptions(grace_seconds=0))
    assert again is None


async def test_a_delete_of_another_incarnation_is_refused(cluster: Embedded) -> None:
    await cluster.create(service())
    with pytest.raises(ConflictError):
        await cluster.delete(
            SERVICE, HELLO, DeleteOptions(preconditions=Preconditions(uid="other"))
        )


async def test_what_is_handed_in_is_copied(cluster: Embedded) -> None:
    document = service(list=[1])
    await cluster.create(document)
    document["spec"]["list"].append(2)
    assert (await cluster.get(SERVICE, HELLO))["spec"] == {"list": [1]}
    patch: Document = {"status": {"conditions": [{"type": "Ready"}]}}
    await cluster.merge(SERVICE, HELLO, patch, subresource="status")
    patch["status"]["conditions"][0]["type"] = "Broken"
    stored = await cluster.get(SERVICE, HELLO)
    assert stored["status"] == {"conditions": [{"type": "Ready"}]}
