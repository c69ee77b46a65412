"""Live pages: one look a second, whoever watches; what has changed goes to each of them.

Pages that show the same to the same user share a :class:`Channel`: what it shows is worked out
once, whether one browser follows it or twenty.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

from utsuwa.cluster.errors import ApiError
from utsuwa.console.rendering import Renderer
from utsuwa.console.visit import Piece
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import encode
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)

PHASE = 0.6
"""Seconds after the full second at which the hub looks: the figures of that second are there."""
LONGEST = 300.0
"""Seconds after which a stream ends; the browser opens the next one, and is asked who it is."""
BEHIND = 30
"""Looks that a browser may lag before it is cut off, to begin anew."""
_BEAT = 15.0
RETRY = b"retry: 1000\n\n"

Look = Callable[[], Awaitable[Sequence[Piece]]]


class Channel:
    """What pages of one kind show to one user.

    Mutable state: `_shown`, the value and the frame of each piece as it was sent last, and `_queues`,
    one a browser.
    """

    def __init__(self, look: Look, renderer: Renderer) -> None:
        self._look = look
        self._renderer = renderer
        self._shown: dict[str, tuple[object, bytes]] = {}
        self._queues: set[asyncio.Queue[bytes | None]] = set()

    def __repr__(self) -> str:
        return f"<Channel {len(self._shown)} pieces, {len(self._queues)} browsers>"

    @property
    def followed(self) -> bool:
        """Whether anybody watches."""
        return bool(self._queues)

    async def refresh(self) -> bytes:
        """Look again; the frames of what has changed."""
        try:
            pieces = await self._look()
        except ApiError as error:
            pieces = [Piece("gone", "", {"message": error.message})]
        changed = []
        for piece in pieces:
            before = self._shown.get(piece.name)
            if before is None or before[0] != piece.value:
                frame = self._frame(piece)
                self._shown[piece.name] = (piece.value, frame)
                changed.append(frame)
        if len(self._shown) > len(pieces):
            names = {piece.name for piece in pieces}
            self._shown = {name: one for name, one in self._shown.items() if name in names}
        return b"".join(changed)

    def send(self, frames: bytes) -> None:
        """Give `frames` to every browser; one that is too slow is cut off."""
        for queue in list(self._queues):
            if queue.full():
                self._queues.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(frames)

    @contextmanager
    def following(self) -> Iterator["asyncio.Queue[bytes | None]"]:
        """A queue with all that is shown now, and then what changes."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(BEHIND)
        queue.put_nowait(b"".join(frame for _, frame in self._shown.values()))
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """End every stream."""
        for queue in self._queues:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)
        self._queues.clear()

    def _frame(self, piece: Piece) -> bytes:
        if not piece.macro:
            return _frame(piece.name, encode(piece.value).decode())
        html = str(self._renderer.macro(piece.macro)(piece.name, piece.value))
        named = f'id="{piece.name}"'  # htmx then puts it in place of the element of that id
        return _frame("html", html.replace(named, f'{named} hx-swap-oob="true"', 1))


class Hub:
    """Mutable state: `_channels` by what they show to whom; `_work`, set while there are any."""

    def __init__(self, renderer: Renderer, clock: Clock) -> None:
        self._renderer = renderer
        self._clock = clock
        self._channels: dict[Hashable, Channel] = {}
        self._work = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Hub {len(self._channels)} channels>"

    async def run(self) -> None:
        """Look once a second while anybody watches, for ever."""
        while True:
            await self._work.wait()
            now = self._clock.now()
            await self._clock.sleep(math.floor(now - PHASE) + 1 + PHASE - now)
            await self.look()

    async def look(self) -> None:
        """Look once at everything that is followed."""
        for key, channel in list(self._channels.items()):
            if not channel.followed:
                del self._channels[key]
                continue
            try:
                frames = await channel.refresh()
            except Exception as error:  # a page that cannot be made must not take control down
                _log.error("a live page failed", error=error, page=key)
                channel.close()
                del self._channels[key]
                continue
            if frames:
                channel.send(frames)
            await self._clock.sleep(0)  # a cold start must not wait for a page
        if not self._channels:
            self._work.clear()

    async def follow(self, key: Hashable, look: Look) -> AsyncGenerator[bytes, None]:
        """Frames for one browser: all that is shown under `key`, then what changes."""
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(look, self._renderer)
        ends = self._clock.monotonic() + LONGEST
        yield RETRY
        with channel.following() as queue:
            self._work.set()
            fresh = await channel.refresh()
            if fresh:
                channel.send(fresh)
            while self._clock.monotonic() < ends:
                try:
                    async with asyncio.timeout(_BEAT):
                        frames = await queue.get()
                except TimeoutError:
                    frames = b": still here\n\n"
                if frames is None:
                    return
                if frames:
                    yield frames

    def close(self) -> None:
        """End every stream."""
        for channel in self._channels.values():
            channel.close()


def _frame(event: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() if line.strip())
    return f"event: {event}\n{lines}\n".encode()
