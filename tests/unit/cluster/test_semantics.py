"""The rules of writes, alone: what becomes of a document."""

import random

import pytest

from utsuwa.cluster.errors import BadRequestError, ConflictError, InvalidError, NotFoundError
from utsuwa.cluster.semantics import created, merged, written
from utsuwa.kit.documents import Document, copy
from utsuwa.kit.ids import Ids
from utsuwa.model.kinds import (
    CLUSTER_DOMAIN_CLAIM,
    CONFIG_MAP,
    CORE_SERVICE,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE,
    Kind,
)

NOW = 1_700_000_000.0


def born(kind: Kind, document: Document) -> Document:
    """`document` as stored by version 7."""
    new = created(kind, document, now=NOW, ids=Ids(random.Random(3)))
    new["metadata"]["resourceVersion"] = "7"
    return new


def service(**members: object) -> Document:
    return born(SERVICE, SERVICE.document("default", "hello", spec={"template": {}}, **members))


def edited(document: Document, **metadata: object) -> Document:
    result = copy(document)
    result["metadata"].update(metadata)
    return result


def test_a_new_object_is_stamped() -> None:
    metadata = service()["metadata"]
    assert metadata["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert metadata["generation"] == 1
    assert len(metadata["uid"]) == 36


def test_a_client_cannot_choose_what_the_cluster_stamps() -> None:
    document = SERVICE.document("default", "hello")
    document["metadata"] |= {
        "uid": "mine", "generation": 9, "creationTimestamp": "2000-01-01T00:00:00Z",
        "deletionTimestamp": "2000-01-01T00:00:00Z", "deletionGracePeriodSeconds": 3,
        "selfLink": "/x",
    }  # fmt: skip
    metadata = born(SERVICE, document)["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert not metadata.keys() & {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}


def test_what_the_client_gave_is_not_changed() -> None:
    document = SERVICE.document("default", "hello", status={"url": "x"})
    before = copy(document)
    born(SERVICE, document)
    assert document == before


def test_status_is_dropped_on_create_where_it_is_a_sub_resource() -> None:
    assert "status" not in service(status={"url": "http://x"})
    claim = CLUSTER_DOMAIN_CLAIM.document("", "example.com", status={"kept": True})
    assert born(CLUSTER_DOMAIN_CLAIM, claim)["status"] == {"kept": True}


def test_a_resource_version_on_create_is_refused() -> None:
    document = SERVICE.document("default", "hello")
    document["metadata"]["resourceVersion"] = "3"
    with pytest.raises(BadRequestError, match="resourceVersion should not be set on objects"):
        born(SERVICE, document)


def test_a_name_is_generated_from_its_base() -> None:
    """Five random characters; a base too long for a label is cut at 58."""
    document: Document = {"metadata": {"generateName": "hello-", "namespace": "default"}}
    name = born(SERVICE, document)["metadata"]["name"]
    assert name.startswith("hello-")
    assert len(name) == 11
    document["metadata"]["generateName"] = "x" * 70
    assert len(born(SERVICE, document)["metadata"]["name"]) == 63


def test_an_object_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidError) as caught:
        born(SERVICE, {"metadata": {"namespace": "default"}})
    assert caught.value.message == (
        'Service.serving.knative.dev "" is invalid: metadata.name: '
        "Required value: name or generateName is required"
    )
    assert caught.value.causes[0].field == "metadata.name"


@pytest.mark.parametrize("name", ["Hello", "a/b", "-a", "a_b", "x" * 254, "a..b"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match=r"metadata\.name: Invalid value"):
        born(CONFIG_MAP, CONFIG_MAP.document("default", name))


@pytest.mark.parametrize("name", ["a.b", "x" * 64])
def test_the_name_of_a_namespace_is_a_label(name: str) -> None:
    with pytest.raises(InvalidError):
        born(NAMESPACE, NAMESPACE.document("", name))


def test_an_object_without_its_namespace_is_refused() -> None:
    with pytest.raises(BadRequestError, match="an empty namespace may not be set during creation"):
        born(SERVICE, {"metadata": {"name": "hello"}})


def test_a_namespace_is_born_active() -> None:
    namespace = born(NAMESPACE, NAMESPACE.document("", "mine"))
    assert namespace["status"] == {"phase": "Active"}
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "mine"}
    assert "generation" not in namespace["metadata"]


def test_a_pod_is_born_pending_with_its_class_of_service() -> None:
    pod = POD.document("default", "p", spec={"containers": [{"name": "c"}]})
    assert born(POD, pod)["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        (
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
            "Burstable",
        ),
    ],
)
def test_the_class_of_service_follows_the_resources(resources: Document, expected: str) -> None:
    containers = [{"name": "c", "resources": resources}]
    pod = born(POD, POD.document("default", "p", spec={"containers": containers}))
    assert pod["status"]["qosClass"] == expected


