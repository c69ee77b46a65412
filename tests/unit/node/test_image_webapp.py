"""A Python file with an `app`: run by a server that the directory asks for, or told what it lacks."""

from pathlib import Path

import pytest

from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.recipe import PYTHON, Recipe, recipe

FLASK = "from flask import Flask\n\napp = Flask(__name__)\n\n@app.get('/')\ndef hello():\n    return 'hi'\n"
FASTAPI = "import fastapi\n\napp: fastapi.FastAPI = fastapi.FastAPI()\n"
GUARD = "\nif __name__ == '__main__':\n    app.run(host='0.0.0.0', {port})\n"
READS_PORT = "port=int(os.environ.get('PORT', 8080))"
AS_IT_IS = (PYTHON, "-u", "main.py")


def of(
    directory: Path, text: str, requirements: str | None = None, name: str = "main.py"
) -> Recipe:
    (directory / name).write_text(text)
    if requirements is not None:
        (directory / "requirements.txt").write_text(requirements)
    return recipe(directory)


@pytest.mark.parametrize(
    ("text", "requirements", "command"),
    [
        (FLASK, "flask\ngunicorn==23.0\n", "gunicorn --bind 127.0.0.1:$PORT"),
        (FLASK, "Flask>=3\nWaitress\n", "waitress-serve --listen=127.0.0.1:$PORT"),
        (FASTAPI, "fastapi\nuvicorn[standard]>=0.30 # the server\n", "uvicorn --host 127.0.0.1"),
        (FASTAPI, "fastapi[standard]\n", "uvicorn --host 127.0.0.1 --port $PORT"),
        (FASTAPI, "fastapi\ngunicorn\nuvicorn\n", "uvicorn "),
        ("from shop import make\napp = make()\n", "gunicorn\n", "gunicorn "),
        ("from shop import app as made\napp = made\n", "uvicorn\n", "uvicorn "),
        (FLASK + GUARD.format(port="debug=True"), "flask\ngunicorn\n", "gunicorn "),
        (
            "try:\n    import x\nexcept ImportError:\n    x = None\n" + FLASK,
            "gunicorn",
            "gunicorn ",
        ),
    ],
)
def test_a_server_that_is_asked_for_runs_the_app(
    tmp_path: Path, text: str, requirements: str, command: str
) -> None:
    found = of(tmp_path, text, requirements)
    assert found.command[:2] == ("/bin/sh", "-c")
    assert found.command[2].startswith(f"exec {command}")
    assert found.command[2].endswith(" main:app")
    assert (found.kind, found.source) == ("python", "app of main.py")


def test_app_py_is_served_as_well(tmp_path: Path) -> None:
    assert of(tmp_path, FLASK, "gunicorn", name="app.py").command[2].endswith(" app:app")


def test_dependencies_of_a_project_count(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["flask", "gunicorn~=23.0"]\n'
    )
    assert "gunicorn" in of(tmp_path, FLASK).command[2]


def test_so_do_files_that_requirements_name(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("gunicorn\n")
    assert "gunicorn" in of(tmp_path, FLASK, "-r base.txt\nflask\n").command[2]


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        (FLASK + GUARD.format(port=READS_PORT), "flask\ngunicorn\n"),
        (FLASK + GUARD.format(port="debug=True"), "flask\n"),
        ("import http.server\nhttp.server.ThreadingHTTPServer(a, b).serve_forever()\n", "gunicorn"),
        ("from typer import Typer\napp = Typer()\napp()\n", "typer\ngunicorn\n"),
        ("def make():\n    app = Flask(__name__)\n", "flask\ngunicorn\n"),
        ("def broken(:\n", "gunicorn\n"),
    ],
)
def test_a_file_that_can_do_it_itself_is_left_alone(
    tmp_path: Path, text: str, requirements: str
) -> None:
    assert of(tmp_path, text, requirements).command == AS_IT_IS


@pytest.mark.parametrize(
    ("text", "requirements", "expected", "found"),
    [
        (FLASK, "flask\n", "gunicorn or waitress", "flask"),
        (FASTAPI, "fastapi\ngunicorn\n", "uvicorn or hypercorn", "fastapi, gunicorn"),
        (FLASK, None, "gunicorn or waitress", "no packages"),
    ],
)
def test_an_app_that_nothing_serves_is_refused_with_what_to_add(
    tmp_path: Path, text: str, requirements: str | None, expected: str, found: str
) -> None:
    with pytest.raises(BuildError) as told:
        of(tmp_path, text, requirements)
    message = str(told.value)
    assert message.startswith(f"{tmp_path / 'main.py'}: defines `app` (")
    assert f"Expected {expected} in requirements.txt" in message
    assert f"found {found}. Add {expected.split(maxsplit=1)[0]} there, or a Procfile" in message


def test_a_procfile_goes_before(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: gunicorn main:app\n")
    assert of(tmp_path, FLASK, "flask\n").command == ("gunicorn", "main:app")
