"""Watches over HTTP: where they begin, what they tell, and how they end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.paths import Target
from utsuwa.apiserver.ports import User
from utsuwa.apiserver.watch import Selected
from utsuwa.cluster.errors import ExpiredError
from utsuwa.cluster.port import EventType, Key, WatchEvent
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CONFIG_MAP, POD
from utsuwa.testing.apiserver import Serving

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


class Watching:
    """The lines of one watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def event(self) -> tuple[str, Document]:
        async with asyncio.timeout(5):
            line = await self.response.content.readline()
        assert line, "the watch ended"
        event = json.loads(line)
        return event["type"], event["object"]

    async def told(self) -> tuple[str, str]:
        """The type of the next event and the name of its object."""
        kind, document = await self.event()
        return kind, document["metadata"]["name"]

    async def ended(self) -> bool:
        async with asyncio.timeout(5):
            return await self.response.content.readline() == b""


@asynccontextmanager
async def watching(
    api: Serving, path: str = MAPS, headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[Watching]:
    parameters = {"watch": "true", **{key: str(value) for key, value in query.items()}}
    async with api.http.get(path, params=parameters, headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Watching(response)


def config(name: str, **labels: str) -> Document:
    document = CONFIG_MAP.document("default", name, data={})
    document["metadata"]["labels"] = labels
    return document


async def label(api: Serving, name: str, value: str) -> None:
    patch = {"metadata": {"labels": {"l": value}}}
    await api.cluster.merge(CONFIG_MAP, Key("default", name), patch)


async def test_a_watch_without_version_begins_with_what_is(api: Serving) -> None:
    """Synthetic ADDED, then changes (the Python client relies on it)."""
    await api.cluster.create(config("a"))
    for version in ("", "0"):
        async with watching(api, resourceVersion=version) as watch:
            assert await watch.told() == ("ADDED", "a")
            await label(api, "a", f"v{version}")
            assert await watch.told() == ("MODIFIED", "a")
    async with watching(api, resourceVersion=api.cluster.resource_version) as watch:
        await api.cluster.delete(CONFIG_MAP, Key("default", "a"))
        assert await watch.told() == ("DELETED", "a")


async def test_a_watch_from_a_version_tells_only_what_followed(api: Serving) -> None:
    """From history, then live, in order."""
    await api.cluster.create(config("a"))
    version = api.cluster.resource_version
    await api.cluster.create(config("b"))
    async with watching(api, resourceVersion=version) as watch:
        assert await watch.told() == ("ADDED", "b")
        await api.cluster.create(config("c"))
        assert await watch.told() == ("ADDED", "c")


async def test_one_object_is_watched_by_its_name(api: Serving) -> None:
    """`fieldSelector=metadata.name=N`: what kubectl and kn send."""
    async with watching(api, fieldSelector="metadata.name=b") as watch:
        await api.cluster.create(config("a"))
        await api.cluster.create(config("b"))
        assert await watch.told() == ("ADDED", "b")


async def test_objects_enter_and_leave_a_selection(api: Serving) -> None:
    """ADDED when they enter, DELETED when they leave; others are never told."""
    await api.cluster.create(config("a", l="x"))
    await api.cluster.create(config("b", l="y"))
    async with watching(api, labelSelector="l=x") as watch:
        assert await watch.told() == ("ADDED", "a")
        await label(api, "b", "z")
        await label(api, "b", "x")
        assert await watch.told() == ("ADDED", "b")
        await label(api, "a", "y")
        assert await watch.told() == ("DELETED", "a")
        await api.cluster.delete(CONFIG_MAP, Key("default", "b"))
        assert await watch.told() == ("DELETED", "b")


async def test_tables_are_watched_row_by_row(api: Serving) -> None:
    """`kubectl get -w`: columns in the first event only."""
    await api.cluster.create(config("a"))
    async with watching(api, headers=TABLE) as watch:
        _, first = await watch.event()
        assert (first["kind"], first["rows"][0]["cells"][0]) == ("Table", "a")
        assert first["columnDefinitions"]
        await api.cluster.create(config("b"))
        _, second = await watch.event()
        assert second["rows"][0]["cells"][0] == "b"
        assert second["columnDefinitions"] is None


async def test_initial_events_end_with_a_bookmark(api: Serving) -> None:
    """`sendInitialEvents=true`, as newer informers start."""
    await api.cluster.create(config("a"))
    query: dict[str, Any] = {
        "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }  # fmt: skip
    async with watching(api, **query) as watch:
        assert await watch.told() == ("ADDED", "a")
        kind, document = await watch.event()
        assert kind == "BOOKMARK"
        metadata = document["metadata"]
        assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert metadata["resourceVersion"] == str(api.cluster.resource_version)


async def test_initial_events_need_their_other_options(api: Serving) -> None:
    """422 on that field, upon which informers list and watch as before."""
    async with api.http.get(MAPS, params={"watch": "1", "sendInitialEvents": "true"}) as response:
        assert response.status == 422
        told = await response.json()
    assert told["details"]["causes"][0]["field"] == "sendInitialEvents"


async def test_a_watch_ends_at_its_timeout(api: Serving) -> None:
    """Cleanly."""
    async with watching(api, timeoutSeconds=1) as watch:
        assert await watch.ended()


async def test_a_watch_ends_when_the_server_closes(api: Serving) -> None:
    """Cleanly, not by a reset."""
    async with watching(api) as watch:
        await api.server.close()
        assert await watch.ended()


async def test_a_version_from_the_future_is_expired(api: Serving) -> None:
    """The client saw another cluster: 410 makes it list again."""
    version = api.cluster.resource_version + 1000
    async with api.http.get(MAPS, params={"watch": "1", "resourceVersion": version}) as response:
        assert response.status == 410
        assert (await response.json())["reason"] == "Expired"


async def test_a_reader_that_falls_behind_is_told_410(api: Serving) -> None:
    """As an ERROR event, because the answer has begun."""

    class Lost:
        def __aiter__(self) -> "Lost":
            return self

        async def __anext__(self) -> WatchEvent:
            raise ExpiredError("too old resource version: 1 (2)")

    api.cluster.watch = lambda *_, **__: Lost()  # type: ignore[method-assign]  # needs 10,000 writes else
    async with watching(api) as watch:
        kind, status = await watch.event()
        assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        assert await watch.ended()


@pytest.mark.slow
async def test_a_client_that_stalls_is_told_410_once_it_reads_again(api: Serving) -> None:
    """Over a real connection: what it did not take is not kept beyond 8 MiB, and never sent late."""
    async with watching(api) as stalled:
        for number in range(48):
            await api.cluster.create({**config(f"m{number}"), "data": {"big": "x" * 500_000}})
        async with asyncio.timeout(10):
            lines = (await stalled.response.content.read()).splitlines()
    told = [json.loads(line) for line in lines]
    assert [event["type"] for event in told] == ["ADDED"] * (len(told) - 1) + ["ERROR"]
    assert (told[-1]["object"]["code"], told[-1]["object"]["reason"]) == (410, "Expired")
    assert len(told) < 48


async def test_clients_that_leave_are_noticed(api: Serving) -> None:
    """Their watches end; nothing of them stays."""
    before = repr(api.cluster)
    async with watching(api) as watch:
        assert repr(api.cluster) != before
        watch.response.close()
    for _ in range(100):
        if repr(api.cluster) == before:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the watch goes on: {before} became {api.cluster!r}")


def test_a_resumed_watch_knows_who_was_selected() -> None:
    """By the object's previous state: it never told the client of it itself."""
    selected = Selected(Call(User("u"), Target(POD), {"fieldSelector": "status.phase=Running"}))

    def change(before: str, after: str) -> str | None:
        old = {**POD.document("d", "p"), "status": {"phase": before}}
        new = {**POD.document("d", "p"), "status": {"phase": after}}
        return selected.judge(WatchEvent(EventType.MODIFIED, new, 2, old))

    assert change("Running", "Failed") == "DELETED"
    assert change("Failed", "Pending") is None
    assert change("Pending", "Running") == "ADDED"
    assert change("Running", "Running") == "MODIFIED"


@pytest.mark.slow
async def test_a_client_that_takes_nothing_is_cut_off(
    api: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hold memory for ever; it never blocks anybody else."""
    monkeypatch.setattr("utsuwa.apiserver.watch._STALLED_SECONDS", 0.2)
    big = "x" * 500_000
    parameters = {"watch": "true"}
    async with api.http.get(MAPS, params=parameters) as stalled, watching(api) as reader:
        for number in range(20):
            document = {**config(f"m{number}"), "data": {"big": big}}
            await api.cluster.create(document)
        for number in range(20):
            assert await reader.told() == ("ADDED", f"m{number}")
        await asyncio.sleep(0.5)  # to take nothing for a while is what is tested
        with pytest.raises(aiohttp.ClientError):
            await stalled.read()
