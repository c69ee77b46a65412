"""What becomes of objects whose owners go, of namespaces that end, and of old Revisions, row by
row (`spec/kubernetes-api.md` §5, `spec/reconcilers.md` §8)."""

from collections.abc import Awaitable, Callable

import pytest

from utsuwa.cluster.informer import ChangeHandler
from utsuwa.cluster.port import DeleteOptions, Key, Propagation
from utsuwa.controllers.framework import Context
from utsuwa.controllers.garbage.collector import Collector
from utsuwa.controllers.garbage.graph import Graph
from utsuwa.controllers.garbage.namespaces import NamespaceEnd
from utsuwa.controllers.revision_gc import RevisionCollector
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CONFIG_MAP, CONFIGURATION, KINDS, NAMESPACE, REVISION, Kind
from utsuwa.model.meta import owner_reference
from utsuwa.testing.resilience import survive
from utsuwa.testing.serving_objects import a_service, put_configuration, put_revision, works
from utsuwa.testing.tables import Row, Stage, check, play

pytestmark = pytest.mark.looptime


def a_map(name: str, *owners: Document, **metadata: object) -> Document:
    document = CONFIG_MAP.document("default", name, data={})
    document["metadata"] |= {
        **metadata,
        "ownerReferences": [owner_reference(one) for one in owners],
    }
    return document


def _follow(graph: Graph, kind: Kind) -> ChangeHandler:
    def changed(old: Document | None, new: Document | None) -> None:
        graph.changed(kind, old, new)

    return changed


def make(context: Context, stage: Stage) -> Collector:
    graph = Graph()
    for kind in KINDS:
        context.informers.of(kind).on_change(_follow(graph, kind))
    return Collector(CONFIG_MAP, context.cluster, graph)


def make_end(context: Context, stage: Stage) -> NamespaceEnd:
    return NamespaceEnd(context.cluster, context.informers, context.clock)


def make_revisions(context: Context, stage: Stage) -> RevisionCollector:
    return RevisionCollector(context)


async def orphaned(stage: Stage) -> None:
    """Its owner has never been there, or is long gone."""
    owner = a_map("owner")
    owner["metadata"]["uid"] = "gone"
    await stage.put(a_map("hello", owner))


async def owned(stage: Stage) -> None:
    await stage.put(a_map("hello", await stage.put(a_map("owner"))))


async def another_of_the_name(stage: Stage) -> None:
    owner = await stage.put(a_map("owner"))
    owner = {**owner, "metadata": {**owner["metadata"], "uid": "another"}}
    await stage.put(a_map("hello", owner))


async def half_owned(stage: Stage) -> None:
    """One of two owners is gone."""
    gone = a_map("gone")
    gone["metadata"]["uid"] = "gone"
    document = a_map("hello", await stage.put(a_map("owner")), gone)
    document["metadata"]["ownerReferences"][1]["controller"] = False
    await stage.put(document)


def ends(propagation: Propagation, *, dependents: int) -> Callable[[Stage], Awaitable[None]]:
    """`hello` is deleted so, and owns so many."""

    async def given(stage: Stage) -> None:
        owner = await stage.put(a_map("hello"))
        for number in range(dependents):
            await stage.put(a_map(f"child-{number}", owner))
        options = DeleteOptions(propagation=propagation)
        await stage.cluster.delete(CONFIG_MAP, Key("default", "hello"), options)

    return given


def ending(*maps: str) -> Callable[[Stage], Awaitable[None]]:
    """The namespace `team` is deleted, with so many ConfigMaps in it."""

    async def given(stage: Stage) -> None:
        await stage.put(NAMESPACE.document("", "team"))
        for name in maps:
            await stage.put(CONFIG_MAP.document("team", name, data={}))
        await stage.cluster.delete(NAMESPACE, Key("", "team"))

    return given


async def living(stage: Stage) -> None:
    await stage.put(a_map("hello"))


