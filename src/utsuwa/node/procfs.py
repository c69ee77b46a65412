"""Processes as the kernel knows them. A pid alone is no identity: with its start time it is."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

POD_VARIABLE = "UTSUWA_POD"
"""Environment variable that marks whatever a Pod has started, however far it has moved away."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


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


def use(pid: int) -> tuple[float, int] | None:
    """What process `pid` has used: seconds of processor time, with those of the children it has
    waited for, and bytes of memory that it holds, shared ones included. None if there is none."""
    fields = _stat(pid)
    if not fields:
        return None
    return sum(map(int, fields[11:15])) / _TICKS, int(fields[21]) * _PAGE


def by_session() -> dict[int, list[int]]:
    """Every running process by its session."""
    found: dict[int, list[int]] = {}
    for pid in _pids():
        fields = _stat(pid)
        if fields and fields[0] not in {"Z", "X"}:
            found.setdefault(int(fields[3]), []).append(int(pid))
    return found


def machine_cpu_seconds() -> float:
    """Processor time that the whole machine has spent on anything but waiting."""
    with open("/proc/stat", encoding="utf-8") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / _TICKS


def machine_memory() -> int:
    """Bytes of the machine's memory that could not be given to something new."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        kib = {
            name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in file)
        }
    return (kib["MemTotal"] - kib["MemAvailable"]) * 1024


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


_LISTENS = "0A"


def listening(pids: Iterable[int]) -> frozenset[int]:
    """The TCP ports on which any of these processes listens."""
    ports = {f"socket:[{inode}]": port for inode, port in listeners()}
    return frozenset(ports[name] for pid in pids for name in _open_files(pid) if name in ports)


def listeners(process: str = "self") -> Iterator[tuple[str, int]]:
    """Inode and port of each listening TCP socket in the network of `process`: the machine's, or
    one of its own."""
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{process}/net/{name}", encoding="ascii") as file:
                rows = [line.split() for line in file][1:]
        except OSError:
            continue
        for row in rows:
            if row[3] == _LISTENS:
                yield row[9], int(row[1].rpartition(":")[2], 16)


def _open_files(pid: int) -> Iterator[str]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
