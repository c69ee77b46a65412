"""Processes as the kernel knows them. A pid alone is no identity: with its start time it is."""

import os
from collections.abc import Iterator
from pathlib import Path

POD_VARIABLE = "UTSUWA_POD"
"""Environment variable that marks whatever a Pod has started, however far it has moved away."""


def _stat(pid: int | str) -> list[str]:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return []
    # The name, in parentheses, may itself hold blanks and parentheses: cut behind the last one.
    return text[text.rindex(")") + 2 :].split()


def start_time(pid: int) -> int:
    """Start of process `pid` in clock ticks since boot, or -1 if there is none."""
    fields = _stat(pid)
    return int(fields[19]) if fields else -1


def is_running(pid: int, start: int) -> bool:
    """Whether the very process that started at `start` still runs; a zombie does not."""
    fields = _stat(pid)
    return bool(fields) and int(fields[19]) == start and fields[0] not in {"Z", "X"}


def boot_id() -> str:
    """Names this boot of the machine: after another one no pid means anything."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pids() -> Iterator[str]:
    return (name for name in os.listdir("/proc") if name.isdigit())


def belonging(session: int, mark: str, since: int) -> list[int]:
    """Every running process, started at `since` or later, that is of session `session` or bears
    `mark`."""
    wanted = f"{POD_VARIABLE}={mark}".encode()
    found = []
    for pid in _pids():
        fields = _stat(pid)
        if not fields or fields[0] in {"Z", "X"} or int(fields[19]) < since:
            continue
        if int(fields[3]) == session or wanted in _environment(pid):
            found.append(int(pid))
    return found


def marked(uid: str) -> list[int]:
    """Every process that the Pod `uid` has started. Reads the environment of each process of
    the machine: a few ms, for a thread."""
    prefix = f"{POD_VARIABLE}={uid}/".encode()
    return [
        int(pid)
        for pid in _pids()
        if any(variable.startswith(prefix) for variable in _environment(pid))
    ]


def _environment(pid: str) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []
