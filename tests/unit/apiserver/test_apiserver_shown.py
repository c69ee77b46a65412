"""What is shown though nothing of it is stored, and the forms of an answer."""

import json

import pytest
import yaml

from utsuwa.apiserver.schemas import typed
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CONFIG_MAP, DEPLOYMENT, EVENT, POD, SERVICE, Kind
from utsuwa.testing.apiserver import Serving

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def read(api: Serving, path: str) -> Document:
    async with api.http.get(path) as response:
        assert response.status == 200, await response.text()
        document: Document = await response.json()
        return document


async def test_the_definitions_of_the_knative_kinds(api: Serving) -> None:
    """Names, schema and conditions, as tools read them."""
    listed = await read(api, CRDS)
    names = [item["metadata"]["name"] for item in listed["items"]]
    assert names == sorted(names)
    assert "services.serving.knative.dev" in names
    assert "pods" not in names
    one = await read(api, f"{CRDS}/services.serving.knative.dev")
    assert one["spec"]["names"]["shortNames"] == ["kservice", "ksvc"]
    schema = one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert "template" in schema["properties"]["spec"]["properties"]
    conditions = {entry["type"]: entry["status"] for entry in one["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


async def test_definitions_are_selected_by_label_and_name(api: Serving) -> None:
    """`kn source list` asks by a label that none has."""
    listed = await read(api, f"{CRDS}?labelSelector=duck.knative.dev/source=true")
    assert listed["items"] == []
    listed = await read(api, f"{CRDS}?fieldSelector=metadata.name=revisions.serving.knative.dev")
    assert len(listed["items"]) == 1


async def test_a_definition_that_is_not_there_is_not_found(api: Serving) -> None:
    """404 with the resource's full name."""
    async with api.http.get(f"{CRDS}/widgets.example.com") as response:
        told = await response.json()
    assert told["message"] == (
        'customresourcedefinitions.apiextensions.k8s.io "widgets.example.com" not found'
    )


async def test_a_watch_of_definitions_tells_them_and_stays(api: Serving) -> None:
    """First each one, then nothing until its time is over."""
    async with api.http.get(f"{CRDS}?watch=true&timeoutSeconds=1") as response:
        lines = (await response.text()).splitlines()
    assert {json.loads(line)["type"] for line in lines} == {"ADDED"}
    assert len(lines) == len((await read(api, CRDS))["items"])


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (CRDS, "built in"),
        ("/api/v1/namespaces/default/resourcequotas", "not enforced"),
        ("/api/v1/namespaces/default/limitranges", "not enforced"),
        ("/api/v1/namespaces/default/persistentvolumeclaims", "no persistent volumes"),
        ("/apis/events.k8s.io/v1/namespaces/default/events", "core v1"),
    ],
)
async def test_a_write_is_told_why_not(api: Serving, path: str, why: str) -> None:
    """405 with the reason; a list is there, if empty."""
    async with api.http.post(path, json={"metadata": {"name": "x"}}) as response:
        told = await response.json()
    assert (response.status, told["reason"]) == (405, "MethodNotAllowed")
    assert why in told["message"]
    assert (await read(api, path))["kind"].endswith("List")


async def test_events_are_there_in_their_newer_form(api: Serving) -> None:
    """The same events, under other names of their members."""
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    event = EVENT.document(
        "default", "e", involvedObject=about, reason="Started", message="it runs", type="Normal",
        source={"component": "node"}, count=2,
    )  # fmt: skip
    await api.cluster.create(event)
    base = "/apis/events.k8s.io/v1/namespaces/default/events"
    (told,) = (await read(api, base))["items"]
    assert (told["note"], told["regarding"], told["deprecatedCount"]) == ("it runs", about, 2)
    assert told["reportingController"] == "node"
    assert (await read(api, f"{base}/e"))["apiVersion"] == "events.k8s.io/v1"


async def test_an_answer_in_yaml(api: Serving) -> None:
    """For who asks for it; 406 for who takes nothing that there is."""
    path = "/api/v1/namespaces/default"
    async with api.http.get(path, headers={"Accept": "application/yaml"}) as response:
        assert response.content_type == "application/yaml"
        assert yaml.safe_load(await response.text())["metadata"]["name"] == "default"
    headers = {"Accept": "application/vnd.kubernetes.protobuf"}
    async with api.http.get(path, headers=headers) as response:
        told = await response.json()
    assert (response.status, told["reason"]) == (406, "NotAcceptable")
    assert told["message"].startswith("only the following media types are accepted")


@pytest.mark.parametrize(
    ("kind", "sent", "kept"),
    [
        (CONFIG_MAP, {"dat": {}, "data": {"a": "b"}, "immutable": None}, {"data": {"a": "b"}}),
        (POD, {"spec": {"containers": [{"name": "c", "imag": "x", "env": None}]}},
         {"spec": {"containers": [{"name": "c"}]}}),
        (DEPLOYMENT, {"spec": {"replicas": 0, "extra": 1}}, {"spec": {"replicas": 0}}),
        (SERVICE, {"spec": {"anything": None}}, {"spec": {"anything": None}}),
    ],
)  # fmt: skip
def test_a_core_kind_holds_what_its_type_knows(kind: Kind, sent: Document, kept: Document) -> None:
    """Unknown members and nulls are no part of a typed object; Knative kinds are admission's."""
    assert typed(kind, sent) == kept


async def test_unknown_members_of_a_core_kind_are_dropped_with_a_warning(api: Serving) -> None:
    """`fieldValidation` is Warn unless the client says otherwise."""
    body = {"metadata": {"name": "c"}, "data": {"a": "b"}, "dat": {"x": "y"}}
    path = "/api/v1/namespaces/default/configmaps"
    async with api.http.post(path, json=body) as response:
        told = await response.json()
    assert response.headers["Warning"] == '299 - "unknown field \\"dat\\""'
    assert "dat" not in told
