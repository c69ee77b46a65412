"""The schemas: pruning, types, normal form, OpenAPI (`spec/resources.md` §8)."""

from typing import Any

import pytest

from utsuwa.model.kinds import ROUTE, SERVICE
from utsuwa.model.schema import (
    SCHEMAS,
    faults,
    fill,
    normalise,
    open_api,
    prune,
    unknown_fields,
)
from utsuwa.testing.builders import service

TREE = SCHEMAS[SERVICE]


def with_container(**members: Any) -> dict[str, Any]:
    """A Service whose container has `members`."""
    return service(container=members)


def test_members_outside_the_schema_are_named_and_pruned() -> None:
    """The first row of the consequences in §2."""
    document = with_container(lifecycle={}, ports=[{"containerPort": 80, "hostPort": 80}])
    document["spec"]["surprise"] = 1
    assert unknown_fields(document, TREE) == [
        "spec.template.spec.containers[0].lifecycle",
        "spec.template.spec.containers[0].ports[0].hostPort",
        "spec.surprise",
    ]
    pruned = prune(document, TREE)
    assert unknown_fields(pruned, TREE) == []
    assert pruned == with_container(ports=[{"containerPort": 80}])


def test_what_is_preserved_survives_as_it_is() -> None:
    """Template metadata, affinity, volumes of a plug-in, init containers."""
    document = service(
        affinity={"anything": [1]},
        tolerations=[{"key": "a", "odd": True}],
        initContainers=[{"image": "i", "restartPolicy": "Always"}],
        volumes=[{"name": "v", "csi": {"driver": "d", "x": 1}}],
    )
    document["spec"]["template"]["metadata"]["creationTimestamp"] = None
    assert prune(document, TREE) == document
    assert unknown_fields(document, TREE) == []


def test_the_schema_fills_in_protocol_and_grpc_service() -> None:
    """Schema defaults of §8."""
    document = with_container(ports=[{"containerPort": 1}], livenessProbe={"grpc": {"port": 1}})
    container = fill(document, TREE)["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"containerPort": 1, "protocol": "TCP"}]
    assert container["livenessProbe"]["grpc"]["service"] == ""


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        (
            service(containerConcurrency="80"),
            "spec.template.spec.containerConcurrency",
            (
                'Invalid value: "string": spec.template.spec.containerConcurrency in body must be of '
                'type integer: "string"'
            ),
        ),
        (
            with_container(env=[{"name": "A", "value": 1}]),
            "spec.template.spec.containers[0].env[0].value",
            (
                'Invalid value: "integer": spec.template.spec.containers[0].env[0].value in body must '
                'be of type string: "integer"'
            ),
        ),
        (
            with_container(env=[{"value": "1"}]),
            "spec.template.spec.containers[0].env[0].name",
            "Required value",
        ),
        (
            with_container(resources={"limits": {"cpu": "lots"}}),
            "spec.template.spec.containers[0].resources.limits.cpu",
            'Invalid value: "lots": expected a quantity',
        ),
        (
            service(hostNetwork=1),
            "spec.template.spec.hostNetwork",
            (
                'Invalid value: "integer": spec.template.spec.hostNetwork in body must be of type '
                'boolean: "integer"'
            ),
        ),
        (
            service(timeoutSeconds=True),
            "spec.template.spec.timeoutSeconds",
            (
                'Invalid value: "boolean": spec.template.spec.timeoutSeconds in body must be of type '
                'integer: "boolean"'
            ),
        ),
    ],
)
def test_wrong_types_and_missing_members_are_told_as_the_api_server_tells_them(
    document: dict[str, Any], field: str, message: str
) -> None:
    """One cause each."""
    found = faults(document, TREE)
    assert [(fault.field, fault.message) for fault in found] == [(field, message)]


def test_a_template_without_containers_lacks_them() -> None:
    """§8: required."""
    document = service()
    document["spec"]["template"]["spec"] = {}
    assert [str(fault) for fault in faults(document, TREE)] == [
        "spec.template.spec.containers: Required value"
    ]


def test_normal_form_drops_what_says_nothing_and_adds_what_is_always_there() -> None:
    """As typed structures are encoded: zero values go, pointers stay."""
    document = with_container(
        ports=[],
        stdin=None,
        workingDir="",
        securityContext={},
        env=[{"name": "A", "value": ""}],
        readinessProbe={"httpGet": {"path": ""}, "periodSeconds": 0},
        resources={"limits": {"cpu": 1, "memory": "1024Mi"}, "requests": {}},
    )
    document["spec"]["template"]["spec"] |= {
        "containerConcurrency": 0,
        "enableServiceLinks": False,
        "hostNetwork": False,
        "nodeSelector": {},
        "timeoutSeconds": 300.0,
    }
    document["metadata"] |= {"labels": {"empty": ""}, "annotations": {}}
    normal = normalise(document, TREE)
    assert normal["metadata"]["labels"] == {"empty": ""}
    assert "annotations" not in normal["metadata"]
    assert normal["status"] == {}
    assert normal["spec"]["template"] == {
        "metadata": {},
        "spec": {
            "containers": [
                {
                    "image": "ex.io/app:1",
                    "securityContext": {},
                    "env": [{"name": "A"}],
                    "readinessProbe": {"httpGet": {"port": 0}},
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                }
            ],
            "containerConcurrency": 0,
            "enableServiceLinks": False,
            "timeoutSeconds": 300,
        },
    }


def test_normal_form_is_reached_at_once() -> None:
    """A second time changes nothing."""
    once = normalise(with_container(ports=[], resources={"limits": {"cpu": 1}}), TREE)
    assert normalise(once, TREE) == once


def test_a_node_is_found_by_its_path() -> None:
    """Through arrays and maps."""
    assert TREE.at("spec", "template", "spec", "containers", "env", "name").type.value == "string"
    with pytest.raises(KeyError):
        TREE.at("spec", "nothing")


def test_open_api_says_what_the_tree_says() -> None:
    """For `kubectl explain` and apply."""
    schema = open_api(TREE)
    spec = schema["properties"]["spec"]["properties"]
    pod = spec["template"]["properties"]["spec"]
    assert pod["required"] == ["containers"]
    assert pod["properties"]["containers"]["x-kubernetes-list-type"] == "atomic"
    container = pod["properties"]["containers"]["items"]["properties"]
    assert container["env"]["x-kubernetes-list-map-keys"] == ["name"]
    limits = container["resources"]["properties"]["limits"]
    assert limits["additionalProperties"] == {"x-kubernetes-int-or-string": True}
    assert container["ports"]["items"]["properties"]["protocol"]["default"] == "TCP"
    assert pod["properties"]["affinity"]["x-kubernetes-preserve-unknown-fields"] is True
    assert spec["traffic"]["items"]["properties"]["percent"] == {
        "type": "integer",
        "format": "int64",
    }


def test_every_kind_of_serving_has_a_schema() -> None:
    """Core kinds have theirs elsewhere."""
    assert all(kind.group for kind in SCHEMAS)
    assert "traffic" in SCHEMAS[ROUTE].members["spec"].members
