"""What a process may see of the machine, and as whom it runs: decided here, done elsewhere. Pure.

A process sees the machine's files, read-only. What it has no business with is covered by empty
directories: the data directory above all, and whatever others may not enter. Beneath them are
made anew only the ways to what it needs: its own bundle, its interpreter.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels

FIRST_USER = 1_900_000_000
"""Users from here on belong to nobody on a usual machine: neither people, nor services, nor
containers are given such numbers."""
USERS = 100_000_000
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))
"""Directories of which each container has its own."""

DOCKERS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
           "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "AUDIT_WRITE", "SETFCAP")  # fmt: skip
_NUMBERS = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7,
    "SETPCAP": 8, "NET_BIND_SERVICE": 10, "NET_RAW": 13, "SYS_CHROOT": 18, "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}  # fmt: skip
ROOT_MAY = sum(1 << _NUMBERS[name] for name in DOCKERS)
"""The capabilities left to a process that is to run as root: those that engines give their
containers, without that of making devices."""


def user_of(namespace: str) -> int:
    """As whom the processes of `namespace` run that are not told: the same one always, so that
    every Revision can read what an earlier one has left in a claim. It is also the group.

    >>> user_of("default")
    1914588639
    """
    return FIRST_USER + zlib.crc32(namespace.encode()) % USERS


def unwanted(pod: Document) -> bool:
    """Whether the annotation of `pod` says that it shall see the machine as it is."""
    return bool(dig(pod, "metadata", "annotations", labels.ISOLATION) == "none")


class Step(Enum):
    """What is done at a place."""

    COVER = "an empty directory is laid over it"
    TEMPORARY = "a directory of the container's own is laid over it"
    SHOW = "it is shown again"


Steps = tuple[tuple[Path, Step], ...]


@dataclass(frozen=True, slots=True)
class World:
    """What must be known of the machine. `hidden`: directories that no process may see;
    `closed`: whether whoever is not the owner may not pass through a directory."""

    hidden: tuple[Path, ...]
    closed: Callable[[Path], bool]


def steps(needed: Iterable[Path], world: World) -> Steps:
    """From the machine's files to those of a container that needs `needed`; outermost first, so
    that nothing hides what is done beneath it."""
    found = dict.fromkeys(TEMPORARY, Step.TEMPORARY) | dict.fromkeys(world.hidden, Step.COVER)
    needed = tuple(needed)
    for path in (*needed, *world.hidden):
        for above in reversed(path.parents):
            if above in found:
                break
            if world.closed(above):
                found[above] = Step.COVER
                break
    for path in needed:
        if any(above in found for above in path.parents):
            found.setdefault(path, Step.SHOW)
    return tuple(sorted(found.items(), key=lambda step: (len(step[0].parts), step[0])))


def prefix_of(program: Path) -> Path:
    """The directory that has a program and what it needs: `…/node-20` of `…/node-20/bin/node`.
    Where that would be somebody's home or all that he has installed, the program's own alone."""
    directory = program.parent
    above = directory.parent
    general = len(above.parts) <= 2 or above.parent == Path("/home") or above.name == ".local"
    return directory if directory.name != "bin" or general else above
