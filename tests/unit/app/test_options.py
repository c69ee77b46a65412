from pathlib import Path

import pytest

from utsuwa.app.options import ControlOptions, Layout, default_data_dir


def test_what_control_is_told_arrives_as_it_was_meant(tmp_path: Path) -> None:
    options = ControlOptions(
        data_dir=tmp_path, domain="example.com", gateway_port=8080, https_port=8443, api_port=6443, runtime="auto",
        log_level="info", address="127.0.0.2", address_has_api=True, address_has_gateway=False,
        api_fds=(3, 4), gke_fds=(6,), ready_fd=5,
    )  # fmt: skip
    assert ControlOptions.from_environment(options.to_environment()) == options


def test_the_data_directory_is_the_named_one_else_in_the_users_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UTSUWA_DATA_DIR", "/named")
    assert default_data_dir() == Path("/named")
    monkeypatch.delenv("UTSUWA_DATA_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "utsuwa"


def test_what_is_kept_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    layout.make()
    layout.make()
    for directory in (layout.root, layout.run, layout.exits, layout.logs):
        assert directory.stat().st_mode & 0o777 == 0o700
