"""Lists in pages: `limit` and `continue`.

The rest of a list is kept as it was, so all pages together are one consistent list. What is kept
are references to documents that the store shares anyway. Only the latest lists are kept; a token
whose list is gone is answered with 410, on which clients list again.
"""

import base64
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from utsuwa.apiserver.status import bad_request
from utsuwa.cluster.errors import Cause, ExpiredError
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document

_KEPT = 64
_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and the list's metadata."""

    items: Sequence[Document]
    metadata: Document


@dataclass(frozen=True, slots=True)
class _Rest:
    items: Sequence[Document]
    version: str
    question: str
    until: float


class Pages:
    """Lists that are being read page by page.

    Mutable state: `_rests`, `_number`; changed synchronously, on the loop.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rests: OrderedDict[str, _Rest] = OrderedDict()
        self._number = 0

    def __repr__(self) -> str:
        return f"<Pages {len(self._rests)} lists kept>"

    def first(self, items: Sequence[Document], version: str, question: str, limit: int) -> Page:
        """The first `limit` of `items` (all when 0); `question` is what was asked, and must be
        the same for the pages that follow."""
        if not limit or len(items) <= limit:
            return Page(items, {"resourceVersion": version})
        rest = _Rest(items, version, question, self._clock.monotonic() + _SECONDS)
        self._number += 1
        name = str(self._number)
        self._rests[name] = rest
        while len(self._rests) > _KEPT:
            self._rests.popitem(last=False)
        return _page(name, rest, 0, limit)

    def following(self, token: str, question: str, limit: int) -> Page:
        """The page that a token stands for.

        Raises:
            BadRequestError: not a token of ours, or of another list.
            ExpiredError: the list is no longer kept.
        """
        name, start = _read(token)
        rest = self._rests.get(name)
        if rest is None or rest.until < self._clock.monotonic():
            self._rests.pop(name, None)
            message = (
                "The provided continue parameter is too old to display a consistent list result. "
                "Start a new list without the continue parameter."
            )
            raise ExpiredError(message, causes=(Cause(message),))
        if rest.question != question:
            raise bad_request("continue key is not valid: it belongs to another list")
        return _page(name, rest, start, limit or len(rest.items))


def _page(name: str, rest: _Rest, start: int, limit: int) -> Page:
    end = start + limit
    metadata: Document = {"resourceVersion": rest.version}
    if end < len(rest.items):
        metadata["continue"] = base64.urlsafe_b64encode(f"{name}:{end}".encode()).decode()
        metadata["remainingItemCount"] = len(rest.items) - end
    return Page(rest.items[start:end], metadata)


def _read(token: str) -> tuple[str, int]:
    try:
        name, _, start = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        return name, int(start)
    except ValueError as error:
        raise bad_request("continue key is not valid: expected a token of a former page") from error
