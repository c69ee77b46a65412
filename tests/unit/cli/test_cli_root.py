"""Exit codes, and how failures look: one line why, one line what to do, never a stack trace."""

import importlib
from pathlib import Path

import click
import pytest

from utsuwa.cli import root as root_module
from utsuwa.cli.root import root, run
from utsuwa.testing.commandline import Type
from utsuwa.testing.fakeapi import FakeApi, status

COMMANDS = root.list_commands(click.Context(root))


def _command(name: str) -> click.Command:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_shows_an_example(name: str) -> None:
    """Help texts teach: each has at least one line that can be typed."""
    text = _command(name).get_help(click.Context(_command(name), info_name=f"utsuwa {name}"))
    _, _, examples = text.partition("Examples:")
    assert f"utsuwa {name}" in examples


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    """The overview is a table, so that it loads no command: the two must not drift apart."""
    with click.Context(root) as ctx:
        formatter = ctx.make_formatter()
        root.format_commands(ctx, formatter)
    overview = " ".join(formatter.getvalue().split())
    assert f"{name} {_command(name).short_help}" in overview


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_explained(name: str) -> None:
    """An option without a help text is a riddle."""
    options = [p for p in _command(name).params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_an_unknown_command_is_wrong_usage_and_names_the_one_that_was_meant(utsuwa: Type) -> None:
    """Exit code 2."""
    result = utsuwa("servcies")
    assert result.code == 2
    assert "Did you mean 'services'?" in result.err


def test_wrong_usage_names_the_flag(utsuwa: Type) -> None:
    """Exit code 2."""
    result = utsuwa("deploy", "hello", "--image", "x", "--concurrency", "many")
    assert result.code == 2
    assert "--concurrency" in result.err


def test_without_a_cluster_the_command_to_start_one_is_named(utsuwa: Type, tmp_path: Path) -> None:
    """Exit code 1: why, and what to do."""
    result = utsuwa("services", "--data-dir", str(tmp_path))
    assert result.code == 1
    assert result.err.splitlines() == [
        f"utsuwa: no cluster here: {tmp_path}/kubeconfig does not exist",
        f"  Start one: utsuwa up --data-dir {tmp_path}",
    ]


def test_when_nobody_answers_that_is_said_and_how_to_start_the_server(
    utsuwa: Type, tmp_path: Path
) -> None:
    """A kubeconfig is there, the server is not."""
    (tmp_path / "kubeconfig").write_text(
        '{"current-context":"u","contexts":[{"name":"u","context":{"cluster":"c","user":"a"}}],'
        '"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],'
        '"users":[{"name":"a","user":{}}]}'
    )
    result = utsuwa("services", "--data-dir", str(tmp_path))
    assert result.code == 1
    assert "http://127.0.0.1:1: Connection refused" in result.err
    assert f"Start it: utsuwa up --data-dir {tmp_path}" in result.err


def test_a_refusal_prints_the_message_of_the_status(utsuwa: Type, api: FakeApi) -> None:
    """The API server knows best what is wrong."""
    api.refuse["POST"] = status(400, "BadRequest", "validation failed: invalid value: spec.x")
    result = utsuwa("deploy", "hello", "--image", "dev.local/hello")
    assert result == (1, "", "utsuwa: validation failed: invalid value: spec.x\n")


def test_what_should_not_happen_shows_no_stack_trace(
    utsuwa: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours is told in two lines, with what to send us."""

    def explode(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("of our own making")

    monkeypatch.delenv("UTSUWA_DEBUG", raising=False)
    monkeypatch.setattr(importlib, "import_module", explode)
    result = utsuwa("version")
    assert result.code == 1
    assert "ZeroDivisionError: of our own making" in result.err
    assert "Traceback" not in result.err


def test_an_interrupt_ends_quietly_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is not an error to be told about."""

    def interrupt(*_args: object, **_kwargs: object) -> None:
        raise click.exceptions.Abort

    monkeypatch.setattr(root_module.root, "main", interrupt)
    assert run(["services"]) == 130
    assert "".join(capsys.readouterr()).strip() == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--domain", "no domain"], "--domain"),
        (["--address", "everywhere"], "--address"),
        (["--gateway-port", "7000", "--api-port", "7000"], "--gateway-port"),
        (["--gateway-port", "70000"], "--gateway-port"),
    ],
)
def test_up_refuses_what_cannot_be(utsuwa: Type, arguments: list[str], complaint: str) -> None:
    """Wrong usage, before anything is started."""
    result = utsuwa("up", *arguments)
    assert result.code == 2
    assert complaint in result.err


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(utsuwa: Type, shell: str) -> None:
    """The script calls us back through a variable of its own."""
    result = utsuwa("completion", shell)
    assert result.code == 0
    assert "_UTSUWA_COMPLETE" in result.out


def test_version_prints_the_version(utsuwa: Type) -> None:
    """One line."""
    from utsuwa import __version__

    assert utsuwa("version").out.startswith(f"utsuwa {__version__} ")
