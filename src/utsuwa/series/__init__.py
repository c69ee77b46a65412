"""Series of figures over time: points, blocks of them, their rollup, and how they are packed.

Pure: time is an argument, and nothing here knows of files or of the network. A :class:`Track` takes
one point a second and makes a point a minute of them; a :class:`Block` is what is written at once;
:func:`fold` makes one series of blocks that may overlap.
"""

from utsuwa.series.block import Block, fold, pack, unpack
from utsuwa.series.life import Life, away
from utsuwa.series.point import (
    COLUMNS,
    MEMORY_UNIT,
    NOTHING,
    TENTHS,
    Mark,
    Point,
    merged,
    shown,
    together,
)
from utsuwa.series.track import MINUTE, SECOND, Track

__all__ = [
    "COLUMNS",
    "MEMORY_UNIT",
    "MINUTE",
    "NOTHING",
    "SECOND",
    "TENTHS",
    "Block",
    "Life",
    "Mark",
    "Point",
    "Track",
    "away",
    "fold",
    "merged",
    "pack",
    "shown",
    "together",
    "unpack",
]
