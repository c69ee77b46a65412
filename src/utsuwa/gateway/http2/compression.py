"""Header compression (RFC 7541) that remembers what it has just done.

The heads of one connection are alike: most of a block are fields that both sides have in their
tables. What `hpack` made of a field, or of a whole block, holds until its table changes; and only
what is seen a second time enters the table, so that a path or an id that is new each time does not
push out what all requests share.
"""

from collections.abc import Iterable
from typing import Any

from hpack import Decoder, Encoder, HeaderTuple, NeverIndexedHeaderTuple
from hpack.table import HeaderTable

_SECRETS = frozenset({b"authorization", b"cookie", b"set-cookie", b"proxy-authorization"})
"""Never in a table: what is in one can be guessed by watching lengths (RFC 7541 §7.1)."""
_LONGEST = 512
"""Bytes of a field or block that are remembered."""
_FIELDS = 256
_BLOCKS = 64


class Compressor(Encoder):
    """Writes header blocks.

    Mutable state: `_written` (fields that are in the table, as they are written now) and `_seen`
    (fields that were written once and are not in the table).
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[bytes, bytes], bytes] = {}
        self._seen: set[tuple[bytes, bytes]] = set()

    def encode(self, headers: Iterable[Any] | dict[Any, Any], huffman: bool = False) -> bytes:
        """The block of `headers`, which are pairs of bytes."""
        block: list[bytes] = []
        written = self._written
        if self.header_table.resized:
            block.append(self._encode_table_size_change())
            self.header_table.resized = False
            written.clear()
        for field in headers:
            if type(field) is NeverIndexedHeaderTuple:
                block.append(self.add((field[0], field[1]), True))
                continue
            known = written.get(field)
            block.append(self._new(field) if known is None else known)
        return b"".join(block)

    def _new(self, field: tuple[bytes, bytes]) -> bytes:
        name, value = field
        match = self.header_table.search(name, value)
        if match is not None and match[2] is not None:
            part = self._written[name, value] = self.add((name, value), False)
            return part
        if name in _SECRETS or len(value) > _LONGEST:
            return self.add((name, value), True)
        if field not in self._seen:
            if len(self._seen) >= _FIELDS:
                self._seen.clear()
            self._seen.add((name, value))
            return self.add((name, value), True)
        self._seen.discard(field)
        self._written.clear()  # a new entry moves all others
        return self.add((name, value), False)


class _Table(HeaderTable):
    """A table that counts its changes."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        """A new entry: all others move."""
        self.changes += 1
        super().add(name, value)


class Decompressor(Decoder):
    """Reads header blocks.

    Mutable state: `_read`, blocks that did not change the table, and what they said.
    """

    def __init__(self, max_header_list_size: int) -> None:
        super().__init__(max_header_list_size)
        self._table = _Table()
        self.header_table = self._table
        self._read: dict[bytes, Iterable[HeaderTuple]] = {}

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """The fields of a block; the list is shared and must not be changed."""
        known = self._read.get(data)
        if known is not None:
            return known
        changes = self._table.changes
        fields = super().decode(data, raw)
        if changes != self._table.changes or (data[:1] and data[0] & 0xE0 == 0x20):
            self._read.clear()  # an entry came, or the table's size changed
        elif len(data) <= _LONGEST:
            if len(self._read) >= _BLOCKS:
                self._read.clear()
            self._read[data] = fields
        return fields
