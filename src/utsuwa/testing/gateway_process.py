"""The real gateway process on real sockets, with a fake control: for tests from end to end."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

from utsuwa.routing.messages import Ack, Endpoint
from utsuwa.testing.gateway import FakeControl, one_service

HOST = "hello.default.example.com"
REVISION = "default/hello-00001"


class GatewayProcess:
    """A gateway process, its listening socket (ours, as the supervisor's) and its control.

    Mutable state: `process`, the present one; `_clients`, what :meth:`connect` has opened.
    """

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "link.sock")
        self.control = FakeControl(self.path)
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(1024)
        self.port: int = self.listener.getsockname()[1]
        self.tls_listener = socket.socket()
        self.tls_listener.bind(("127.0.0.1", 0))
        self.tls_listener.listen(1024)
        self.tls_port: int = self.tls_listener.getsockname()[1]
        self.process: Process | None = None
        self._clients: list[asyncio.StreamWriter] = []

    async def start(self) -> Process:
        """Start the process; it accepts connections once control has sent a table."""
        environment = {
            **os.environ,
            "UTSUWA_GATEWAY_FDS": str(self.listener.fileno()),
            "UTSUWA_GATEWAY_TLS_FDS": str(self.tls_listener.fileno()),
            "UTSUWA_LINK": self.path,
            "UTSUWA_GATEWAY_NAME": "gateway-0",
            "UTSUWA_DRAIN_SECONDS": "5",
        }
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "utsuwa.gateway", env=environment,
            pass_fds=[self.listener.fileno(), self.tls_listener.fileno()],
        )  # fmt: skip
        return self.process

    async def stop(self) -> None:
        """Kill the process, end control, hang up."""
        for client in self._clients:
            client.transport.abort()
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        await self.control.stop()
        self.listener.close()
        self.tls_listener.close()

    def endpoint(self, port: int, uid: str = "pod-1", *, ready: bool = True) -> Endpoint:
        """A pod on this machine."""
        return Endpoint(uid, "127.0.0.1", port, ready=ready)

    async def serve(self, *endpoints: Endpoint, **fields: Any) -> None:
        """Start control with a table, and the gateway; wait until it is in force."""
        self.control.snapshot = one_service(*endpoints, host=HOST, revision=REVISION, **fields)
        await self.control.start()
        await self.start()
        await self.control.wait_for(Ack, seconds=15)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to it, closed with it at the latest."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        self._clients.append(writer)
        return reader, writer

    async def get(self, path: str = "/") -> bytes:
        """A whole answer, over a connection of its own."""
        reader, writer = await self.connect()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(10):
            data = await reader.read()
        writer.close()
        return data

    def rss(self) -> float:
        """Resident memory in MiB."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
