"""Ignore files: the two dialects, and which file decides."""

from pathlib import Path

import pytest

from utsuwa.node.images.content import entries
from utsuwa.node.images.ignore import Ignored, of_bundle, of_context


@pytest.mark.parametrize(
    ("lines", "path", "left_out"),
    [
        (["*.log"], "a/b.log", True),
        (["/*.log"], "a/b.log", False),
        (["*.log", "!keep.log"], "a/keep.log", False),
        (["a/*.txt"], "a/x.txt", True),
        (["a/*.txt"], "a/b/x.txt", False),
        (["a/**/x.txt"], "a/b/c/x.txt", True),
        (["a/**/x.txt"], "a/x.txt", True),
        (["**/tmp"], "a/tmp", True),
        (["tmp/"], "a/tmp/x", True),
        (["tmp/", "!tmp/x"], "tmp/x", True),
        (["a/**"], "a/b/c", True),
        (["?.py"], "a.py", True),
        (["[ab].py"], "b.py", True),
        (["[!ab].py"], "b.py", False),
        (["[z-a].py"], "b.py", False),
        ([r"\!x"], "!x", True),
        (["# a comment", ""], "# a comment", False),
        (["/"], "a", False),
    ],
)
def test_patterns_of_git(lines: list[str], path: str, left_out: bool) -> None:
    """As .gitignore has them."""
    assert Ignored(lines).covers(path) is left_out


@pytest.mark.parametrize(
    ("lines", "path", "left_out"),
    [
        (["*.log"], "b.log", True),
        (["*.log"], "a/b.log", False),
        (["**/*.log"], "a/b.log", True),
        (["a"], "a/b/c", True),
        (["a/", "!a/b"], "a/b/c", False),
        (["*", "!dist"], "dist/x.js", False),
        (["*", "!dist"], "src/x.js", True),
        (["."], "a/b", True),
        (["./a"], "a", True),
        (["!"], "a", False),
    ],
)
def test_patterns_of_docker(lines: list[str], path: str, left_out: bool) -> None:
    """Tied to the top, and what is left out may come back."""
    assert Ignored(docker=lines).covers(path) is left_out


def a_directory(root: Path, **files: str) -> Path:
    for name, text in {"main.py": "", "a.txt": "", "b.txt": "", **files}.items():
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({".dockerignore": "a.txt"}, ["b.txt", "main.py"]),
        ({".dockerignore": "a.txt", ".gcloudignore": "b.txt"}, ["a.txt", "main.py"]),
        ({".gcloudignore": "a.txt", ".utsuwaignore": "b.txt"}, ["a.txt", "main.py"]),
        (
            {".gcloudignore": "#!include:.more\n", ".more": "*.txt\n.more\n"},
            ["main.py"],
        ),
    ],
)
def test_the_first_ignore_file_decides_about_a_bundle(
    tmp_path: Path, files: dict[str, str], expected: list[str]
) -> None:
    """Our own, then gcloud's, then Docker's; none of them is packed."""
    assert [one.path for one in entries(a_directory(tmp_path, **files))] == expected


def test_what_is_always_left_out_can_be_taken_back(tmp_path: Path) -> None:
    """Such as modules that somebody wants to pack himself."""
    directory = a_directory(tmp_path, **{".utsuwaignore": "!node_modules/\n"})
    (directory / "node_modules").mkdir()
    (directory / "node_modules" / "x.js").write_text("")
    assert not of_bundle(directory).prunes("node_modules")
    assert "node_modules/x.js" in [one.path for one in entries(directory)]


def test_the_engine_sees_what_neither_file_leaves_out(tmp_path: Path) -> None:
    """And its Dockerfile always."""
    left_out = of_context(
        a_directory(tmp_path, **{".dockerignore": "a.txt\nDockerfile", ".gcloudignore": "b.txt"}),
        "Dockerfile",
    )
    seen = ("main.py", "a.txt", "b.txt", "Dockerfile", ".git/config")
    assert [path for path in seen if not left_out(path)] == ["main.py", "Dockerfile", ".git/config"]


def test_an_ignore_file_of_one_dockerfile_comes_first(tmp_path: Path) -> None:
    """As Docker has it."""
    files = {"Dockerfile.dockerignore": "a.txt", ".dockerignore": "b.txt"}
    left_out = of_context(a_directory(tmp_path, **files), "Dockerfile")
    assert (left_out("a.txt"), left_out("b.txt")) == (True, False)
