"""What admission finds wrong with an object, in the form the original prints it.

`spec/resources.md` §5: equal messages are merged and their paths united and sorted; problems are
sorted by message, then details; each prints as `MESSAGE: path1, path2`, details on lines of
their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its message, the field paths at fault, and whether it only warns."""

    message: str
    paths: tuple[str, ...] = ()
    details: str = ""
    warning: bool = False

    def under(self, prefix: str) -> "Problem":
        """The same problem seen from a parent: `prefix` before each path; an index attaches
        without a dot (`containers` + `[0].image`)."""
        return replace(self, paths=tuple(_join(prefix, path) for path in self.paths))

    def __str__(self) -> str:
        head = f"{self.message}: {', '.join(self.paths)}"  # the colon stays without paths, too
        return f"{head}\n{self.details}" if self.details else head


def under(prefix: str, problems: Iterable[Problem]) -> list[Problem]:
    """Every problem of `problems`, seen from the parent `prefix`."""
    return [problem.under(prefix) for problem in problems]


def merged(problems: Iterable[Problem]) -> list[Problem]:
    """Equal problems united, in the order in which they are printed."""
    paths: dict[tuple[str, str, bool], set[str]] = {}
    for problem in problems:
        paths.setdefault((problem.message, problem.details, problem.warning), set()).update(
            problem.paths
        )
    return [
        Problem(message, tuple(sorted(found)), details, warning)
        for (message, details, warning), found in sorted(paths.items(), key=lambda item: item[0])
    ]


def _join(prefix: str, path: str) -> str:
    if not path:
        return prefix
    if not prefix:
        return path
    first = path.partition(".")[0]  # a key with dots in brackets is no index
    is_index = first.startswith("[") and first.endswith("]")
    return prefix + path if is_index else f"{prefix}.{path}"
