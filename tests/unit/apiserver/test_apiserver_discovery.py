import json

import pytest

from utsuwa.apiserver import discovery, openapi, openapi_v2
from utsuwa.model.kinds import KINDS, Kind


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_aggregated_discovery_names_every_kind(version: str) -> None:
    """Core in its own list, all other groups in the other."""
    found = set()
    for core in (True, False):
        listed = discovery.aggregated(version, core=core)
        assert listed["apiVersion"] == f"apidiscovery.k8s.io/{version}"
        for group in listed["items"]:
            assert (group["metadata"]["name"] == "") is core
            for one in group["versions"]:
                found |= {(group["metadata"]["name"], one["version"], r["resource"])
                          for r in one["resources"]}  # fmt: skip
    assert {(kind.group, kind.version, kind.plural) for kind in KINDS} <= found


def test_classic_discovery_names_every_kind() -> None:
    """Groups, their preferred version, and the resources of each group-version."""
    groups = discovery.api_group_list()["groups"]
    versions = ["v1", *(v["groupVersion"] for group in groups for v in group["versions"])]
    found = set()
    for version in versions:
        listed = discovery.api_resource_list(version)
        assert listed is not None
        found |= {(version, entry["kind"]) for entry in listed["resources"]}
    assert {(kind.api_version, kind.name) for kind in KINDS} <= found


def test_stable_versions_are_preferred() -> None:
    """serving.knative.dev: v1 before v1beta1."""
    group = discovery.api_group("serving.knative.dev")
    assert group is not None
    assert group["preferredVersion"]["version"] == "v1"
    assert discovery.api_group("nothing.dev") is None
    assert discovery.api_resource_list("nothing.dev/v1") is None


def test_subresources_are_told() -> None:
    """scale answers an autoscaling/v1 Scale."""
    listed = discovery.api_resource_list("apps/v1")
    assert listed is not None
    scale = next(one for one in listed["resources"] if one["name"] == "deployments/scale")
    assert (scale["group"], scale["kind"]) == ("autoscaling", "Scale")
    apps = next(one for one in discovery.aggregated("v2", core=False)["items"]
                if one["metadata"]["name"] == "apps")  # fmt: skip
    subs = {s["subresource"] for s in apps["versions"][0]["resources"][0]["subresources"]}
    assert subs == {"status", "scale"}


def test_every_group_version_has_an_openapi_document() -> None:
    """With only `api/v1`, kubectl apply of other kinds fails (`spec/kubernetes-api.md` §4.4)."""
    paths = json.loads(openapi.index())["paths"]
    assert set(paths) == {
        f"apis/{kind.api_version}" if kind.group else f"api/{kind.api_version}"
        for kind in discovery.SERVED
    }
    for entry in paths.values():
        assert entry["serverRelativeURL"].startswith("/openapi/v3/api")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_patch_of_every_kind_checks_fields(kind: Kind) -> None:
    """kubectl looks for exactly this before it leaves validation to the server."""
    data = openapi.document(kind.api_version)
    assert data is not None
    operations = [path["patch"] for path in json.loads(data)["paths"].values() if "patch" in path]
    mine = [
        one for one in operations if one["x-kubernetes-group-version-kind"]["kind"] == kind.name
    ]
    assert mine
    for one in mine:
        names = {parameter["name"] for parameter in one["parameters"]}
        assert {"fieldValidation", "dryRun"} <= names


def test_openapi_references_resolve() -> None:
    """Every $ref names a schema of the same document."""
    data = openapi.document("serving.knative.dev/v1")
    assert data is not None
    document = json.loads(data)
    schemas = document["components"]["schemas"]
    references = set(_references(document))
    assert references == {f"#/components/schemas/{name}" for name in schemas}
    service = schemas["dev.knative.serving.v1.Service"]
    template = service["properties"]["spec"]["properties"]["template"]
    assert "containerConcurrency" in template["properties"]["spec"]["properties"]


@pytest.mark.parametrize("version", sorted({kind.api_version for kind in discovery.SERVED}))
def test_every_document_is_whole(version: str) -> None:
    """No reference leads nowhere, no operation is named twice, and each verb has its operation."""
    data = openapi.document(version)
    assert data is not None
    document = json.loads(data)
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(_references(document)) <= named
    operations = [
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    ]
    assert len(operations) == len(set(operations))


def test_schemas_of_core_kinds_tell_how_lists_merge() -> None:
    """`kubectl apply` makes its strategic patch from these."""
    data = openapi.document("v1")
    assert data is not None
    spec = json.loads(data)["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]
    assert spec["containers"]["items"] == {
        "$ref": "#/components/schemas/io.k8s.api.core.v1.Container"
    }
    assert spec["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert spec["volumes"]["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert spec["tolerations"]["x-kubernetes-list-type"] == "atomic"


def test_openapi_v2_in_both_forms() -> None:
    """kubectl asks for protobuf, and reads its head before it applies a List."""
    data, media_type = openapi_v2.answer(
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    )
    assert data == b"\n\x032.0\x12\x11\n\x06Utsuwa\x12\x07v1.32.0B\x00J\x00"
    assert "@" not in media_type
    data, media_type = openapi_v2.answer("application/json, */*")
    document = json.loads(data)
    assert (document["swagger"], media_type) == ("2.0", "application/json")
    named = {f"#/definitions/{name}" for name in document["definitions"]}
    assert set(_references(document)) <= named
    assert "#/definitions/dev.knative.serving.v1.Service" in named


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [hit for member in value.values() for hit in _references(member)]
    if isinstance(value, list):
        return [hit for item in value for hit in _references(item)]
    return []
