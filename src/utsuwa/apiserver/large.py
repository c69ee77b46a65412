"""Large lists, made piece by piece, so that small requests do not wait for them.

Between two pieces the loop serves whoever else is there; one list is made at a time, so that ten
of them do not share the loop and hold up everybody else ten times as long.
"""

import asyncio

from utsuwa.apiserver.paging import Page
from utsuwa.apiserver.tables import Shape
from utsuwa.kit.documents import Document, encode

LARGE = 100
"""Objects from which on a list is large."""
_PIECE = 50
"""Objects in a piece: about 2 ms as rows of a Table."""


class LargeLists:
    """Makes them. Mutable state: `_turn`, held by the list that is being made."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<LargeLists {'busy' if self._turn.locked() else 'idle'}>"

    async def encoded(self, shape: Shape, page: Page, now: float) -> bytes:
        """The list as JSON, byte for byte what it would be in one go."""
        whole: Document = shape.many([], page.metadata, now)
        member = list(whole)[-1]
        pieces: list[bytes] = []
        async with self._turn:
            for start in range(0, len(page.items), _PIECE):
                part = shape.many(page.items[start : start + _PIECE], page.metadata, now)
                pieces.append(encode(part[member])[1:-1])
                await asyncio.sleep(0)
        return encode(whole)[:-2] + b",".join(pieces) + b"]}"
