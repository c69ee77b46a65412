"""A load that runs in a thread of its own, while somebody watches."""

import asyncio
import threading

from utsuwa.app.load import Load, Results
from utsuwa.kit.clock import SystemClock


class Sending:
    """One run of a load. Mutable state: that of the thread; read `results` once :attr:`over`."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.results = Results()
        self._stop = threading.Event()
        self._task: asyncio.Task[Results] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __repr__(self) -> str:
        return f"<Sending {self.results.done} of {self.load.requests}>"

    @property
    def over(self) -> bool:
        """Whether it has ended, by itself or not."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End it, and wait for that. The results are those until then."""
        self._stop.set()
        loop = self._loop
        if loop is not None and not self.over:
            loop.call_soon_threadsafe(self._cancel)
        self._thread.join()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._send())

    async def _send(self) -> None:
        from utsuwa.app.load.generator import Generator

        clock = SystemClock()
        generator = Generator(self.load, clock)
        self.results = generator.results
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(generator.run(None))
        if self._stop.is_set():
            self._task.cancel()
        started = clock.monotonic()
        try:
            await asyncio.wait([self._task])
        finally:
            self.results.total = self.results.total or clock.monotonic() - started
            await generator.close()
        if not self._task.cancelled():
            self._task.result()
