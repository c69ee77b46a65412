"""`utsuwa env` at the command line."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from utsuwa.app.options import Layout
from utsuwa.app.serving import Serving
from utsuwa.testing.commandline import Type


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A data directory that somebody holds, as `utsuwa up` does."""
    layout = Layout(tmp_path / "data")
    layout.make()
    Serving("localhost", 8080, 6443, "127.0.0.2", 8001).write(layout)
    with (layout.run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield layout.root


def test_it_prints_lines_for_the_shell_in_use(
    utsuwa: Type, running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    told = utsuwa("env", "--data-dir", str(running), "--platform", "gke", "--project", "mine")
    assert told.code == 0
    assert f"set -gx KUBECONFIG '{running / 'kubeconfig'}'" in told.out
    assert "set -gx CLOUDSDK_RUN_PLATFORM 'gke'" in told.out
    assert "set -gx CLOUDSDK_CORE_PROJECT 'mine'" in told.out


def test_an_unknown_shell_is_told_as_bash(
    utsuwa: Type, running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    told = utsuwa("env", "--data-dir", str(running))
    assert f"export KUBECONFIG={running / 'kubeconfig'}" in told.out.splitlines()


def test_where_nothing_runs_it_says_what_to_start(utsuwa: Type, tmp_path: Path) -> None:
    """And prints nothing that a shell could take for settings."""
    told = utsuwa("env", "--data-dir", str(tmp_path))
    assert (told.code, told.out) == (1, "")
    assert f"no cluster runs in {tmp_path}" in told.err
    assert f"utsuwa up --data-dir {tmp_path}" in told.err


def test_taking_it_away_needs_no_cluster(utsuwa: Type, tmp_path: Path) -> None:
    told = utsuwa("env", "--data-dir", str(tmp_path), "--unset", "--shell", "bash")
    assert told.code == 0
    assert "unset KUBECONFIG" in told.out.splitlines()
