"""Names derived from other names."""

import pytest

from utsuwa.model.names import (
    child_name,
    cluster_local_hosts,
    deployment_name,
    private_service_name,
    revision_name,
)

LONG = "this-is-a-very-long-service-name-which-is-sixty-three-chars-lng"


@pytest.mark.parametrize(
    ("parent", "suffix", "expected"),
    [
        ("short", "-00001", "short-00001"),
        (LONG, "-00001", "this-is-a-very-long-servi7bc8ec141dbbd4bba68713ef09b5df9d-00001"),
        (LONG, "-deployment", "this-is-a-very-long-7bc8ec141dbbd4bba68713ef09b5df9d-deployment"),
        (
            "abc",
            "-" + "0123456789" * 7,
            "abc5c5cccba5e09f529b735f9ad0bf24be0-012345678901234567890123456",
        ),
    ],
)
def test_child_names_are_cut_as_the_original_cuts_them(
    parent: str, suffix: str, expected: str
) -> None:
    """`spec/resources.md` §9, answers recorded from the original."""
    assert child_name(parent, suffix) == expected


def test_a_cut_name_never_ends_in_a_dash() -> None:
    """Such a name would not be a DNS label."""
    assert child_name("a" * 31, "-" * 40)[-1].isalnum()


def test_a_name_of_exactly_63_characters_is_not_cut() -> None:
    """63 is the limit, not beyond it."""
    assert child_name("a" * 57, "-00001") == "a" * 57 + "-00001"


def test_revisions_are_numbered_with_five_digits_and_children_carry_their_name() -> None:
    """`spec/reconcilers.md` §3.1, §4.2."""
    assert revision_name("hello", 7) == "hello-00007"
    assert revision_name("hello", 123456) == "hello-123456"
    assert deployment_name("hello-00007") == "hello-00007-deployment"
    assert private_service_name("hello-00007") == "hello-00007-private"


def test_cluster_local_hosts_come_in_three_spellings() -> None:
    """`spec/reconcilers.md` §5.6."""
    assert cluster_local_hosts("h", "ns") == ("h.ns", "h.ns.svc", "h.ns.svc.cluster.local")
