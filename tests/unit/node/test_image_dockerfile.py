"""Which line of a Dockerfile failed, and what an engine is given."""

import io
import tarfile
from pathlib import Path

import pytest

from utsuwa.node.images.context import pack
from utsuwa.node.images.dockerfile import Steps, instructions

TEXT = """\
# syntax=docker/dockerfile:1
FROM python:3.11 AS base
RUN apt-get update && \\
    # a comment in between

    apt-get install -y make
copy   . /app
FROM base
RUN <<END
make all
END
RUN make
CMD ["x"]"""


def test_instructions_and_their_lines() -> None:
    """Continued lines, comments and here-documents included; keywords in capitals."""
    assert [(one.line, one.words) for one in instructions(TEXT)] == [
        (2, "FROM python:3.11 AS base"),
        (3, "RUN apt-get update && apt-get install -y make"),
        (7, "COPY . /app"),
        (8, "FROM base"),
        (9, "RUN <<END"),
        (12, "RUN make"),
        (13, 'CMD ["x"]'),
    ]


def test_another_escape_and_an_end_without_one() -> None:
    """As on Windows; and a file that ends in the middle."""
    text = "# escape=`\nRUN a `\n b\nRUN c `"
    assert [(one.line, one.words) for one in instructions(text)] == [(2, "RUN a b"), (4, "RUN c")]


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (["STEP 1/3: FROM python:3.11 AS base"], 2),
        (["[2/2] STEP 3/4: RUN make", "make: ..."], 12),
        (["Step 1/7 : FROM python:3.11 AS base", "Step 3/7 : COPY . /app"], 7),
        (["STEP 2/3: RUN apt-get update &&     apt-get install -y make"], 3),
        (["STEP 1/3: FROM base", "STEP 2/3: RUN something that was expanded"], 9),
        (["STEP 7/7: LABEL x=y"], None),
        (["no step"], None),
    ],
)
def test_a_step_is_found_again(lines: list[str], line: int | None) -> None:
    """By its words, else the next of its kind."""
    steps = Steps(instructions(TEXT))
    for one in lines:
        steps.follow(one)
    assert (steps.current and steps.current.line) == line


def test_the_same_step_twice_is_two_lines() -> None:
    """The second one comes after the first."""
    steps = Steps(instructions("FROM a\nRUN x\nRUN x\n"))
    lines = []
    for text in ("STEP 1/3: FROM a", "STEP 2/3: RUN x", "STEP 3/3: RUN x"):
        assert steps.follow(text)
        lines.append(steps.current and steps.current.line)
    assert lines == [1, 2, 3]


def test_what_an_engine_is_given(tmp_path: Path) -> None:
    """Files with their modes, empty directories, links; not what is left out."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / ".dockerignore").write_text("**/*.log\nbuild\n!build/keep\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "keep").write_text("kept")
    (tmp_path / "build" / "away").write_text("")
    (tmp_path / "a.log").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("/etc/passwd")
    archive = io.BytesIO()
    packed = pack(tmp_path, "Dockerfile", archive)
    assert (packed.files, packed.size) == (4, 13 + 27 + 4 + 10)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        assert sorted(tar.getnames()) == [
            ".dockerignore", "Dockerfile", "build/keep", "empty", "link", "run",
        ]  # fmt: skip
        assert tar.getmember("run").mode & 0o111 == 0o111
        assert tar.getmember("link").linkname == "/etc/passwd"
