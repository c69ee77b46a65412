"""Control killed in the middle of writing; `make crash KILLS=200` does it more often."""

from pathlib import Path

import pytest
from benchmarks.crash import crash

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


async def test_what_was_acknowledged_outlives_sigkill(tmp_path: Path) -> None:
    """Twenty clients write, control dies ten times: nothing acknowledged is lost, nothing partial
    is seen, no version is used twice (`crash` raises otherwise)."""
    result = await crash(10, tmp_path / "data", seed=4)
    assert result.acknowledged >= 200
    assert result.compared >= 10 * 20
