"""`services/NAME/logs`: all that a Service wrote, for whoever may read the logs of pods."""

import json
from pathlib import Path
from typing import Any

import pytest

from utsuwa.model.kinds import ROLE_BINDING, SERVICE
from utsuwa.testing.apiserver import Serving

LOGS = "/apis/serving.knative.dev/v1/namespaces/default/services/web/logs"
SAID = ('{"severity":"ERROR","message":"bad"}', "plain")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Of a pod that is gone, of a service that is gone."""
    log = tmp_path / "logs" / "default" / "web-00001-deployment-1-a_u" / "main" / "0.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"{text}\n" for text in SAID))
    return tmp_path


async def ask(api: Serving, **query: Any) -> tuple[int, str]:
    async with api.http.get(LOGS, params=query) as response:
        return response.status, await response.text()


async def test_lines_come_parsed(api: Serving, root: Path) -> None:
    """One object a line; those that fit."""
    assert root.exists()
    status, text = await ask(api)
    lines = [json.loads(line) for line in text.splitlines()]
    assert status == 200
    assert [line["message"] for line in lines] == ["bad", "plain"]
    assert {line["pod"] for line in lines} == {"web-00001-deployment-1-a"}
    assert len((await ask(api, level="warning"))[1].splitlines()) == 1
    assert (await ask(api, tailLines=1, format="text")) == (200, "plain\n")
    assert (await ask(api, requests="only")) == (200, "")
    sources = json.loads((await ask(api, sources="true"))[1])["items"]
    assert [(one["revision"], one["alive"]) for one in sources] == [("web-00001", False)]


@pytest.mark.parametrize(
    "query", [{"level": "loud"}, {"requests": "some"}, {"tailLines": "x"}, {"sinceTime": "now"}]
)
async def test_what_makes_no_sense_is_refused(
    api: Serving, root: Path, query: dict[str, str]
) -> None:
    """With the parameter and what was expected."""
    assert root.exists()
    status, text = await ask(api, **query)
    assert (status, next(iter(query)) in text) == (400, True)


async def test_a_service_that_never_was_is_not_found(api: Serving) -> None:
    """One that has not written anything has an empty log."""
    assert (await ask(api))[0] == 404
    await api.cluster.create(SERVICE.document("default", "web", spec={}))
    assert await ask(api) == (200, "")


async def test_who_may_read_logs_of_pods_may_read_them(api: Serving, root: Path) -> None:
    """And nobody else."""
    assert root.exists()
    binding = ROLE_BINDING.document(
        "default", "eve",
        subjects=[{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}],
        roleRef={"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"},
    )  # fmt: skip
    async with api.session("eve") as eve:
        async with eve.get(LOGS) as response:
            assert response.status == 403
            assert "pods/log" in (await response.json())["message"]
        await api.cluster.create(binding)
        for _ in range(200):
            async with eve.get(LOGS) as response:
                status = response.status
            if status == 200:
                break
        assert status == 200
