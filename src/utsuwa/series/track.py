"""One revision's latest points: a minute at 1 s, an hour at 1 min, and what is still to be written.

A revision that does nothing and has no pod is given no points: its last one is all zeros, and the
next one that is not is preceded by a zero a second before, so that a line drawn through the points
stays on the ground between them.
"""

from utsuwa.series.block import Block
from utsuwa.series.point import NOTHING, Point, merged

SECOND = 1
MINUTE = 60


class Track:
    """Points of one revision.

    Mutable state: all of it. `_blocks` holds, of either step, the block that grows and the one
    before; `_minute` is the minute that runs, not yet a point.
    """

    __slots__ = ("_blocks", "_last", "_life", "_minute", "_minute_of", "_trimmed")

    def __init__(self, life: int = 0) -> None:
        """`life` differs from that of every track before of the same revision."""
        self._life = life
        self._blocks: dict[int, list[Block]] = {SECOND: [], MINUTE: []}
        self._trimmed = {SECOND: False, MINUTE: False}
        self._minute: Point | None = None
        self._minute_of = 0
        self._last: Point | None = None

    def __repr__(self) -> str:
        return f"<Track {self._blocks}>"

    @property
    def silent(self) -> bool:
        """Whether nothing happens any more: the last point is all zeros, or there is none."""
        return self._last is None or self._last == NOTHING

    def add(self, second: int, point: Point, *, rested: bool = False) -> None:
        """The figures of `second`; `rested`: nothing happened before, which is certain."""
        if rested and self.silent and point != NOTHING and self._newest(SECOND) < second - 1:
            self._put(SECOND, second - 1, NOTHING)
        self._last = point
        self._put(SECOND, second, point)
        minute = second - second % MINUTE
        if self._minute is not None and minute != self._minute_of:
            self._end_minute()
            if rested and self._newest(MINUTE) < minute - MINUTE:
                self._put(MINUTE, minute - MINUTE, NOTHING)
        self._minute = point if self._minute is None else merged(self._minute, point)
        self._minute_of = minute

    def end_minute(self, second: int) -> None:
        """Make a point of the minute that runs if it has ended by `second`."""
        if self._minute is not None and second >= self._minute_of + MINUTE:
            self._end_minute()

    def seal(self) -> None:
        """Make a point of the minute that runs, complete or not: we end now. What comes of it
        later is merged."""
        if self._minute is not None:
            self._end_minute()

    def holds(self, step: int, since: int) -> bool:
        """Whether every point of `step` that there was here `since` then still is."""
        blocks = self._blocks[step]
        return not self._trimmed[step] or blocks[0].start <= since

    def blocks(self, step: int) -> list[Block]:
        """What is here of `step`, the minute that runs included."""
        found = list(self._blocks[step])
        if step == MINUTE and self._minute is not None:
            running = Block(MINUTE, self._minute_of, self._life)
            if found and found[-1].takes(self._minute_of):
                running = found.pop().copy()
            running.put(self._minute_of, self._minute)
            found.append(running)
        return found

    def latest(self, since: int) -> dict[int, Point]:
        """The points of each second from `since` on that are still here."""
        return {
            time: point
            for block in self._blocks[SECOND]
            if block.last >= since
            for time, point in zip(block.times, block.points, strict=True)
            if time >= since
        }

    def unwritten(self) -> list[Block]:
        """Copies of all blocks that have changed since the last call."""
        changed = [block for blocks in self._blocks.values() for block in blocks if block.dirty]
        for block in changed:
            block.dirty = False
        return [block.copy() for block in changed]

    def _end_minute(self) -> None:
        if self._minute is not None:
            self._put(MINUTE, self._minute_of, self._minute)
            self._minute = None

    def _newest(self, step: int) -> int:
        blocks = self._blocks[step]
        return blocks[-1].last if blocks else 0

    def _put(self, step: int, time: int, point: Point) -> None:
        blocks = self._blocks[step]
        if not blocks or not blocks[-1].takes(time):
            blocks.append(Block(step, time, self._life))
        blocks[-1].put(time, point)
        while len(blocks) > 2 and not blocks[0].dirty:
            blocks.pop(0)
            self._trimmed[step] = True
