"""Real clients against a real API server over a cluster in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from utsuwa.app.admission import admission
from utsuwa.model.settings import Settings
from utsuwa.testing.apiserver import Serving, serving
from utsuwa.testing.kubectl import KUBECTL, Kubectl


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Serving]:
    settings = Settings.parse({})
    async with serving(tmp_path, admission=admission(lambda: settings)) as running:
        yield running


@pytest.fixture
def kubectl(api: Serving, tmp_path: Path) -> Kubectl:
    if KUBECTL is None:
        pytest.skip("kubectl is not installed: nothing here says how it gets on with us")
    home = tmp_path / "home"
    home.mkdir()
    return Kubectl(api.kubeconfig, home)
