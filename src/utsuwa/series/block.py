"""Up to sixty points in a row: what is written and read at once.

Packed column by column, each value as the difference to the one before: most of them do not change
from second to second, and a run of zeros costs next to nothing.
"""

import zlib
from collections.abc import Iterable
from itertools import accumulate, pairwise

import msgspec

from utsuwa.series.point import NOTHING, Point, merged

LENGTH = 60
"""Steps that a block spans."""


class Block:
    """Points of one series at distances of `step` seconds, from `start` on. `life` tells apart
    blocks that begin at the same time, one of them before a restart.

    Mutable state: `times` and `points`, of equal length, and `dirty`: they were changed since they
    were last written.
    """

    __slots__ = ("dirty", "life", "points", "start", "step", "times")

    def __init__(self, step: int, start: int, life: int = 0) -> None:
        self.step = step
        self.start = start
        self.life = life
        self.times: list[int] = []
        self.points: list[Point] = []
        self.dirty = False

    def __repr__(self) -> str:
        return f"<Block {self.step}s from {self.start}, {len(self.times)} points>"

    @property
    def last(self) -> int:
        """Time of the last point; `start` when there is none."""
        return self.times[-1] if self.times else self.start

    def takes(self, time: int) -> bool:
        """Whether a point of `time` belongs here and not into the next block."""
        return time < self.start + LENGTH * self.step

    def put(self, time: int, point: Point) -> None:
        """Append a point; one of the time of the last is merged into it."""
        if self.times and self.times[-1] >= time:
            self.points[-1] = merged(self.points[-1], point)
        else:
            self.times.append(time)
            self.points.append(point)
        self.dirty = True

    def copy(self) -> "Block":
        """The same, for another thread."""
        other = Block(self.step, self.start, self.life)
        other.times, other.points = list(self.times), list(self.points)
        return other


def pack(block: Block) -> bytes:
    """The points as bytes; `step`, `start` and `life` are kept elsewhere."""
    columns = [block.times, *([point[i] for point in block.points] for i in range(len(NOTHING)))]
    return zlib.compress(msgspec.msgpack.encode([_differences(column) for column in columns]), 6)


def unpack(body: bytes, step: int, start: int, life: int = 0) -> Block:
    """What :func:`pack` packed.

    Raises:
        ValueError: these are no such bytes.
    """
    try:
        columns = msgspec.msgpack.decode(zlib.decompress(body), type=list[list[int]])
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"a block of {len(body)} bytes that cannot be read: {error}") from error
    if len(columns) != 1 + len(NOTHING) or len({len(column) for column in columns}) != 1:
        raise ValueError(f"a block of {len(columns)} columns, expected {1 + len(NOTHING)}")
    times, *members = [list(accumulate(column)) for column in columns]
    block = Block(step, start, life)
    block.times = times
    block.points = [Point(*values) for values in zip(*members, strict=True)]
    return block


def fold(blocks: Iterable[Block], since: int, until: int) -> dict[int, Point]:
    """One series of several blocks, from `since` to `until`, both included, in order of time.

    Of two blocks of one life that begin at the same time the later given counts: it is the same
    block, written before and longer now. Points of one time in different blocks are parts of one
    span (control was restarted within a minute) and are merged.
    """
    latest = {(block.life, block.start): block for block in blocks}
    found: dict[int, Point] = {}
    for block in latest.values():
        for time, point in zip(block.times, block.points, strict=True):
            if since <= time <= until:
                known = found.get(time)
                found[time] = point if known is None else merged(known, point)
    return dict(sorted(found.items()))


def _differences(column: list[int]) -> list[int]:
    return [value - before for before, value in pairwise([0, *column])]
