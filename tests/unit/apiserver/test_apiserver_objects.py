"""Identity, defaults and rules of what clients send."""

import pytest

from utsuwa.apiserver import core_rules, incoming
from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.defaults import defaulted
from utsuwa.apiserver.paths import Target
from utsuwa.apiserver.ports import User
from utsuwa.apiserver.schemas import unknown
from utsuwa.cluster.errors import BadRequestError, InvalidError
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CORE_SERVICE,
    DEPLOYMENT,
    KINDS,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE,
    Kind,
)

HERE = Target(CONFIG_MAP, "default", "c")


def deployment(**spec: object) -> Document:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "a", "image": "x:1"}]}}  # fmt: skip
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return DEPLOYMENT.document("default", "web", spec=whole)


def test_identity_is_taken_from_the_path() -> None:
    """Where the body leaves it out (the Python client may)."""
    assert incoming.identified(HERE, {"data": {}}) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "default", "name": "c"},
        "data": {},
    }


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "Secret"},
        {"apiVersion": "v2"},
        {"metadata": []},
        {"metadata": {"name": "d"}},
        {"metadata": {"namespace": "other"}},
        {"metadata": {"labels": {"a": 1}}},
        {"metadata": {"labels": ["a"]}},
        {"metadata": {"annotations": {"a": True}}},
    ],
)
def test_a_body_that_contradicts_its_path_is_refused(document: Document) -> None:
    """400."""
    with pytest.raises(BadRequestError):
        incoming.identified(HERE, document)


def test_cluster_scoped_objects_lose_a_namespace() -> None:
    """As Kubernetes does."""
    found = incoming.identified(Target(NAMESPACE, "", "n"), {"metadata": {"namespace": "x"}})
    assert found["metadata"] == {"name": "n"}


@pytest.mark.parametrize(
    ("labels", "fine"),
    [
        ({"a": "b", "x.io/y": ""}, True),
        ({"a b": "c"}, False),
        ({"a": "b/c"}, False),
        ({"a": "x" * 64}, False),
        ({"-a": "b"}, False),
    ],
)
def test_labels_must_be_selectable(labels: dict[str, str], fine: bool) -> None:
    """422 with the field."""
    document = {"metadata": {"name": "c", "labels": labels}}
    if fine:
        incoming.check_labels(CONFIG_MAP, document)
        return
    with pytest.raises(InvalidError, match=r"metadata\.labels"):
        incoming.check_labels(CONFIG_MAP, document)


def call(**query: str) -> Call:
    return Call(User("u"), HERE, query)


@pytest.mark.parametrize(
    ("mode", "warnings"),
    [
        ({}, ('unknown field "a"', 'duplicate field "b"')),
        ({"fieldValidation": "Warn"}, ('unknown field "a"', 'duplicate field "b"')),
        ({"fieldValidation": "Ignore"}, ()),
    ],
)
def test_unknown_fields_warn_or_are_ignored(
    mode: dict[str, str], warnings: tuple[str, ...]
) -> None:
    """`fieldValidation`, Warn by default."""
    assert incoming.field_validation(call(**mode), ["a"], ["b"]) == warnings


def test_unknown_fields_are_refused_when_strict() -> None:
    """In the words of Kubernetes."""
    with pytest.raises(BadRequestError) as refused:
        incoming.field_validation(call(fieldValidation="Strict"), ["a"], ["b"])
    assert refused.value.message == (
        'strict decoding error: unknown field "a", duplicate field "b"'
    )
    with pytest.raises(BadRequestError, match="expected one of"):
        incoming.field_validation(call(fieldValidation="Maybe"), [], [])


