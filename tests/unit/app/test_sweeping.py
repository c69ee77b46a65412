"""Which bundles the objects of a cluster need."""

from utsuwa.app.sweeping import digests


def test_a_digest_counts_wherever_it_is_named() -> None:
    """In a template, in a status, in a text."""
    one, two, three = (f"sha256:{digit * 64}" for digit in "abc")
    found = digests(
        [
            {"spec": {"containers": [{"image": f"dev.local/x@{one}"}]}},
            {"status": {"containerStatuses": [{"imageID": two}], "message": f"no {three}: gone"}},
            {"spec": {"image": "dev.local/x:latest"}},
        ]
    )
    assert found == {one, two, three}
