"""The difference of two texts, as a person reads it. Pure."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

_AROUND = 3
"""Lines that are shown around a change."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: `mark` is "+", "-", " ", or "@" where lines are left out."""

    mark: str
    text: str = ""
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """All that changes, with some lines around it."""

    lines: tuple[DiffLine, ...] = ()

    @property
    def added(self) -> int:
        """How many lines come."""
        return sum(line.mark == "+" for line in self.lines)

    @property
    def removed(self) -> int:
        """How many go."""
        return sum(line.mark == "-" for line in self.lines)

    def __bool__(self) -> bool:
        return bool(self.lines)


def difference(before: str, after: str) -> Difference:
    """What turns `before` into `after`.

    >>> [(line.mark, line.text) for line in difference("a\\nb\\n", "a\\nc\\n").lines]
    [(' ', 'a'), ('-', 'b'), ('+', 'c')]
    """
    old, new = before.splitlines(), after.splitlines()
    lines: list[DiffLine] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_AROUND):
        if group[0][1] or group[0][3]:
            lines.append(DiffLine("@"))
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                lines += _same(old, old_start, old_end, new_start)
                continue
            lines += [DiffLine("-", old[at], before=at + 1) for at in range(old_start, old_end)]
            lines += [DiffLine("+", new[at], after=at + 1) for at in range(new_start, new_end)]
    return Difference(tuple(lines))


def _same(old: Sequence[str], start: int, end: int, new_start: int) -> list[DiffLine]:
    return [
        DiffLine(" ", old[at], before=at + 1, after=new_start + at - start + 1)
        for at in range(start, end)
    ]