def test_strings_of_a_secret_are_stored_encoded() -> None:
    secret = born(SECRET, SECRET.document("default", "s", stringData={"a": "hello"}))
    assert secret["data"] == {"a": "aGVsbG8="}
    assert "stringData" not in secret
    assert secret["type"] == "Opaque"


def test_a_core_service_has_no_generation() -> None:
    assert "generation" not in born(CORE_SERVICE, CORE_SERVICE.document("default", "x"))["metadata"]


def test_an_update_that_changes_nothing_answers_the_very_same_object() -> None:
    current = service()
    outcome = written(SERVICE, current, copy(current), "")
    assert outcome.document is current
    assert not outcome.gone


def test_empty_members_of_metadata_are_no_change() -> None:
    current = service()
    document = edited(current, labels={}, annotations=None, finalizers=[], ownerReferences=[])
    assert written(SERVICE, current, document, "").document is current


def test_a_change_of_spec_raises_generation() -> None:
    current = service()
    new = written(SERVICE, current, {**current, "spec": {"x": 1}}, "").document
    assert new["metadata"]["generation"] == 2
    assert current["metadata"]["generation"] == 1


def test_a_change_of_labels_leaves_generation() -> None:
    current = service()
    new = written(SERVICE, current, edited(current, labels={"a": "b"}), "").document
    assert new["metadata"]["labels"] == {"a": "b"}
    assert new["metadata"]["generation"] == 1


def test_an_update_keeps_status_and_what_nobody_may_change() -> None:
    current = {**service(), "status": {"url": "x"}}
    document = edited(
        current, generation=50, creationTimestamp="x", deletionTimestamp="x", labels={"a": "b"}
    )
    document["status"] = {"url": "y"}
    new = written(SERVICE, current, document, "").document
    assert new["status"] == {"url": "x"}
    assert new["metadata"] == {**current["metadata"], "labels": {"a": "b"}}


def test_a_status_update_keeps_everything_else() -> None:
    current = service()
    document: Document = {**edited(current, labels={"a": "b"}), "spec": {}, "status": {"url": "y"}}
    new = written(SERVICE, current, document, "status").document
    assert new == {**current, "status": {"url": "y"}}


def test_the_same_status_changes_nothing() -> None:
    current = {**service(), "status": {"url": "x"}}
    assert written(SERVICE, current, copy(current), "status").document is current


def test_a_kind_without_status_sub_resource_has_none() -> None:
    current = born(CONFIG_MAP, CONFIG_MAP.document("default", "x"))
    with pytest.raises(NotFoundError):
        written(CONFIG_MAP, current, current, "status")


@pytest.mark.parametrize("subresource", ["", "status"])
def test_a_write_from_an_older_version_is_refused(subresource: str) -> None:
    current = service()
    with pytest.raises(ConflictError) as caught:
        written(SERVICE, current, edited(current, resourceVersion="6"), subresource)
    assert caught.value.message == (
        'Operation cannot be fulfilled on services.serving.knative.dev "hello": the object has '
        "been modified; please apply your changes to the latest version and try again"
    )


