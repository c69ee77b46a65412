"""What a directory needs, and which of its files decide about it."""

import json
from pathlib import Path

import pytest

from utsuwa.node.images import BuildError
from utsuwa.node.images.needs import NodeNeeds, PythonNeeds, node_needs, python_needs
from utsuwa.node.images.recipe import recipe


def a_directory(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "needs"),
    [
        ({}, PythonNeeds()),
        ({"requirements.txt": "# no\n"}, PythonNeeds()),
        (
            {"requirements.txt": "flask # the web\n"},
            PythonNeeds(("-r", "requirements.txt"), (), ("requirements.txt",)),
        ),
        (
            {
                "requirements.txt": "-r deps/base.txt\n-cpins.txt\n",
                "deps/base.txt": "flask\n-r more.txt\n",
                "deps/more.txt": "gunicorn\n",
                "pins.txt": "flask==3\n",
            },
            PythonNeeds(
                ("-r", "requirements.txt"),
                (),
                ("requirements.txt", "deps/base.txt", "deps/more.txt", "pins.txt"),
            ),
        ),
        ({"pyproject.toml": '[project]\nname="x"\n'}, PythonNeeds()),
        (
            {"pyproject.toml": '[project]\nname="x"\ndependencies=["flask>=3"]\n'},
            PythonNeeds(("flask>=3",)),
        ),
        (
            {"pyproject.toml": '[project]\nname="x"\ndynamic=["dependencies"]\n'},
            PythonNeeds((".",), inputs=None),
        ),
        (
            {"pyproject.toml": '[tool.poetry.dependencies]\npython="^3.11"\nflask="*"\n'},
            PythonNeeds((".",), inputs=None),
        ),
    ],
)
def test_what_pip_installs(tmp_path: Path, files: dict[str, str], needs: PythonNeeds) -> None:
    """requirements.txt with all it names, else pyproject.toml."""
    assert python_needs(a_directory(tmp_path, files)) == needs


@pytest.mark.parametrize(
    "line", [".", "-e .", "./lib", "lib/x.whl", "x @ file:///x", "--find-links wheels", "x @ ./lib"]
)
def test_what_lies_in_the_directory_itself_is_never_kept(tmp_path: Path, line: str) -> None:
    """It changes with any file."""
    files = {"requirements.txt": f"{line}\n", "lib/x.whl": ""}
    assert python_needs(a_directory(tmp_path, files)).inputs is None


def test_a_directory_named_as_a_package_is_not_that_package(tmp_path: Path) -> None:
    """`flask` is a name to pip, whatever lies beside it."""
    files = {"requirements.txt": "flask\n", "flask/__init__.py": ""}
    assert python_needs(a_directory(tmp_path, files)).inputs == ("requirements.txt",)


def test_a_lock_file_fixes_versions(tmp_path: Path) -> None:
    """Not of the project itself, nor where it has two versions: pip knows for which machine."""
    lock = """
[[package]]
name = "flask"
version = "3.0.1"
source = { registry = "https://index.example/simple" }
[[package]]
name = "numpy"
version = "1"
[[package]]
name = "numpy"
version = "2"
[[package]]
name = "app"
version = "0.1"
source = { virtual = "." }
"""
    project = '[project]\nname="app"\ndependencies=["flask", "numpy"]\n'
    directory = a_directory(tmp_path, {"pyproject.toml": project, "uv.lock": lock})
    assert python_needs(directory).constraints == ("flask==3.0.1",)


def test_a_requirements_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """And the file that names it."""
    directory = a_directory(tmp_path, {"requirements.txt": "-r base.txt\n"})
    with pytest.raises(BuildError, match=r"requirements\.txt: names base\.txt, which is not there"):
        python_needs(directory)


def test_dependencies_that_are_no_list_are_refused(tmp_path: Path) -> None:
    """As a person may write them."""
    directory = a_directory(tmp_path, {"pyproject.toml": '[project]\ndependencies = "flask"\n'})
    with pytest.raises(BuildError, match=r"expected project\.dependencies to be a list"):
        python_needs(directory)


@pytest.mark.parametrize(
    ("files", "program", "because"),
    [
        ({"package-lock.json": "{}"}, ("npm", "ci"), "package-lock.json"),
        ({"yarn.lock": ""}, ("yarn", "install"), "yarn.lock"),
        ({"pnpm-lock.yaml": ""}, ("pnpm", "install"), "pnpm-lock.yaml"),
        ({"package.json": '{"dependencies": {"a": "1"}}'}, ("npm", "install"), "package.json"),
        ({"package.json": '{"devDependencies": {"a": "1"}}'}, (), ""),
    ],
)
def test_what_fills_node_modules(
    tmp_path: Path, files: dict[str, str], program: tuple[str, ...], because: str
) -> None:
    """The tool that wrote the lock file; npm where there is none."""
    needs = node_needs(a_directory(tmp_path, {"package.json": "{}", **files}), unlocked=True)
    assert (needs.command[:2], needs.because) == (program, because)


def test_a_python_app_beside_a_package_json_needs_no_npm(tmp_path: Path) -> None:
    """Unless a lock file asks for it."""
    package = '{"dependencies": {"a": "1"}}'
    directory = a_directory(tmp_path, {"package.json": package, "main.py": ""})
    assert recipe(directory).node == NodeNeeds()


@pytest.mark.parametrize(
    "package",
    [
        {"scripts": {"postinstall": "node x"}},
        {"workspaces": ["a"]},
        {"dependencies": {"a": "file:../a"}},
    ],
)
def test_scripts_and_packages_of_the_directory_are_never_kept(
    tmp_path: Path, package: dict[str, object]
) -> None:
    """They see, or are, any of its files."""
    files = {"package.json": json.dumps(package), "package-lock.json": "{}"}
    assert node_needs(a_directory(tmp_path, files), unlocked=True).inputs is None


@pytest.mark.parametrize(
    ("files", "package"),
    [
        ({"main.go": "// x\npackage main\n", "cmd/a/a.go": "package main"}, "."),
        ({"lib.go": "package lib\n", "cmd/serve/main.go": "package main\n"}, "./cmd/serve"),
    ],
)
def test_which_go_program_is_built(tmp_path: Path, files: dict[str, str], package: str) -> None:
    """The one at the top, else the only one below cmd."""
    assert recipe(a_directory(tmp_path, {"go.mod": "module x\n", **files})).go == package


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"lib.go": "package lib\n"}, "no file has `package main`"),
        ({"cmd/a/a.go": "", "cmd/b/b.go": ""}, "cmd/ has a, b"),
    ],
)
def test_go_without_one_program_is_told(tmp_path: Path, files: dict[str, str], found: str) -> None:
    """What was found, and two ways out."""
    with pytest.raises(BuildError, match=f"{found}.*executable `start`, or a Dockerfile"):
        recipe(a_directory(tmp_path, {"go.mod": "module x\n", **files}))
