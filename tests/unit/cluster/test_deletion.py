"""The rules of deletion, alone."""

import pytest

from utsuwa.cluster.deletion import deleted
from utsuwa.cluster.errors import ConflictError, ForbiddenError
from utsuwa.cluster.port import DeleteOptions, Preconditions, Propagation
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import NAMESPACE, POD, SERVICE

NOW = 1_700_000_000.0
AT = {0: "2023-11-14T22:13:20Z", 5: "2023-11-14T22:13:25Z", 30: "2023-11-14T22:13:50Z"}


def service(**metadata: object) -> Document:
    document = SERVICE.document("default", "hello")
    document["metadata"] |= {"uid": "u", "resourceVersion": "7", **metadata}
    return document


def pod(node: str = "node", grace: int | None = None, **metadata: object) -> Document:
    spec: Document = {"nodeName": node} if node else {}
    if grace is not None:
        spec["terminationGracePeriodSeconds"] = grace
    document = POD.document("default", "p", spec=spec)
    document["metadata"] |= {"uid": "u", "resourceVersion": "7", **metadata}
    return document


def namespace(name: str = "mine", **spec: object) -> Document:
    document = NAMESPACE.document("", name, spec=spec, status={"phase": "Active"})
    document["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    return document


def test_nothing_keeps_a_plain_object() -> None:
    assert deleted(SERVICE, service(), None, now=NOW).gone


def test_a_finalizer_keeps_an_object() -> None:
    outcome = deleted(SERVICE, service(finalizers=["a"]), None, now=NOW)
    assert not outcome.gone
    assert outcome.document["metadata"]["deletionTimestamp"] == AT[0]
    assert outcome.document["metadata"]["deletionGracePeriodSeconds"] == 0


def test_a_second_delete_of_a_kept_object_changes_nothing() -> None:
    first = deleted(SERVICE, service(finalizers=["a"]), None, now=NOW).document
    assert deleted(SERVICE, first, None, now=NOW + 60).document is first


@pytest.mark.parametrize(
    ("propagation", "finalizer"),
    [(Propagation.FOREGROUND, "foregroundDeletion"), (Propagation.ORPHAN, "orphan")],
)
def test_the_collector_keeps_an_object_whose_dependents_matter(
    propagation: Propagation, finalizer: str
) -> None:
    outcome = deleted(SERVICE, service(), DeleteOptions(propagation), now=NOW)
    assert outcome.document["metadata"]["finalizers"] == [finalizer]
    assert not outcome.gone


def test_a_later_choice_of_propagation_replaces_the_earlier() -> None:
    """`kubectl delete --cascade=background` after a foreground one that hangs."""
    first = deleted(SERVICE, service(), DeleteOptions(Propagation.FOREGROUND), now=NOW).document
    assert deleted(SERVICE, first, DeleteOptions(Propagation.BACKGROUND), now=NOW).gone


def test_a_delete_without_a_choice_keeps_the_earlier() -> None:
    first = deleted(SERVICE, service(), DeleteOptions(Propagation.FOREGROUND), now=NOW).document
    assert deleted(SERVICE, first, None, now=NOW).document is first


@pytest.mark.parametrize(
    ("preconditions", "words"),
    [
        (Preconditions(uid="other"), r"UID in the precondition \(other\)"),
        (Preconditions(resource_version="6"), r"ResourceVersion in the precondition \(6\)"),
    ],
)
def test_a_precondition_that_fails_is_a_conflict(preconditions: Preconditions, words: str) -> None:
    with pytest.raises(ConflictError, match=words):
        deleted(SERVICE, service(), DeleteOptions(preconditions=preconditions), now=NOW)


def test_preconditions_that_hold_let_the_delete_through() -> None:
    options = DeleteOptions(preconditions=Preconditions(uid="u", resource_version="7"))
    assert deleted(SERVICE, service(), options, now=NOW).gone


def test_a_bound_pod_ends_in_its_own_grace() -> None:
    metadata = deleted(POD, pod(grace=5), None, now=NOW).document["metadata"]
    assert metadata["deletionTimestamp"] == AT[5]
    assert metadata["deletionGracePeriodSeconds"] == 5


def test_a_pod_that_names_no_grace_gets_thirty_seconds() -> None:
    metadata = deleted(POD, pod(), None, now=NOW).document["metadata"]
    assert metadata["deletionTimestamp"] == AT[30]


def test_a_pod_that_was_never_bound_goes_at_once() -> None:
    assert deleted(POD, pod(node=""), None, now=NOW).gone


def test_a_pod_goes_at_once_without_grace() -> None:
    assert deleted(POD, pod(), DeleteOptions(grace_seconds=0), now=NOW).gone


def test_a_second_delete_may_shorten_the_grace() -> None:
    first = deleted(POD, pod(), None, now=NOW).document
    second = deleted(POD, first, DeleteOptions(grace_seconds=5), now=NOW + 10).document
    assert second["metadata"]["deletionTimestamp"] == AT[5]
    assert second["metadata"]["deletionGracePeriodSeconds"] == 5


def test_a_second_delete_never_lengthens_the_grace() -> None:
    first = deleted(POD, pod(grace=5), None, now=NOW).document
    again = deleted(POD, first, DeleteOptions(grace_seconds=60), now=NOW).document
    assert again is first


def test_a_namespace_stays_until_it_is_empty() -> None:
    outcome = deleted(NAMESPACE, namespace(finalizers=["kubernetes"]), None, now=NOW)
    assert not outcome.gone
    assert outcome.document["status"]["phase"] == "Terminating"
    assert outcome.document["metadata"]["deletionTimestamp"] == AT[0]


def test_an_empty_namespace_goes() -> None:
    assert deleted(NAMESPACE, namespace(), None, now=NOW).gone


def test_the_default_namespace_may_not_be_deleted() -> None:
    with pytest.raises(ForbiddenError, match='namespaces "default" is forbidden'):
        deleted(NAMESPACE, namespace("default"), None, now=NOW)


def test_what_is_deleted_is_not_changed() -> None:
    current = service(finalizers=["a"])
    deleted(SERVICE, current, DeleteOptions(Propagation.FOREGROUND), now=NOW)
    assert current == service(finalizers=["a"])
