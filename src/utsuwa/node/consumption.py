"""What processes have used, from their control groups or, where those do not tell, from /proc.

A control group knows what its ended processes have used and how much memory is its own. Elsewhere
the processes of the group, or of the container's session, are added up: each with the children it
has waited for, and with memory that it shares counted in full.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from utsuwa.kit.clock import Clock
from utsuwa.node import procfs
from utsuwa.node.runtime import Consumption

_NANOSECONDS = 1e9
_MICROSECONDS = 1e6


def cpu_of_group(directories: Iterable[Path]) -> float | None:
    """Seconds that all processes ever in the group have used; None where no group tells."""
    for directory in directories:
        with contextlib.suppress(OSError, ValueError):
            return _members(directory / "cpu.stat")["usage_usec"] / _MICROSECONDS
    for directory in directories:
        with contextlib.suppress(OSError, ValueError):
            return int((directory / "cpuacct.usage").read_text()) / _NANOSECONDS
    return None


def memory_of_group(directories: Iterable[Path]) -> int | None:
    """Bytes in use, without what was read from files and can be dropped; None where no group
    tells."""
    for directory in directories:
        for amount, droppable in (
            ("memory.current", "inactive_file"),
            ("memory.usage_in_bytes", "total_inactive_file"),
        ):
            with contextlib.suppress(OSError, ValueError):
                used = int((directory / amount).read_text())
                return max(0, used - _members(directory / "memory.stat")[droppable])
    return None


def _members(path: Path) -> dict[str, int]:
    """A file of lines `name number`. Raises ValueError for one that is not, or lacks a name."""
    pairs = (line.split() for line in path.read_text().splitlines())
    return _Found({name: int(number) for name, number in pairs})


class _Found(dict[str, int]):
    def __missing__(self, name: str) -> int:
        raise ValueError(f"expected a line {name}, found {', '.join(self) or 'none'}")


def of_processes(pids: Iterable[int]) -> Consumption:
    """The sum over those processes that still are."""
    found = [use for use in map(procfs.use, pids) if use is not None]
    return Consumption(sum(cpu for cpu, _ in found), sum(memory for _, memory in found))


def of_container(group: Sequence[Path], pids: Callable[[], Iterable[int]]) -> Consumption:
    """What the group tells, and what it does not tell from the processes that `pids` finds."""
    cpu, memory = cpu_of_group(group), memory_of_group(group)
    if cpu is not None and memory is not None:
        return Consumption(cpu, memory)
    summed = of_processes(pids())
    return Consumption(
        summed.cpu_seconds if cpu is None else cpu, summed.memory if memory is None else memory
    )


class Sessions:
    """The processes of each session, from one look at the machine's for all who ask at a time.

    Mutable state: `_found`, and `_looked`, when it was.
    """

    FRESH = 0.1
    """Seconds for which one look is good."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[int, list[int]] = {}
        self._looked: float | None = None

    def __repr__(self) -> str:
        return f"<Sessions {len(self._found)}>"

    def of(self, session: int) -> Sequence[int]:
        """The processes of `session`; about 10 µs for each of the machine once in a while."""
        now = self._clock.monotonic()
        if self._looked is None or now - self._looked > self.FRESH:
            self._found = procfs.by_session()
            self._looked = now
        return self._found.get(session, ())
