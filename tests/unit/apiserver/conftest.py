"""A running API server for each test that talks HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from utsuwa.testing.apiserver import Serving, serving


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path) as running:
        yield running
