"""Ownership and the keys that mark objects."""

from utsuwa.model import labels
from utsuwa.model.meta import (
    controller_of,
    generation_of,
    is_controlled_by,
    is_deleting,
    is_owned_as,
    labels_of,
    owner_reference,
)
from utsuwa.testing.builders import configuration, revision, service, stored


def test_a_child_is_controlled_by_the_very_parent_it_names() -> None:
    """Same name, other uid: another object (`spec/reconcilers.md` §1.3)."""
    parent = stored(configuration(), uid="one")
    child = revision(parent)
    assert is_controlled_by(child, parent)
    assert not is_controlled_by(child, stored(configuration(), uid="two"))
    assert is_owned_as(child, "Configuration", "hello")
    assert not is_owned_as(child, "Service", "hello")


def test_an_owner_reference_blocks_and_controls() -> None:
    """Exactly the members of `spec/reconcilers.md` §1.3."""
    assert owner_reference(stored(service(), uid="u")) == {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "name": "hello",
        "uid": "u",
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_accessors_answer_nothing_where_there_is_nothing() -> None:
    """Documents from clients may lack any part."""
    assert labels_of({}) == {}
    assert generation_of({"metadata": None}) == 0
    assert controller_of({"metadata": {"ownerReferences": [{"uid": "x"}]}}) is None
    assert not is_deleting({"metadata": {}})
    assert is_deleting({"metadata": {"deletionTimestamp": "2023-11-14T22:13:20Z"}})


def test_the_first_spelling_of_a_key_wins() -> None:
    """`spec/resources.md` §5.4: older spellings are accepted."""
    both = {
        "serving.knative.dev/rolloutDuration": "1s",
        "serving.knative.dev/rollout-duration": "2s",
    }
    assert labels.ROLLOUT_DURATION.value(both) == "2s"
    assert labels.ROLLOUT_DURATION.find({"serving.knative.dev/rolloutDuration": "1s"}) == (
        "serving.knative.dev/rolloutDuration",
        "1s",
    )
    assert labels.ROLLOUT_DURATION.value(None, "0s") == "0s"


def test_route_names_are_kept_sorted_and_once() -> None:
    """`spec/resources.md` §9."""
    assert labels.join_routes(["b", "a", "b"]) == "a,b"
    assert labels.split_routes("a,b") == ["a", "b"]
    assert labels.split_routes("") == []
