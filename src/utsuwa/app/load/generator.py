"""Sends the load: one protocol object per connection, no task and no timer per request."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

from utsuwa.app.load.results import Results
from utsuwa.app.load.target import Load
from utsuwa.kit.clock import Clock
from utsuwa.kit.tasks import TaskSet

_SWEEP = 0.25
"""Seconds between looks for requests that have taken too long."""
_REDIAL = 0.05
"""Seconds to wait after a connection was refused: a server that is down is not hammered."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is, told once a second. `second` is the number of requests that ended in the
    last second, `in_flight` how many wait for their answer."""

    elapsed: float
    second: int
    in_flight: int
    done: int
    failures: int


OnSecond = Callable[[Progress], None]


async def run(load: Load, clock: Clock, on_second: OnSecond | None = None) -> Results:
    """Send it all and collect what comes back. Never raises for what the server does: that is in
    the results. Cancelling it ends the load at once."""
    generator = Generator(load, clock)
    try:
        return await generator.run(on_second)
    finally:
        await generator.close()


class Generator:
    """One run. Mutable state: `_left` (requests not yet begun) and the results, both changed on
    the loop only."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self.load = load
        self.message = load.message
        self.results = Results()
        self.clock = clock
        self._left = load.requests
        self._workers = [Worker(self) for _ in range(min(load.connections, load.requests))]
        self._tasks = TaskSet(self._died)
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"<Generator {self.results.done} of {self.load.requests} done>"

    async def run(self, on_second: OnSecond | None) -> Results:
        """Begin, and return when the last request has ended."""
        started = self.clock.monotonic()
        self._tasks.spawn(self._sweep(), name="load-sweep")
        if on_second is not None:
            self._tasks.spawn(self._tell(on_second, started), name="load-progress")
        for worker in self._workers:
            worker.begin()
        await self._finished
        self.results.total = self.clock.monotonic() - started
        return self.results

    async def close(self) -> None:
        """Drop every connection."""
        self._left = 0
        await self._tasks.close()
        for worker in self._workers:
            worker.drop()

    def take(self) -> bool:
        """True when there is a request left, which then is the caller's."""
        if self._left == 0:
            return False
        self._left -= 1
        return True

    def ended(self) -> None:
        """A request was counted in the results."""
        if self.results.done == self.load.requests and not self._finished.done():
            self._finished.set_result(None)

    def dial(self, worker: "Worker", delay: float) -> None:
        """Connect `worker`, after `delay` seconds."""
        self._tasks.start(self._dial(worker, delay), name="load-dial")

    async def _dial(self, worker: "Worker", delay: float) -> None:
        if delay:
            await self.clock.sleep(delay)
        host, port = self.load.address
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.load.timeout):
                await loop.create_connection(lambda: Connection(self, worker), host, port)
        except TimeoutError:
            worker.failed(f"dial {host}:{port}: no connection within {self.load.timeout:g} s")
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            worker.failed(f"dial {host}:{port}: {why}", pause=_REDIAL)

    async def _sweep(self) -> None:
        while True:
            await self.clock.sleep(_SWEEP)
            limit = self.clock.monotonic() - self.load.timeout
            for worker in self._workers:
                worker.give_up(limit)

    async def _tell(self, on_second: OnSecond, started: float) -> None:
        before = 0
        for second in range(1, 1 << 31):
            await self.clock.sleep(started + second - self.clock.monotonic())
            done = self.results.done
            busy = sum(worker.busy for worker in self._workers)
            on_second(Progress(second, done - before, busy, done, self.results.failures))
            before = done

    def _died(self, name: str, error: BaseException | None) -> None:
        if not self._finished.done():
            self._finished.set_exception(RuntimeError(f"{name} ended: {error}"))


class Worker:
    """One place in the loop: it owns a request from before the dialling to the end of the answer,
    and then takes the next one."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._connection: Connection | None = None
        self._sent = 0.0
        self.busy = False

    def __repr__(self) -> str:
        return f"<Worker {'busy' if self.busy else 'idle'} {self._connection}>"

    def begin(self, *, pause: float = 0.0) -> None:
        """Take the next request, if there is one, and send it."""
        if not self._generator.take():
            self.drop()
            return
        self._sent = self._generator.clock.monotonic()
        self.busy = True
        if self._connection is not None:
            self._connection.send()
        else:
            self._generator.dial(self, pause)

    def connected(self, connection: "Connection") -> None:
        """A connection is there: send what is waiting for it."""
        self._connection = connection
        connection.send()

    def answered(self, status: int, size: int, *, keep: bool) -> None:
        """The answer is complete."""
        generator = self._generator
        self.busy = False
        generator.results.answered(status, generator.clock.monotonic() - self._sent, size)
        generator.ended()
        if not keep:
            self.drop()
        self.begin()

    def failed(self, why: str, *, pause: float = 0.0) -> None:
        """There will be no answer."""
        self.busy = False
        self.drop()
        self._generator.results.failed(why)
        self._generator.ended()
        self.begin(pause=pause)

    def lost(self, connection: "Connection", why: str) -> None:
        """The server closed `connection`."""
        if connection is not self._connection:
            return
        self._connection = None
        if self.busy:
            self.failed(why)

    def give_up(self, limit: float) -> None:
        """Fail the request if it was sent before `limit`. Dialling has a limit of its own."""
        if self.busy and self._connection is not None and self._sent < limit:
            self.failed(f"no answer within {self._generator.load.timeout:g} s")

    def drop(self) -> None:
        """Forget the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, used for one request after another."""

    def __init__(self, generator: Generator, worker: Worker) -> None:
        self._message = generator.message
        self._worker = worker
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._size = 0

    def send(self) -> None:
        """Write the request."""
        if self._transport is not None:
            self._transport.write(self._message)

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The dialling succeeded."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._worker.connected(self)

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.abort()
            self._worker.lost(self, f"the answer is not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed, or we did."""
        why = str(exc) if exc is not None else "closed before the answer was complete"
        self._worker.lost(self, f"connection: {why}")

    # --- httptools callbacks --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._size = 0

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)

    def on_message_complete(self) -> None:
        """The answer ends. Whether the connection stays must be asked here: the parser forgets."""
        status = self._parser.get_status_code()
        keep = self._parser.should_keep_alive()
        if status >= 200:  # 1xx announces the answer proper
            self._worker.answered(status, self._size, keep=keep)
