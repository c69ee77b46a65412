"""Back-pressure: stop and go on reading, whatever state the connection is in."""

import asyncio


def pause(transport: asyncio.Transport) -> None:
    """Read no more from `transport` for now."""
    if not transport.is_closing():
        transport.pause_reading()


def resume(transport: asyncio.Transport) -> None:
    """Read again from `transport`."""
    if not transport.is_closing():
        transport.resume_reading()
