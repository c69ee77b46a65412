"""When somebody looked: what lies between two lives of the recorder is not known."""

from collections.abc import Iterable
from typing import NamedTuple


class Life(NamedTuple):
    """From when on the recorder ran, and until when it is known to have: Unix seconds, both
    included."""

    start: int
    until: int


def away(lives: Iterable[Life], since: int, until: int) -> list[tuple[int, int]]:
    """The spans from `since` to `until` of which nothing is known: first and last second of each.

    Before the first life that is remembered nothing is said to be unknown.

    >>> away([Life(0, 9), Life(20, 25), Life(21, 40)], 5, 30)
    [(10, 19)]
    """
    found, known = [], None
    for life in sorted(lives):
        if known is not None and life.start > known + 1:
            first, last = max(known + 1, since), min(life.start - 1, until)
            if first <= last:
                found.append((first, last))
        known = life.until if known is None else max(known, life.until)
    return found
