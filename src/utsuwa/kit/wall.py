"""The machine's clock without an event loop: for the supervisor and the command line, which must
not pay for importing asyncio."""

import time


class WallClock:
    """The machine's clock; :class:`utsuwa.kit.clock.SystemClock` adds waiting on a loop."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Block the calling thread; never on a loop."""
        time.sleep(seconds)
