import pytest

from utsuwa.apiserver.strategic import strategic_merge
from utsuwa.cluster.errors import BadRequestError
from utsuwa.kit.documents import Document, copy
from utsuwa.model.kinds import CORE_SERVICE, DEPLOYMENT, POD


def pod(**spec: object) -> Document:
    return {"metadata": {"name": "p"}, "spec": spec}


def merged(target: Document, patch: Document) -> Document:
    before = copy(target)
    result = strategic_merge(POD, target, patch)
    assert target == before, "the target must not be changed"
    return result


def test_maps_merge_and_null_removes() -> None:
    """As in a merge patch."""
    target = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    patch = {"metadata": {"labels": {"a": None, "c": "3"}}}
    assert merged(target, patch) == {"metadata": {"labels": {"b": "2", "c": "3"}}}


def test_containers_merge_by_name_and_keep_their_order() -> None:
    """New ones come last."""
    target = pod(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "1"}])
    patch = {"spec": {"containers": [{"name": "c", "image": "3"}, {"name": "b", "image": "2"}]}}
    assert merged(target, patch)["spec"]["containers"] == [
        {"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "image": "3"},
    ]  # fmt: skip


def test_lists_inside_items_merge_too() -> None:
    """env by name, within containers by name."""
    target = pod(containers=[{"name": "a", "env": [{"name": "X", "value": "1"}], "args": ["1"]}])
    patch = pod(containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}], "args": ["2"]}])
    (container,) = merged(target, patch)["spec"]["containers"]
    assert container["env"] == [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]
    assert container["args"] == ["2"]


def test_an_item_is_deleted_by_its_directive() -> None:
    """`$patch: delete` with the key."""
    target = pod(volumes=[{"name": "a"}, {"name": "b"}])
    patch = pod(volumes=[{"name": "a", "$patch": "delete"}])
    assert merged(target, patch)["spec"]["volumes"] == [{"name": "b"}]


def test_a_list_or_map_is_replaced_by_its_directive() -> None:
    """`$patch: replace`, and `$patch: delete` of a map."""
    target = pod(volumes=[{"name": "a"}], nodeSelector={"x": "1"}, securityContext={"u": 1})
    patch = pod(
        volumes=[{"name": "c"}, {"$patch": "replace"}],
        nodeSelector={"y": "2", "$patch": "replace"},
        securityContext={"$patch": "delete"},
    )
    assert merged(target, patch)["spec"] == {"volumes": [{"name": "c"}], "nodeSelector": {"y": "2"}}


def test_the_order_asked_for_is_made() -> None:
    """`$setElementOrder`; what it does not name keeps its place."""
    target = pod(containers=[{"name": "a"}, {"name": "x"}, {"name": "b"}])
    patch = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    names = [one["name"] for one in merged(target, patch)["spec"]["containers"]]
    assert names == ["b", "x", "a"]


def test_sets_of_values_grow_and_shrink() -> None:
    """Finalizers, `$deleteFromPrimitiveList`."""
    target = {"metadata": {"finalizers": ["a", "b"]}}
    patch = {"metadata": {"finalizers": ["c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"]}}
    assert merged(target, patch) == {"metadata": {"finalizers": ["a", "c"]}}


def test_only_the_retained_keys_stay() -> None:
    """`$retainKeys`, as kubectl sends it for a Deployment's strategy."""
    target = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(DEPLOYMENT, target, patch) == {
        "spec": {"strategy": {"type": "Recreate"}}
    }


def test_ports_are_found_without_their_protocol() -> None:
    """The key of a port is its number and its protocol; TCP where none is told."""
    target = {"spec": {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}}
    patch = {"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 53, "name": "dns"}]}}
    ports = strategic_merge(CORE_SERVICE, target, patch)["spec"]["ports"]
    assert ports == [
        {"port": 80, "protocol": "TCP", "name": "web"},
        {"port": 53, "protocol": "UDP", "name": "dns"},
    ]


def test_nulls_are_not_stored_where_nothing_was() -> None:
    """A new map or item is cleaned of nulls and directives."""
    patch = pod(volumes=[{"name": "a", "emptyDir": {}, "secret": None}])
    assert merged({"metadata": {"name": "p"}}, patch)["spec"] == {
        "volumes": [{"name": "a", "emptyDir": {}}]
    }


def test_an_item_without_its_key_is_refused() -> None:
    """400 naming the list and the key."""
    with pytest.raises(BadRequestError, match=r"spec\.containers: .*'name'"):
        merged(pod(containers=[]), pod(containers=[{"image": "x"}]))


def test_an_unknown_directive_is_refused() -> None:
    """400."""
    with pytest.raises(BadRequestError, match="unknown directive"):
        merged(pod(), {"spec": {"$patch": "explode"}})
