"""The control API as gcloud calls it, over a cluster in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.port import Key
from utsuwa.gke import Facts, GkeApi, Records, Rights
from utsuwa.gke.records import KEY, OPERATIONS_KEPT
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.ids import Ids
from utsuwa.model.kinds import CONFIG_MAP, NAMESPACE
from utsuwa.testing.cluster import memory_cluster

FACTS = Facts(
    endpoint="127.0.0.2", authority="Q0E=", certificate="Q0VSVA==", key="S0VZ",
    version="1.32.0+utsuwa.test", cpus=2, memory_mib=7951,
)  # fmt: skip
ZONE = "/v1/projects/utsuwa/locations/us-central1-a"
CLUSTERS = ZONE + "/clusters"
TOKEN = "good"
RIGHTS = {TOKEN: Rights.ALL, "other": Rights.SOME}


class Gke:
    """A client with a token, and what is behind the API."""

    def __init__(self, client: "TestClient[Any, Any]", cluster: Embedded) -> None:
        self._client = client
        self.cluster = cluster

    async def call(
        self, method: str, path: str, body: object = None, token: str = TOKEN
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._client.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def ok(self, method: str, path: str, body: object = None) -> Any:
        code, told = await self.call(method, path, body)
        assert code == 200, told
        return told

    async def create(self, name: str = "c-run", **asked: Any) -> Any:
        return await self.ok("POST", CLUSTERS, {"cluster": {"name": name, **asked}})


async def facts() -> Facts:
    return FACTS


@asynccontextmanager
async def serving(cluster: Embedded) -> AsyncIterator[Gke]:
    api = GkeApi(
        Records(cluster), facts, rights=lambda token: RIGHTS.get(token, Rights.NONE),
        clock=LoopClock(), ids=Ids(),
    )  # fmt: skip
    async with TestClient(TestServer(api.app)) as client:
        yield Gke(client, cluster)


@pytest.fixture
async def gke() -> AsyncIterator[Gke]:
    async with memory_cluster() as cluster:
        await cluster.create(NAMESPACE.document("", KEY.namespace))
        async with serving(cluster) as found:
            yield found


async def test_a_cluster_is_created_described_listed_and_deleted(gke: Gke) -> None:
    """Its operation is done at once, and has the links without which gcloud crashes."""
    operation = await gke.create(addonsConfig={"istioConfig": {"disabled": False}})
    assert operation["status"] == "DONE"
    assert operation["targetLink"].endswith(CLUSTERS + "/c-run")
    seen = await gke.ok("GET", f"{ZONE}/operations/{operation['name']}")
    assert seen == operation

    told = await gke.ok("GET", CLUSTERS + "/c-run")
    assert (told["status"], told["endpoint"], told["currentNodeCount"]) == (
        "RUNNING", "127.0.0.2", 1,
    )  # fmt: skip
    assert told["masterAuth"]["clusterCaCertificate"] == "Q0E="
    assert told["addonsConfig"] == {
        "istioConfig": {"disabled": False}, "cloudRunConfig": {"disabled": False},
    }  # fmt: skip
    everywhere = await gke.ok("GET", "/v1/projects/utsuwa/locations/-/clusters")
    assert [found["name"] for found in everywhere["clusters"]] == ["c-run"]

    deleted = await gke.ok("DELETE", CLUSTERS + "/c-run")
    assert (deleted["operationType"], deleted["status"]) == ("DELETE_CLUSTER", "DONE")
    assert await gke.ok("GET", CLUSTERS) == {}
    assert (await gke.call("GET", CLUSTERS + "/c-run"))[0] == 404


async def test_machines_are_as_they_are_and_not_as_asked_for(gke: Gke) -> None:
    pools = [{"name": "default-pool", "config": {"machineType": "n1-standard-4"}}]
    await gke.create(nodePools=pools, initialClusterVersion="latest")
    told = await gke.ok("GET", CLUSTERS + "/c-run")
    assert [pool["config"]["machineType"] for pool in told["nodePools"]] == ["custom-2-7951"]
    assert told["initialClusterVersion"] == "1.32.0+utsuwa.test"


async def test_creating_it_again_changes_nothing(gke: Gke) -> None:
    await gke.create()
    before = await gke.ok("GET", CLUSTERS + "/c-run")
    await gke.create()
    assert await gke.ok("GET", CLUSTERS + "/c-run") == before


async def test_a_second_name_is_refused_with_what_to_do(gke: Gke) -> None:
    await gke.create()
    code, told = await gke.call("POST", CLUSTERS, {"cluster": {"name": "other"}})
    assert (code, told["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert "gcloud container clusters delete c-run" in told["error"]["message"]


async def test_what_was_created_outlives_the_api(gke: Gke) -> None:
    """State is an object of the cluster like any other."""
    operation = await gke.create()
    async with serving(gke.cluster) as later:
        assert (await later.ok("GET", CLUSTERS + "/c-run"))["name"] == "c-run"
        listed = await later.ok("GET", "/v1/projects/utsuwa/locations/-/operations")
        assert [found["name"] for found in listed["operations"]] == [operation["name"]]


async def test_the_key_is_in_the_description_alone(gke: Gke) -> None:
    """`get-credentials` needs it there; a list and what is stored do not have it."""
    await gke.create()
    assert (await gke.ok("GET", CLUSTERS + "/c-run"))["masterAuth"]["clientKey"] == "S0VZ"
    listed = await gke.ok("GET", CLUSTERS)
    assert "clientKey" not in listed["clusters"][0]["masterAuth"]
    assert "S0VZ" not in str(await gke.cluster.get(CONFIG_MAP, KEY))


async def test_the_operations_kept_are_the_last_ones(gke: Gke) -> None:
    for _ in range(OPERATIONS_KEPT + 3):
        await gke.create()
    listed = await gke.ok("GET", ZONE + "/operations")
    assert len(listed["operations"]) == OPERATIONS_KEPT


async def test_services_are_switched_on_and_off_by_name(gke: Gke) -> None:
    base = "/v1/projects/utsuwa/services"
    ids = ["container.googleapis.com", "cloudbuild.googleapis.com"]
    done = await gke.ok("POST", base + ":batchEnable", {"serviceIds": ids})
    assert done["done"] is True
    await gke.ok("POST", f"{base}/run.googleapis.com:enable")
    await gke.ok("POST", f"{base}/cloudbuild.googleapis.com:disable")
    listed = await gke.ok("GET", base + "?filter=state:ENABLED")
    assert [found["config"]["name"] for found in listed["services"]] == [
        "container.googleapis.com", "run.googleapis.com",
    ]  # fmt: skip
    state = await gke.ok("GET", f"{base}/cloudbuild.googleapis.com")
    assert state["state"] == "DISABLED"
    assert (await gke.ok("GET", "/v1/operations/noop.DONE_OPERATION"))["done"] is True


async def test_every_name_is_a_project(gke: Gke) -> None:
    told = await gke.ok("GET", "/v1/projects/anything")
    assert (told["projectId"], told["lifecycleState"]) == ("anything", "ACTIVE")
    await gke.create()
    listed = await gke.ok("GET", "/v1/projects")
    assert [found["projectId"] for found in listed["projects"]] == ["utsuwa"]


async def test_the_one_version_there_is(gke: Gke) -> None:
    told = await gke.ok("GET", ZONE + "/serverConfig")
    assert told["validMasterVersions"] == ["1.32.0+utsuwa.test"]


@pytest.mark.parametrize("token", ["", "bad"])
async def test_nobody_is_let_in_without_a_good_token(gke: Gke, token: str) -> None:
    code, told = await gke.call("GET", CLUSTERS, token=token)
    assert (code, told["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert "utsuwa env" in told["error"]["message"]


async def test_who_may_not_do_everything_may_look_but_gets_no_key(gke: Gke) -> None:
    """`gcloud run --platform=gke` with any token of the cluster needs no more than that."""
    await gke.create()
    code, told = await gke.call("GET", CLUSTERS + "/c-run", token="other")
    assert (code, told["endpoint"]) == (200, "127.0.0.2")
    assert set(told["masterAuth"]) == {"clusterCaCertificate"}
    code, told = await gke.call("DELETE", CLUSTERS + "/c-run", token="other")
    assert (code, told["error"]["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "body", [None, [], {}, {"cluster": []}, {"cluster": {}}, {"cluster": {"name": "No Name"}}]
)
async def test_what_describes_no_cluster_is_refused(gke: Gke, body: object) -> None:
    code, told = await gke.call("POST", CLUSTERS, body)
    assert (code, told["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "expected" in told["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/p/locations/us-central1/repositories/cloud-run-source-deploy",
        "/v1/projects/p/locations/us-central1/builds",
        "/v1/projects/p/builds",
    ],
)
async def test_a_build_at_googles_is_refused_with_what_to_type(gke: Gke, path: str) -> None:
    """`gcloud run deploy --source` shows the message."""
    code, told = await gke.call("GET", path)
    assert (code, told["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert "utsuwa build DIR" in told["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", CLUSTERS + "/c-run/nodePools", 501),
        ("GET", "/v1/projects/Bad_Name/locations/x/clusters", 400),
        ("GET", ZONE + "/operations/none", 404),
        ("DELETE", CLUSTERS + "/none", 404),
    ],
)
async def test_what_is_not_there_is_told_in_googles_form(
    gke: Gke, method: str, path: str, code: int
) -> None:
    found, told = await gke.call(method, path)
    assert (found, told["error"]["code"]) == (code, code)


async def test_nothing_is_kept_before_there_is_something(gke: Gke) -> None:
    await gke.ok("GET", CLUSTERS)
    listed = await gke.cluster.list(CONFIG_MAP, KEY.namespace)
    assert Key(KEY.namespace, KEY.name) not in {
        Key(m["metadata"]["namespace"], m["metadata"]["name"]) for m in listed.items
    }
