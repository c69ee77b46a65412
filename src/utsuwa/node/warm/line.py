"""Control's end of the line to one warm parent: a unix socket that keeps messages apart.

An order to fork carries two descriptors: the pod's log, and one end of a line of its own on which
the child says that it is there, waits for our word, and only then becomes a pod. Who hangs up
before that leaves no pod behind, so that a pod which we start otherwise never runs twice.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from utsuwa.node.warm.entry import NotWarmError

PATIENCE = 2.0
"""Seconds in which a fork has happened, or never does."""
_MOST = 1 << 20
_CREDENTIALS = struct.Struct("3i")


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, however long that is."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path.unlink(missing_ok=True)
    with _short(path) as name:
        made.bind(name)
    path.chmod(0o600)
    made.listen(4)
    return made


def _short(path: Path) -> "contextlib.AbstractContextManager[str]":
    """Another name of `path` that fits into an address of 108 bytes."""

    @contextlib.contextmanager
    def opened() -> Any:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{directory}/{path.name}"
        finally:
            os.close(directory)

    return opened()


class Line:
    """Mutable state: `modules` and `skipped`, as the parent told; `_open`."""

    def __init__(self, path: Path, ended: Callable[[int, int, int], None]) -> None:
        self.modules = 0
        self.skipped: dict[str, str] = {}
        self.ready = asyncio.Event()
        """The parent has imported everything, and answers."""
        self.closed = asyncio.Event()
        self._ended = ended
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        with _short(path) as name:
            self._socket.connect(name)
        asyncio.get_running_loop().add_reader(self._socket, self._heard)

    def __repr__(self) -> str:
        state = "closed" if self.closed.is_set() else "ready" if self.ready.is_set() else "waiting"
        return f"<Line {state}, {self.modules} modules>"

    def close(self) -> None:
        """Hang up."""
        if not self.closed.is_set():
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self.closed.set()

    def _heard(self) -> None:
        try:
            data = self._socket.recv(_MOST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        message = json.loads(data)
        if "ended" in message:
            self._ended(*message["ended"])
        else:
            self.modules, self.skipped = message["modules"], message["skipped"]
            self.ready.set()

    async def fork(self, order: Mapping[str, object], log: int) -> "Child":
        """A child that waits for our word.

        Raises:
            NotWarmError: the parent refuses, or does not answer.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            with theirs:
                data = json.dumps(order).encode()
                socket.send_fds(self._socket, [data], [log, theirs.fileno()])
            async with asyncio.timeout(PATIENCE):
                return await _answer(ours)
        except NotWarmError:
            ours.close()
            raise
        except (OSError, TimeoutError) as error:
            ours.close()
            raise NotWarmError(
                f"the warm parent does not answer ({str(error) or 'silence'})"
            ) from error
        except BaseException:
            ours.close()
            raise


async def _answer(line: socket.socket) -> "Child":
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    loop.add_reader(line, heard.set)
    try:
        await heard.wait()
    finally:
        loop.remove_reader(line)
    data, extra, _, _ = line.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
    if not data:
        raise NotWarmError("the warm parent ended while it forked")
    message = json.loads(data)
    if "refused" in message:
        raise NotWarmError(message["refused"])
    # As the kernel counts here: the child may live in a tree of processes of its own.
    pid = next((_CREDENTIALS.unpack(given)[0] for _, _, given in extra), message["pid"])
    return Child(pid, line)


class Child:
    """A process that will be a pod once we say so."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self._line = line

    def go(self) -> None:
        """Be the pod."""
        with self._line:
            self._line.send(b"go")

    def drop(self) -> None:
        """Be none: it ends without a trace."""
        self._line.close()
