"""What the store may refuse or fail to do."""


class StoreError(Exception):
    """The store cannot be opened, read or written; the message says why and what to do."""


class StoreLockedError(StoreError):
    """Another process holds the file."""


class StoreClosedError(StoreError):
    """The store is not open: a write came before `open` or after `close`."""


class WriteFailedError(StoreError):
    """A write did not reach the disk; nothing of it is kept, and it may be tried again."""


class HistoryGoneError(StoreError):
    """Changes after `since` are not known: too long ago (before `oldest`), or never given out.
    List again and watch from there."""

    def __init__(self, since: int, oldest: int, newest: int) -> None:
        if since > newest:
            super().__init__(f"too large resource version: {since}, current: {newest}")
        else:
            super().__init__(f"too old resource version: {since} ({oldest})")
        self.since = since
        self.oldest = oldest
