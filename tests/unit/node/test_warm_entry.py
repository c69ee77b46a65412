"""What an app is, read from its command: as the interpreter itself would read it."""

from pathlib import Path

import pytest

from utsuwa.node.warm.entry import Entry, NotWarmError, entry_of

PYTHON = "/usr/bin/python3"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with a Python and three programs."""
    for name, text in {
        "python": "",
        "uvicorn": f"#!{tmp_path}/python\nimport uvicorn\n",
        "long": f"#!/bin/sh\n'''exec' \"{tmp_path}/python\" \"$0\" \"$@\"\n' '''\nimport x\n",
        "start": "#!/bin/sh\necho\n",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_a_script_with_options_and_arguments(path: Path) -> None:
    """Options stay with the interpreter, arguments with the script."""
    found = entry_of((f"{path}/python", "-u", "-X", "dev", "-Wd", "main.py", "-v"), {})
    assert found == Entry(
        f"{path}/python", ("-u", "-X", "dev", "-Wd"), "script", "main.py", ("-v",)
    )


def test_a_module(path: Path) -> None:
    """`-m` ends the interpreter's own options."""
    found = entry_of(("python", "-m", "uvicorn", "app:app"), {"PATH": str(path)})
    assert (found.kind, found.target, found.arguments) == ("module", "uvicorn", ("app:app",))


@pytest.mark.parametrize("name", ["uvicorn", "long"])
def test_a_program_that_python_runs(path: Path, name: str) -> None:
    """As pip writes them: the first line names the interpreter, in two ways."""
    found = entry_of((name, "app:app"), {"PATH": str(path)})
    assert found == Entry(f"{path}/python", (), "script", f"{path}/{name}", ("app:app",))


def test_a_procfile_with_a_port(path: Path) -> None:
    """A shell that only puts a variable in its place is not needed."""
    command = ("/bin/sh", "-c", "exec uvicorn app:app --port $PORT --host ${HOST}")
    found = entry_of(command, {"PATH": str(path), "PORT": "8080", "HOST": "::"})
    assert found.arguments == ("app:app", "--port", "8080", "--host", "::")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("start",), "start is no Python program"),
        (("nowhere",), "nowhere is not in the PATH"),
        (("python", "-c", "1"), "runs no script and no module"),
        (("python",), "is given no script"),
        (("/bin/sh", "-c", "a | b"), "needs a shell"),
        (("/bin/sh", "-c", "exec uvicorn $NONE"), "a shell is needed to make words of $NONE"),
        (("/bin/sh", "-c", "exec uvicorn $2"), "a shell is needed"),
        (("/bin/sh", "-c", "exec uvicorn ${A:-1}"), "a shell is needed to understand"),
    ],
)
def test_what_cannot_be_forked_says_why(path: Path, command: tuple[str, ...], why: str) -> None:
    """It is started as ever."""
    with pytest.raises(NotWarmError) as found:
        entry_of(command, {"PATH": str(path)})
    assert why in str(found.value)
