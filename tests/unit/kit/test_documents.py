from typing import Any

import pytest

from utsuwa.kit.documents import copy, dig, merge_patch, without


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # the examples of RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_laid_over_its_target(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


def test_a_merge_patch_changes_neither_of_its_arguments() -> None:
    target, patch = {"a": {"b": 1}}, {"a": {"c": 2}}
    merge_patch(target, patch)
    assert (target, patch) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_dig_answers_the_default_where_a_step_is_missing_or_null() -> None:
    document = {"a": [{"b": None}], "n": 0}
    assert dig(document, "a", 0, "b", default="x") == "x"
    assert dig(document, "a", 1, default="x") == "x"
    assert dig(document, "n", "deeper", default="x") == "x"
    assert dig(document, "n") == 0
    assert dig(None, "a") is None


def test_a_copy_shares_nothing_with_its_original() -> None:
    original = {"a": {"b": [1]}}
    twin = copy(original)
    twin["a"]["b"].append(2)
    assert original == {"a": {"b": [1]}}
    assert without(original, ["a"]) == {}
