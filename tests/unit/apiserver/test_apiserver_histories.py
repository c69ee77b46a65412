"""`services/NAME/history`: read-only, for whoever may read the service."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from utsuwa.apiserver import discovery
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import NAMESPACE, REVISION, SERVICE, Kind
from utsuwa.testing.apiserver import Serving, serving

SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"
REVISIONS = "/apis/serving.knative.dev/v1/namespaces/default/revisions"


class Source:
    """Tells what it was asked."""

    steps = (1, 60)

    async def history(
        self, kind: Kind, key: Key, *, step: int, since: int | None, born: int, parts: bool
    ) -> Document:
        return {"kindAsked": kind.name, "step": step, "since": since, "parts": parts, "born": born}


@pytest.fixture
async def remembering(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path, history=Source()) as api:
        await api.cluster.create(SERVICE.document("default", "web", spec={}))
        await api.cluster.create(REVISION.document("default", "web-00001", spec={}))
        yield api


async def ask(session: Any, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    body = b"{}" if method in {"PUT", "PATCH", "POST"} else None
    async with session.request(method, path, data=body, headers=headers) as response:
        return response.status, json.loads(await response.read())


async def test_the_history_of_a_service_and_of_a_revision(remembering: Serving) -> None:
    """With what is asked for passed on, and the time since which the object is there."""
    http = remembering.http
    status, told = await ask(http, f"{SERVICES}/web/history?step=60&since=5&revisions=true")
    assert (status, told["kind"], told["metadata"]["name"]) == (200, "History", "web")
    assert (told["step"], told["since"], told["parts"]) == (60, 5, True)
    assert told["born"] > 0
    _, plain = await ask(http, f"{REVISIONS}/web-00001/history")
    assert (plain["kindAsked"], plain["step"], plain["since"]) == ("Revision", 1, None)


async def test_a_dash_asks_for_all_in_the_namespace(remembering: Serving) -> None:
    """So that one request a second shows them all."""
    status, told = await ask(remembering.http, f"{SERVICES}/-/history")
    assert (status, told["kind"]) == (200, "HistoryList")
    assert [item["metadata"]["name"] for item in told["items"]] == ["web"]


async def test_what_there_is_not_is_refused(remembering: Serving) -> None:
    """Objects, and distances between points."""
    http = remembering.http
    assert (await ask(http, f"{SERVICES}/nobody/history"))[0] == 404
    status, told = await ask(http, f"{SERVICES}/web/history?step=7")
    assert status == 400
    assert "expected 1 or 60, found 7" in told["message"]
    assert (await ask(http, f"{SERVICES}/web/history?since=yesterday"))[0] == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_history_cannot_be_written(remembering: Serving, method: str) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    status, _ = await ask(remembering.http, f"{SERVICES}/web/history", method, **headers)
    assert status == 405


async def test_who_may_read_the_service_may_read_its_history(remembering: Serving) -> None:
    """No right of its own is needed, and none helps."""
    cluster = remembering.cluster
    await cluster.create(NAMESPACE.document("", "other"))
    from utsuwa.model.kinds import ROLE_BINDING

    binding = ROLE_BINDING.document(
        "default", "eve",
        subjects=[{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}],
        roleRef={"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"},
    )  # fmt: skip
    async with remembering.session("eve") as eve:
        assert (await ask(eve, f"{SERVICES}/web/history"))[0] == 403
        assert (await ask(eve, f"{SERVICES}/-/history"))[0] == 403
        await cluster.create(binding)
        for _ in range(200):
            status, _ = await ask(eve, f"{SERVICES}/web/history")
            if status == 200:
                break
        assert status == 200
        assert (await ask(eve, f"{SERVICES}/-/history"))[0] == 200


async def test_without_a_recorder_there_is_none(api: Serving) -> None:
    await api.cluster.create(SERVICE.document("default", "web", spec={}))
    status, told = await ask(api.http, f"{SERVICES}/web/history")
    assert status == 404
    assert "nothing is recorded" in told["message"]


def test_both_are_discovered_as_what_can_only_be_read() -> None:
    listed = discovery.api_resource_list("serving.knative.dev/v1")
    assert listed is not None
    subs = {one["name"]: one["verbs"] for one in listed["resources"]}
    assert subs["services/history"] == ["get"]
    assert subs["revisions/history"] == ["get"]