@pytest.mark.parametrize(
    ("kind", "document", "paths"),
    [
        (SERVICE, {"spec": {"template": {"spec": {"containers": [{"imag": "x"}]}}}},
         ["spec.template.spec.containers[0].imag"]),
        (DEPLOYMENT, {"spec": {"replica": 1, "template": {"spec": {"containers": [{"env": [{"nam": 1}]}]}}}},
         ["spec.replica", "spec.template.spec.containers[0].env[0].nam"]),
        (CONFIG_MAP, {"dat": {}}, ["dat"]),
        (POD, {"metadata": {"labelz": {}}, "spec": {"volumes": [{"anything": 1}]}},
         ["metadata.labelz", "spec.volumes[0].anything"]),
    ],
)  # fmt: skip
def test_unknown_fields_are_found_by_path(kind: Kind, document: Document, paths: list[str]) -> None:
    """In Knative kinds and core kinds alike."""
    assert unknown(kind, document) == paths


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_every_object_has_is_known(kind: Kind) -> None:
    """No kind refuses its own metadata and status."""
    metadata = {"name": "a", "ownerReferences": [{"uid": "1"}], "managedFields": [{}]}
    assert unknown(kind, {**kind.document("d", "a"), "metadata": metadata}) == []


def test_a_deployment_is_completed_as_kubernetes_does() -> None:
    """Containers, ports and strategy."""
    spec = defaulted(DEPLOYMENT, deployment(), None)["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "RollingUpdate")
    container = spec["template"]["spec"]["containers"][0]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_a_template_that_nobody_changed_is_left_as_it_is() -> None:
    """Scaling a Deployment of ours must not roll it out anew."""
    old = deployment(replicas=1)
    new = deployment(replicas=2)
    assert defaulted(DEPLOYMENT, new, old)["spec"]["template"] == old["spec"]["template"]
    labelled = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}
    assert defaulted(DEPLOYMENT, labelled, old) == labelled


@pytest.mark.parametrize(
    ("image", "policy"),
    [("x", "Always"), ("x:latest", "Always"), ("h:5000/x", "Always"), ("x:1", "IfNotPresent"),
     ("x@sha256:0", "IfNotPresent")],
)  # fmt: skip
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    """latest may change, a fixed tag should not."""
    pod = POD.document("d", "p", spec={"containers": [{"name": "a", "image": image}]})
    assert defaulted(POD, pod, None)["spec"]["containers"][0]["imagePullPolicy"] == policy


@pytest.mark.parametrize(
    ("kind", "members", "field"),
    [
        (POD, {}, "spec"),
        (POD, {"spec": {"containers": []}}, "spec.containers"),
        (POD, {"spec": {"containers": {}}}, "spec.containers"),
        (POD, {"spec": {"containers": ["x"]}}, "spec.containers[0]"),
        (POD, {"spec": {"containers": [{"name": "a"}]}}, "spec.containers[0].image"),
        (POD, {"spec": {"containers": [{"name": 1, "image": "x"}]}}, "spec.containers[0].name"),
        (POD, {"spec": {"containers": [{"name": "a", "image": "x"}] * 2}},
         "spec.containers[1].name"),
        (POD, {"spec": {"containers": [{"name": "a", "image": "x", "ports": [{}]}]}},
         "spec.containers[0].ports[0].containerPort"),
        (DEPLOYMENT, {"spec": {"template": {}}}, "spec.selector"),
        (DEPLOYMENT, deployment(replicas=-1), "spec.replicas"),
        (DEPLOYMENT, deployment(selector={"matchLabels": {"app": "other"}}),
         "spec.template.metadata.labels"),
        (CORE_SERVICE, {"spec": {}}, "spec.ports"),
        (CORE_SERVICE, {"spec": {"type": "ExternalName"}}, "spec.externalName"),
        (CORE_SERVICE, {"spec": {"ports": [{"port": 0}]}}, "spec.ports[0].port"),
        (CONFIG_MAP, {"data": {"a": 1}}, "data.a"),
        (CONFIG_MAP, {"data": "x"}, "data"),
        (SECRET, {"data": {"a": "no base64!"}}, "data.a"),
    ],
)  # fmt: skip
def test_a_malformed_core_object_is_refused(kind: Kind, members: Document, field: str) -> None:
    """422 with the field at fault among the causes."""
    with pytest.raises(InvalidError) as refused:
        core_rules.check(kind, {**kind.document("d", "x"), **members})
    assert field in [cause.field for cause in refused.value.causes]


def test_a_secret_never_shows_in_a_refusal() -> None:
    """It may be the secret itself, not yet encoded."""
    with pytest.raises(InvalidError) as refused:
        core_rules.check(SECRET, SECRET.document("d", "s", data={"password": "hunter 2!"}))
    assert "hunter" not in refused.value.message
