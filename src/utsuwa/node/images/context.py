"""The files of a directory as an engine wants them for a build: a tar archive."""

import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from utsuwa.node.images.ignore import of_context


@dataclass(frozen=True, slots=True)
class Packed:
    """What is in an archive."""

    files: int
    size: int


def pack(directory: Path, dockerfile: str, archive: IO[bytes]) -> Packed:
    """Write what counts of `directory` to `archive`. Sockets and the like stay behind.

    Raises:
        OSError: a file cannot be read.
    """
    left_out = of_context(directory, dockerfile)
    files = size = 0
    with tarfile.open(fileobj=archive, mode="w", dereference=False) as tar:
        for path in _walk(directory, "", left_out):
            entry = tar.gettarinfo(directory / path, arcname=path)
            if entry is None:
                continue
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            if entry.isreg():
                with (directory / path).open("rb") as file:
                    tar.addfile(entry, file)
                files, size = files + 1, size + entry.size
            else:
                tar.addfile(entry)
    return Packed(files, size)


def _walk(top: Path, below: str, left_out: Callable[[str], bool]) -> Iterator[str]:
    with os.scandir(top / below) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        path = f"{below}/{item.name}" if below else item.name
        gone = left_out(path)
        if not gone:
            yield path
        if item.is_dir(follow_symlinks=False):
            # What is left out may have something in it that is taken back.
            yield from _walk(top, path, left_out)
