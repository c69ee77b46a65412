"""`/metrics` on a port of its own: loopback only, without credentials, read-only."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence

from aiohttp import web

from utsuwa.kit.exposition import CONTENT_TYPE

_CLOSE_SECONDS = 1.0


class MetricsServer:
    """Serves what `pieces` say. Mutable state: `_runner`, while it serves."""

    def __init__(self, pieces: Callable[[], Iterable[str]]) -> None:
        self._pieces = pieces
        self._runner: web.AppRunner | None = None

    def __repr__(self) -> str:
        return f"<MetricsServer {self._runner.addresses if self._runner else 'not serving'}>"

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Listen on `sockets`, if there are any."""
        if not sockets:
            return
        app = web.Application()
        app.router.add_get("/metrics", self._answer)
        runner = self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
        await runner.setup()
        for sock in sockets:
            await web.SockSite(runner, sock).start()

    async def close(self) -> None:
        """Stop."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, _request: web.Request) -> web.Response:
        page: list[str] = []
        for piece in self._pieces():
            page.append(piece)
            await asyncio.sleep(0)  # a cold start must not wait for a page of thousands of lines
        body = "".join(page).encode()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
