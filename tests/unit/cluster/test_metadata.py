"""The form of metadata that every stored object has."""

from typing import Any

import pytest

from utsuwa.cluster.errors import InvalidError
from utsuwa.cluster.metadata import check_form
from utsuwa.model.kinds import POD

OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}


def test_metadata_of_every_form_that_clients_send_passes() -> None:
    document = POD.document("default", "p")
    document["metadata"] |= {
        "labels": {"a": "b"}, "annotations": None, "finalizers": ["x"],
        "ownerReferences": [{**OWNER, "controller": True}, OWNER], "generateName": "p-",
    }  # fmt: skip
    check_form(POD, document)


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"name": 5}, "metadata.name"),
        ({"generateName": ["x"]}, "metadata.generateName"),
        ({"labels": ["x"]}, "metadata.labels"),
        ({"labels": {"a": 1}}, "metadata.labels.a"),
        ({"annotations": {"a": True}}, "metadata.annotations.a"),
        ({"finalizers": "x"}, "metadata.finalizers"),
        ({"finalizers": [1]}, "metadata.finalizers"),
        ({"ownerReferences": {"uid": "x"}}, "metadata.ownerReferences"),
        ({"ownerReferences": ["x"]}, "metadata.ownerReferences"),
        ({"ownerReferences": [{**OWNER, "uid": ""}]}, "metadata.ownerReferences.uid"),
        ({"ownerReferences": [{**OWNER, "name": None}]}, "metadata.ownerReferences.name"),
        ({"ownerReferences": [{**OWNER, "controller": True}] * 2}, "metadata.ownerReferences"),
        ("text", "metadata"),
        (None, "metadata"),
    ],
)
def test_malformed_metadata_is_refused_with_its_field(metadata: Any, field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_form(POD, {"metadata": metadata})
    assert [cause.field for cause in caught.value.causes] == [field]


def test_all_faults_are_told_at_once() -> None:
    reference = {"apiVersion": "v1", "kind": "Node"}
    with pytest.raises(InvalidError) as caught:
        check_form(POD, {"metadata": {"name": "p", "ownerReferences": [reference]}})
    assert caught.value.message == (
        'Pod "p" is invalid: [metadata.ownerReferences.name: Invalid value: "": name must not be '
        'empty, metadata.ownerReferences.uid: Invalid value: "": uid must not be empty]'
    )
