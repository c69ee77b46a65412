"""The header fields that a hop must look at, found in one pass; all others travel unseen."""

import re
from collections.abc import Iterable

from utsuwa.gateway.http1.errors import BadMessageError

CHUNKED = -1
UNTIL_CLOSE = -2
"""Framing of a body that is not a number of bytes."""

_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding"})
_NEVER_NAMED = _SINGLE | {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}

Found = dict[bytes, bytes]
Cuts = list[tuple[int, int]]


def finder(names: Iterable[str], *patterns: str) -> re.Pattern[bytes]:
    """A pattern that matches the line of each of `names`, and of each name that one of `patterns`
    matches, in a lower-case head."""
    alternatives = "|".join([*(re.escape(name) for name in names), *patterns])
    return re.compile(rf"\r\n({alternatives}):[ \t]*([^\r]*)".encode())


def find(
    pattern: re.Pattern[bytes], raw: bytes, lower: bytes, cut: frozenset[bytes]
) -> tuple[Found, Cuts]:
    """The fields of `pattern` in `raw` (whose lower case is `lower`), and where the lines of `cut` are.

    Fields given several times are joined as RFC 9110 §5.3 allows, but those that frame or route a
    message must be single.

    Raises:
        BadMessageError: one of those is not.
    """
    found: Found = {}
    cuts: Cuts = []
    for match in pattern.finditer(lower):
        name = match[1]
        start, end = match.span(2)
        value = raw[start:end].rstrip(b" \t")
        if name in found:
            if name in _SINGLE:
                raise BadMessageError(400, f"the head has more than one {name.decode()} field")
            value = found[name] + b", " + value
        found[name] = value
        if name in cut:
            cuts.append((match.start(), end))
    return found, cuts


def named_by_connection(connection: bytes, lower: bytes, known: frozenset[bytes]) -> Cuts:
    """Lines that the Connection field declares to be for this hop only (RFC 9110 §7.6.1)."""
    cuts: Cuts = []
    for token in connection.lower().split(b","):
        name = token.strip()
        if not name or name in known or name in _NEVER_NAMED:
            continue
        for match in re.finditer(rb"\r\n" + re.escape(name) + rb":[^\r]*", lower):
            cuts.append(match.span())
    return cuts


def without(raw: bytes, cuts: Cuts, start: int) -> list[bytes]:
    """The parts of `raw` from `start` on that lie between `cuts`."""
    if not cuts:
        return [raw[start:]]
    parts: list[bytes] = []
    position = start
    for begin, end in sorted(cuts):
        if begin >= position:
            parts.append(raw[position:begin])
            position = end
    parts.append(raw[position:])
    return parts


def length_of(found: Found) -> int | None:
    """The body's length in bytes, or CHUNKED; None where neither is declared.

    Raises:
        BadMessageError: both are, or one of them makes no sense.
    """
    coding = found.get(b"transfer-encoding")
    length = found.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise BadMessageError(400, "the head has both Content-Length and Transfer-Encoding")
        codings = [part.strip() for part in coding.lower().split(b",")]
        if codings[-1] != b"chunked" or b"chunked" in codings[:-1]:
            raise BadMessageError(400, "Transfer-Encoding does not end in one `chunked`")
        return CHUNKED
    if length is None:
        return None
    if not length.isdigit() or len(length) > 18:
        raise BadMessageError(400, "Content-Length is not a number")
    return int(length)
