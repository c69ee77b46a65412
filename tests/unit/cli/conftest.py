"""A command line to type at, and an API server for it to talk to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from utsuwa.cli.root import run
from utsuwa.testing.commandline import Result, Type
from utsuwa.testing.fakeapi import FakeApi, fake_api


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A server whose data directory is the default one."""
    monkeypatch.setenv("UTSUWA_DATA_DIR", str(tmp_path))
    with fake_api(tmp_path) as server:
        yield server


@pytest.fixture
def utsuwa(capsys: pytest.CaptureFixture[str]) -> Type:
    """Runs the command line in this process."""

    def call(*arguments: str) -> Result:
        code = run(arguments)
        return Result(code, *capsys.readouterr())

    return call
