"""The broker of slots as a process' service: one unix socket, the ledger behind it.

A gateway's slots are free when its process has ended, not when its connection has: only then is
each of its connections to a pod closed as well. The kernel tells (a pidfd turns readable after
the last descriptor of the process has been closed).
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import msgspec

from utsuwa.gateway.slots.ledger import Ledger
from utsuwa.gateway.slots.words import Join, ToGateway, to_broker
from utsuwa.kit.framing import FrameDecoder, FrameError, encode_frame
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)
_CREDENTIALS = struct.Struct("3i")


class _Gateway(asyncio.Protocol):
    """One connection. Mutable state: `pid`, `transport`."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._decoder = FrameDecoder()
        self.pid = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self.pid = peer_pid(transport.get_extra_info("socket"))
        self._broker.came(self)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._decoder.feed(data):
                message = to_broker.decode(body)
                if isinstance(message, Join):
                    _log.info("gateway joined", gateway=message.gateway, held=len(message.held))
                self._broker.ledger.heard(self.pid, message)
        except (FrameError, msgspec.MsgspecError) as error:
            _log.warning("gateway speaks nonsense, hanging up", pid=self.pid, reason=error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._broker.left(self)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Broker:
    """Listens for gateways and grants them slots.

    Mutable state: `ledger`; `_gateways`, connections by process id; `_watched`, a pidfd for each
    process that may hold something.
    """

    def __init__(self, path: Path, expected: Iterable[int] = ()) -> None:
        """`expected`: gateways that live, which will say what they hold."""
        self._path = path
        self._gateways: dict[int, _Gateway] = {}
        self._watched: dict[int, int] = {}
        self._server: asyncio.Server | None = None
        expected = list(expected)
        self.ledger = Ledger(self._tell, expected)
        for pid in expected:
            self._watch(pid)

    def __repr__(self) -> str:
        return f"<Broker {self._path} {self.ledger!r}>"

    async def open(self) -> None:
        """Listen; a socket file left by a dead process is replaced."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Gateway(self), str(self._path))
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening and hang up; gateways go on with the slots they hold."""
        if self._server is not None:
            self._server.close()
        for gateway in list(self._gateways.values()):
            gateway.close()
        for pid in list(self._watched):
            self._unwatch(pid)

    def came(self, gateway: _Gateway) -> None:
        """A gateway dialled."""
        former = self._gateways.get(gateway.pid)
        self._gateways[gateway.pid] = gateway
        if former is not None:
            former.close()
        if gateway.pid not in self._watched:
            self._watch(gateway.pid)

    def left(self, gateway: _Gateway) -> None:
        """A connection is lost."""
        if self._gateways.get(gateway.pid) is gateway:
            del self._gateways[gateway.pid]
            self.ledger.lost(gateway.pid)

    def _tell(self, pid: int, message: ToGateway) -> None:
        gateway = self._gateways.get(pid)
        if gateway is not None and gateway.transport is not None:
            gateway.transport.write(encode_frame(message))

    def _watch(self, pid: int) -> None:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self.ledger.gone(pid)
            return
        self._watched[pid] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._ended, pid)

    def _unwatch(self, pid: int) -> None:
        descriptor = self._watched.pop(pid)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)

    def _ended(self, pid: int) -> None:
        self._unwatch(pid)
        self._gateways.pop(pid, None)
        self.ledger.gone(pid)
        _log.info("gateway ended, its slots are free", pid=pid)


def peer_pid(sock: socket.socket) -> int:
    """The process at the other end of a unix socket."""
    pid, _, _ = _CREDENTIALS.unpack(
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    return int(pid)
