"""Sample sizes (`spec/autoscaling.md` §2.5)."""

import pytest

from utsuwa.autoscale.sampling import sample_size


@pytest.mark.parametrize(("pods", "size"), [(-1, 0), (0, 0), (3, 3), (4, 4), (5, 4), (13, 8), (39, 12), (100, 14), (1000, 16)])  # fmt: skip
def test_a_few_pods_stand_for_many(pods: int, size: int) -> None:
    """All of up to three, sixteen of a thousand."""
    assert sample_size(pods) == size