async def old_revisions(stage: Stage) -> None:
    """Three Revisions; nothing leads to the first two."""
    configuration = await put_configuration(
        stage, await stage.put(a_service()), created="hello-00003", ready="hello-00003"
    )
    for number, state in (("1", "reserve"), ("2", "reserve"), ("3", "active")):
        name = f"hello-0000{number}"
        stored = await put_revision(stage, configuration, works, name=name, state=state)
        label = {"labels": {"serving.knative.dev/configurationGeneration": number}}
        key = Key("default", name)
        await stage.cluster.merge(REVISION, key, {"metadata": label})
        assert stored["metadata"]["name"] == name


async def ending_configuration(stage: Stage) -> None:
    await old_revisions(stage)
    key = Key("default", "hello")
    await stage.cluster.delete(CONFIGURATION, key, DeleteOptions(Propagation.FOREGROUND))


AT_ONCE = {
    "config-gc": {
        "min-non-active-revisions": "0",
        "max-non-active-revisions": "1",
        "retain-since-create-time": "disabled",
        "retain-since-last-active-time": "disabled",
    }
}
IN_AN_HOUR = {
    "config-gc": {"min-non-active-revisions": "1", "retain-since-create-time": "1h"},
}

OWNERSHIP = [
    Row("whose owner is gone goes", orphaned, writes=["delete ConfigMap hello"]),
    Row("whose owner lives stays", owned),
    Row(
        "an owner's name does not make an owner",
        another_of_the_name,
        writes=["delete ConfigMap hello"],
    ),
    Row(
        "of two owners the one that is gone is struck off",
        half_owned,
        writes=["merge ConfigMap hello"],
    ),
    Row(
        "in the foreground dependents go first",
        ends(Propagation.FOREGROUND, dependents=2),
        writes=["delete ConfigMap child-0", "delete ConfigMap child-1"],
    ),
    Row(
        "in the foreground, with no dependents left, it goes",
        ends(Propagation.FOREGROUND, dependents=0),
        writes=["merge ConfigMap hello"],
    ),
    Row(
        "orphans are set free before their owner goes",
        ends(Propagation.ORPHAN, dependents=2),
        writes=["merge ConfigMap child-0", "merge ConfigMap child-1", "merge ConfigMap hello"],
    ),
]
NAMESPACES = [
    Row("a namespace that lives is left alone", living, name="default", namespace=""),
    Row(
        "what is in a namespace goes first, then the namespace",
        ending("one", "two"),
        writes=[
            "delete ConfigMap one",
            "delete ConfigMap two",
            'merge Namespace team {"spec":{"finalizers":null}}',
        ],
        name="team",
        namespace="",
    ),
    Row(
        "an empty one goes",
        ending(),
        writes=['merge Namespace team {"spec":{"finalizers":null}}'],
        name="team",
        namespace="",
    ),
]
REVISIONS = [
    Row("within the defaults nothing goes", old_revisions),
    Row(
        "beyond the most the oldest goes",
        old_revisions,
        writes=["delete Revision hello-00001"],
        settings=AT_ONCE,
    ),
    Row(
        "what is not stale yet is looked at when it will be",
        old_revisions,
        again=15 * 3600.0,
        settings=IN_AN_HOUR,
    ),
    Row("a Configuration that goes takes its own along", ending_configuration, settings=AT_ONCE),
]


@pytest.mark.parametrize("row", OWNERSHIP, ids=lambda row: row.rule)
async def test_ownership_rows(row: Row) -> None:
    outcome = await play(row, make)
    assert outcome.error is None
    assert [" ".join(line.split()[:3]) for line in outcome.writes] == row.writes  # uids vary


@pytest.mark.parametrize("row", NAMESPACES, ids=lambda row: row.rule)
async def test_namespace_rows(row: Row) -> None:
    await check(row, make_end)


@pytest.mark.parametrize("row", REVISIONS, ids=lambda row: row.rule)
async def test_revision_gc_rows(row: Row) -> None:
    await check(row, make_revisions)


@pytest.mark.parametrize("row", OWNERSHIP, ids=lambda row: row.rule)
async def test_ownership_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)


@pytest.mark.parametrize("row", NAMESPACES, ids=lambda row: row.rule)
async def test_namespace_end_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make_end)


@pytest.mark.parametrize("row", REVISIONS, ids=lambda row: row.rule)
async def test_revision_gc_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make_revisions)
