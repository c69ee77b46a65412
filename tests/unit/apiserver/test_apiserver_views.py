"""`domains.cloudrun.com`: the same mappings, read and written in gcloud's words."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from utsuwa.app.admission import admission
from utsuwa.cluster.port import Key
from utsuwa.model.kinds import CLUSTER_DOMAIN_CLAIM, CORE_SERVICE, DOMAIN_MAPPING, NAMESPACE
from utsuwa.model.settings import Settings
from utsuwa.testing.apiserver import Serving, serving

BASE = "/apis/domains.cloudrun.com/v1alpha1/namespaces/default/domainmappings"
NAME = "shop.example.org"
KEY = Key("default", NAME)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Serving]:
    settings = Settings.parse({})
    async with serving(tmp_path, admission=admission(lambda: settings)) as running:
        await running.cluster.create(NAMESPACE.document("", "istio-system"))
        gateway = CORE_SERVICE.document(
            "istio-system", "istio-ingressgateway",
            spec={"type": "LoadBalancer", "ports": [{"port": 80}]},
        )  # fmt: skip
        made = await running.cluster.create(gateway)
        status = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}
        await running.cluster.update_status({**made, "status": status})
        yield running


def body(route: str = "hello", name: str = NAME) -> dict[str, Any]:
    return {
        "apiVersion": "domains.cloudrun.com/v1alpha1", "kind": "DomainMapping",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"routeName": route, "forceOverride": False},
    }  # fmt: skip


async def create(api: Serving, **told: Any) -> Any:
    async with api.http.post(BASE, json=body(**told)) as answer:
        return answer.status, await answer.json()


async def make_ready(api: Serving) -> None:
    stored = await api.cluster.get(DOMAIN_MAPPING, KEY)
    names = ("DomainClaimed", "ReferenceResolved", "Ready")
    status = {
        "observedGeneration": stored["metadata"]["generation"],
        "conditions": [{"type": name, "status": "True"} for name in names],
    }
    await api.cluster.update_status({**stored, "status": status})


async def test_a_mapping_made_in_gclouds_words_is_stored_as_any_other(api: Serving) -> None:
    code, answer = await create(api)
    assert (code, answer["kind"]) == (201, "DomainMapping")
    assert answer["apiVersion"] == "domains.cloudrun.com/v1alpha1"
    assert answer["spec"]["routeName"] == "hello"
    stored = await api.cluster.get(DOMAIN_MAPPING, KEY)
    assert stored["apiVersion"] == "serving.knative.dev/v1beta1"
    assert stored["spec"]["ref"]["name"] == "hello"
    assert stored["metadata"]["annotations"]["serving.knative.dev/creator"] == "admin"


async def test_it_is_got_listed_and_deleted(api: Serving) -> None:
    await create(api)
    await make_ready(api)
    async with api.http.get(f"{BASE}/{NAME}") as answer:
        found = await answer.json()
    assert found["status"]["resourceRecords"] == [{"type": "A", "rrdata": "10.0.0.1"}]
    async with api.http.get(BASE) as answer:
        listed = await answer.json()
    assert listed["apiVersion"] == "domains.cloudrun.com/v1alpha1"
    assert [item["spec"]["routeName"] for item in listed["items"]] == ["hello"]
    async with api.http.delete(f"{BASE}/{NAME}") as answer:
        assert answer.status == 200
    async with api.http.get(f"{BASE}/{NAME}") as answer:
        assert answer.status == 404


async def test_a_second_one_of_the_same_name_is_refused(api: Serving) -> None:
    await create(api)
    code, answer = await create(api)
    assert (code, answer["reason"]) == (409, "AlreadyExists")


async def test_it_is_changed_by_put_and_by_patch(api: Serving) -> None:
    await create(api)
    async with api.http.get(f"{BASE}/{NAME}") as answer:
        found = await answer.json()
    async with api.http.put(
        f"{BASE}/{NAME}", json={**found, "spec": {"routeName": "two"}}
    ) as answer:
        assert (answer.status, (await answer.json())["spec"]["routeName"]) == (200, "two")
    patch = json.dumps({"spec": {"routeName": "three"}, "metadata": {"labels": {"a": "b"}}})
    async with api.http.patch(
        f"{BASE}/{NAME}", data=patch, headers={"Content-Type": "application/merge-patch+json"}
    ) as answer:
        assert answer.status == 200
    stored = await api.cluster.get(DOMAIN_MAPPING, KEY)
    assert stored["spec"]["ref"]["name"] == "three"
    assert stored["metadata"]["labels"] == {"a": "b"}
    assert stored["metadata"]["generation"] == 3


async def test_server_side_apply_goes_through_the_view(api: Serving) -> None:
    for route in ("hello", "other"):
        async with api.http.patch(
            f"{BASE}/{NAME}?fieldManager=me", data=json.dumps(body(route)),
            headers={"Content-Type": "application/apply-patch+yaml"},
        ) as answer:  # fmt: skip
            assert answer.status in {200, 201}, await answer.text()
    stored = await api.cluster.get(DOMAIN_MAPPING, KEY)
    assert stored["spec"]["ref"]["name"] == "other"


async def test_what_is_missing_is_named_in_gclouds_words(api: Serving) -> None:
    """An empty name is the stored kind's affair, a missing one the view's."""
    async with api.http.post(BASE, json={**body(), "spec": {}}) as answer:
        refused = await answer.json()
    assert answer.status == 422
    assert [cause["field"] for cause in refused["details"]["causes"]] == ["spec.routeName"]


async def test_rules_of_the_stored_kind_hold(api: Serving) -> None:
    """A domain within the cluster cannot be mapped, whoever asks for it in whichever words."""
    code, answer = await create(api, name="a.default.svc.cluster.local")
    assert code == 400
    assert "cluster local domain" in answer["message"]
    async with api.http.get(BASE) as listed:
        assert (await listed.json())["items"] == []


async def test_a_dry_run_stores_nothing(api: Serving) -> None:
    async with api.http.post(f"{BASE}?dryRun=All", json=body()) as answer:
        assert answer.status == 201
    assert (await api.cluster.list(DOMAIN_MAPPING)).items == []
    assert (await api.cluster.list(CLUSTER_DOMAIN_CLAIM)).items == []


async def test_a_watch_speaks_the_same_words(api: Serving) -> None:
    async with api.http.get(f"{BASE}?watch=1&timeoutSeconds=20") as answer:
        await create(api)
        async with asyncio.timeout(10):
            added = json.loads(await answer.content.readline())
            await make_ready(api)
            changed = json.loads(await answer.content.readline())
    assert (added["type"], added["object"]["spec"]) == ("ADDED", {"routeName": "hello"})
    assert added["object"]["apiVersion"] == "domains.cloudrun.com/v1alpha1"
    assert changed["object"]["status"]["resourceRecords"][0]["rrdata"] == "10.0.0.1"


async def test_whoever_may_claim_has_the_domain_claimed_with_it(api: Serving) -> None:
    """gcloud knows no claims: an administrator should not need a second tool."""
    await create(api)
    claim = await api.cluster.get(CLUSTER_DOMAIN_CLAIM, Key("", NAME))
    assert claim["spec"] == {"namespace": "default"}


async def test_whoever_may_not_claim_gets_a_mapping_without_a_claim(api: Serving) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "editors", "namespace": "default"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "knative-serving-namespaced-edit",
        },
        "subjects": [{"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"}],
    }  # fmt: skip
    await api.cluster.create(binding)
    async with api.session("ann") as ann:
        for _ in range(100):
            async with ann.post(BASE, json=body()) as answer:
                if answer.status != 403:
                    break
            await asyncio.sleep(0.01)
    assert answer.status == 201
    assert (await api.cluster.list(CLUSTER_DOMAIN_CLAIM)).items == []
