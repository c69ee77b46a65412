from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from utsuwa.testing.console import Browsing, browsing


@pytest.fixture
async def open_console(tmp_path: Path) -> AsyncIterator[Browsing]:
    async with browsing(tmp_path) as running:
        yield running
