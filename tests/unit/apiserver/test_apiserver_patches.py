import json

import pytest

from utsuwa.apiserver.patches import patch_of
from utsuwa.apiserver.status import UnsupportedMediaTypeError
from utsuwa.cluster.errors import BadRequestError, InvalidError
from utsuwa.model.kinds import POD, SERVICE

JSON, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def operation(op: str, path: str, **members: object) -> bytes:
    return json.dumps([{"op": op, "path": path, **members}]).encode()


def test_a_json_patch_changes_a_copy() -> None:
    """RFC 6902."""
    old = {"spec": {"a": [1, 2]}}
    patch = patch_of(SERVICE, JSON, operation("add", "/spec/a/1", value=9))
    assert patch(old) == {"spec": {"a": [1, 9, 2]}}
    assert old == {"spec": {"a": [1, 2]}}


@pytest.mark.parametrize(
    "data",
    [
        operation("test", "/spec/a", value=2),
        operation("remove", "/spec/b"),
        operation("replace", "/nothing/there", value=1),
        operation("add", "/spec/a/b", value=1),
        operation("replace", "", value=3),
        operation("copy", "/x", **{"from": "/spec/zzz"}),
    ],
)
def test_an_operation_that_fails_refuses_all(data: bytes) -> None:
    """422 or 400, never our own fault."""
    with pytest.raises((InvalidError, BadRequestError)) as refused:
        patch_of(SERVICE, JSON, data)({"spec": {"a": 1}})
    assert refused.value.message


@pytest.mark.parametrize(
    "data", [b"{}", b'["x"]', b'[{"path": "/a"}]', b'[{"op": "jump", "path": "/a"}]', b"[", b'[{"op": "add", "path": "a", "value": 1}]']
)  # fmt: skip
def test_what_is_no_json_patch_is_400(data: bytes) -> None:
    """Told before anything is read from the cluster."""
    with pytest.raises(BadRequestError):
        patch_of(SERVICE, JSON, data)


def test_a_merge_patch_removes_by_null() -> None:
    """RFC 7386."""
    assert patch_of(SERVICE, MERGE, b'{"a": null, "b": {"c": 1}}')({"a": 1}) == {"b": {"c": 1}}


def test_strategic_merge_is_for_core_kinds_alone() -> None:
    """415 for the Knative kinds, naming what is taken."""
    assert patch_of(POD, STRATEGIC, b'{"spec": {}}')({"a": 1}) == {"a": 1, "spec": {}}
    with pytest.raises(UnsupportedMediaTypeError) as refused:
        patch_of(SERVICE, STRATEGIC, b"{}")
    assert STRATEGIC not in refused.value.message
    assert MERGE in refused.value.message


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC])
def test_a_patch_must_be_an_object(content_type: str) -> None:
    """400 naming what was found."""
    with pytest.raises(BadRequestError, match="found a list"):
        patch_of(POD, content_type, b"[]")
