import pytest

from utsuwa.model.ports import with_numbered_probe_ports


@pytest.mark.parametrize("containers", [{"a": 1}, ["a"], [], "x", None, [None]])
def test_what_is_no_list_of_containers_is_left_as_it_is(containers: object) -> None:
    """A Certificate's spec is open: anything may stand under `containers`."""
    document = {"kind": "Certificate", "spec": {"containers": containers}}
    assert with_numbered_probe_ports(document) == document
