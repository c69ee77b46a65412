"""`services/NAME/alerts` and its like: read-only, for whoever may read the object."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from utsuwa.apiserver import discovery
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import NODE, REVISION, SERVICE, Kind
from utsuwa.testing.apiserver import Serving, serving

SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"


class Source:
    """Something is wrong with everything that is called `bad`."""

    def alerts(self, kind: Kind, key: Key) -> Sequence[Document]:
        return [{"code": kind.name, "about": str(key)}] if key.name == "bad" else []


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path, alerts=Source()) as api:
        for name in ("bad", "good"):
            await api.cluster.create(SERVICE.document("default", name, spec={}))
            await api.cluster.create(NODE.document("", name))
        yield api


async def ask(session: Any, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    body = b"{}" if method in {"PUT", "PATCH", "POST"} else None
    async with session.request(method, path, data=body, headers=headers) as response:
        return response.status, json.loads(await response.read())


async def test_the_alerts_of_one_object(watched: Serving) -> None:
    status, told = await ask(watched.http, f"{SERVICES}/bad/alerts")
    assert (status, told["kind"], told["metadata"]["name"]) == (200, "Alerts", "bad")
    assert told["items"] == [{"code": "Service", "about": "default/bad"}]
    _, told = await ask(watched.http, f"{SERVICES}/good/alerts")
    assert told["items"] == []
    status, refused = await ask(watched.http, f"{SERVICES}/nobody/alerts")
    assert (status, refused["reason"]) == (404, "NotFound")


@pytest.mark.parametrize("path", [SERVICES, "/api/v1/nodes"])
async def test_a_dash_asks_for_all_that_have_any(watched: Serving, path: str) -> None:
    status, told = await ask(watched.http, f"{path}/-/alerts")
    assert (status, told["kind"]) == (200, "AlertsList")
    assert [one["metadata"]["name"] for one in told["items"]] == ["bad"]


async def test_where_nobody_watches_there_are_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        await api.cluster.create(SERVICE.document("default", "bad", spec={}))
        _, told = await ask(api.http, f"{SERVICES}/bad/alerts")
    assert told["items"] == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_nobody_writes_them(watched: Serving, method: str) -> None:
    status, _ = await ask(watched.http, f"{SERVICES}/bad/alerts", method)
    assert status == 405


def test_they_are_discovered() -> None:
    for kind in (SERVICE, REVISION, NODE):
        listed = discovery.api_resource_list(kind.api_version)
        assert listed is not None
        found = {one["name"]: one["verbs"] for one in listed["resources"]}
        assert found[f"{kind.plural}/alerts"] == ["get"]