def test_a_write_of_another_object_of_that_name_is_refused() -> None:
    current = service()
    with pytest.raises(ConflictError, match="UID in precondition: other, UID in object meta"):
        written(SERVICE, current, edited(current, uid="other"), "")


def test_a_write_without_a_version_is_unconditional() -> None:
    current = service()
    document = SERVICE.document("default", "hello", spec={"x": 1})
    assert written(SERVICE, current, document, "").document["spec"] == {"x": 1}


def test_a_merge_patch_removes_with_null() -> None:
    current = edited(service(), annotations={"a": "1", "b": "2"})
    patch = {"metadata": {"annotations": {"a": None}}}
    new = written(SERVICE, current, merged(current, patch), "").document
    assert new["metadata"]["annotations"] == {"b": "2"}


def test_scaling_sets_replicas_alone() -> None:
    current = born(DEPLOYMENT, DEPLOYMENT.document("default", "d", spec={"replicas": 1, "x": 1}))
    patch = {"spec": {"replicas": 3, "x": 2}}
    new = written(DEPLOYMENT, current, merged(current, patch), "scale").document
    assert new["spec"] == {"replicas": 3, "x": 1}
    assert new["metadata"]["generation"] == 2


@pytest.mark.parametrize("replicas", [-1, "3", 1.5, True])
def test_a_scale_that_is_no_count_is_refused(replicas: object) -> None:
    current = born(DEPLOYMENT, DEPLOYMENT.document("default", "d", spec={"replicas": 1}))
    with pytest.raises(InvalidError, match=r"spec\.replicas"):
        written(DEPLOYMENT, current, {"spec": {"replicas": replicas}}, "scale")


def test_a_kind_without_scale_cannot_be_scaled() -> None:
    with pytest.raises(NotFoundError):
        written(SERVICE, service(), {"spec": {"replicas": 1}}, "scale")


def test_an_unknown_sub_resource_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        written(SERVICE, service(), {}, "nonsense")


def test_the_last_finalizer_keeps_a_deleted_object() -> None:
    current = edited(service(), deletionTimestamp="x", finalizers=["a", "b"])
    outcome = written(SERVICE, current, edited(current, finalizers=["b"]), "")
    assert not outcome.gone
    outcome = written(SERVICE, current, edited(current, finalizers=[]), "")
    assert outcome.gone


def test_a_deleted_object_takes_no_new_finalizer() -> None:
    current = edited(service(), deletionTimestamp="x", finalizers=["a"])
    with pytest.raises(InvalidError, match="no new finalizers can be added"):
        written(SERVICE, current, edited(current, finalizers=["a", "b"]), "")


def test_the_last_finalizer_of_a_pod_in_its_grace_does_not_end_it() -> None:
    pod = born(POD, POD.document("default", "p", spec={"nodeName": "n"}))
    current = edited(pod, deletionTimestamp="x", deletionGracePeriodSeconds=30, finalizers=["a"])
    assert not written(POD, current, edited(current, finalizers=[]), "").gone


def test_an_update_cannot_free_a_namespace_of_its_content() -> None:
    """`spec.finalizers` changes only through the sub-resource finalize."""
    current = born(NAMESPACE, NAMESPACE.document("", "mine"))
    assert written(NAMESPACE, current, {**current, "spec": {}}, "").document is current


def test_a_finalized_namespace_goes_only_if_it_is_deleted() -> None:
    current = born(NAMESPACE, NAMESPACE.document("", "mine"))
    empty: Document = {"spec": {}}
    assert not written(NAMESPACE, current, empty, "finalize").gone
    ending = edited(current, deletionTimestamp="x")
    assert written(NAMESPACE, ending, empty, "finalize").gone
    held = edited(ending, finalizers=["a"])
    assert not written(NAMESPACE, held, empty, "finalize").gone
