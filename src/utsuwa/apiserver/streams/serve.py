"""`pods/NAME/exec`, `attach` and `portforward`: what is asked for, and over what it is spoken."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.logs import container_of
from utsuwa.apiserver.ports import Backend, Containers, NotRunningError
from utsuwa.apiserver.status import bad_request
from utsuwa.apiserver.streams import channels
from utsuwa.apiserver.streams.callers import Line, SocketCaller, SpdyCaller, Wish
from utsuwa.apiserver.streams.forward import Forwarding, SocketForwarding
from utsuwa.apiserver.streams.multiplex import Multiplexed
from utsuwa.apiserver.streams.spdy import SpdyError
from utsuwa.apiserver.streams.wires import (
    SocketWire,
    UpgradedWire,
    Wire,
    open_socket,
    protocols,
    upgrade_of,
)
from utsuwa.cluster.errors import NotFoundError
from utsuwa.kit.caller import Caller
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model.kinds import POD

_log = get_logger(__name__)

SPDY = "SPDY/3.1"
FORWARD = "portforward.k8s.io"
TUNNELLED = f"{SPDY}+{FORWARD}"
_VERSION_HEADER = "X-Stream-Protocol-Version"
_COMMAND_SPDY = channels.V4


class NoContainers:
    """For a server behind which nothing runs."""

    def runs(self, pod: Document, container: str) -> bool:
        """Never."""
        return False

    async def execute(
        self, pod: Document, container: str, command: tuple[str, ...], caller: Caller
    ) -> int:
        """Raises NotRunningError."""
        raise _nothing_runs(container)

    async def attach(self, pod: Document, container: str, caller: Caller) -> None:
        """Raises NotRunningError."""
        raise _nothing_runs(container)

    async def connect(
        self, pod: Document, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises ConnectionRefusedError."""
        raise ConnectionRefusedError("nothing runs behind this server")


def _nothing_runs(container: str) -> NotRunningError:
    return NotRunningError(f"container {container}: nothing runs behind this server")


class Streams:
    """Serves streams, and hangs up when the server closes.

    Mutable state: `_lines`, the tasks that listen to clients.
    """

    def __init__(self, cluster: Backend, containers: Containers) -> None:
        self._cluster = cluster
        self._containers = containers
        self._lines: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Streams {len(self._lines)} open>"

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.cancel()

    async def serve(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        """Serve until both sides are through.

        Raises:
            NotFoundError: no such Pod, or the container does not run.
            BadRequestError: the request makes no sense, or speaks none of our protocols.
        """
        pod = await self._cluster.get(POD, call.target.key)
        if call.target.subresource == "portforward":
            return await self._forward(pod, request)
        return await self._command(call, pod, request)

    # --- exec and attach --------------------------------------------------------------------------

    async def _command(
        self, call: Call, pod: Document, request: web.BaseRequest
    ) -> web.StreamResponse:
        wish = Wish(*(call.flag(name) for name in ("stdin", "stdout", "stderr", "tty")))
        command = tuple(request.query.getall("command", []))
        if call.target.subresource == "exec" and not command:
            raise bad_request("you must specify at least 1 command for the container")
        if not (wish.stdin or wish.stdout or wish.stderr):
            raise bad_request("you must specify at least one of stdin, stdout, stderr")
        container = container_of(pod, call.query.get("container", ""))
        if not self._containers.runs(pod, container):
            raise _not_running(pod, container)
        line, response = await _command_line(request, wish)
        if call.target.subresource == "exec":
            work = self._execute(pod, container, command, line)
        else:
            work = self._attach(pod, container, line)
        await self._talk(line, work)
        return response

    async def _execute(
        self, pod: Document, container: str, command: tuple[str, ...], line: Line
    ) -> Document:
        code = await self._containers.execute(pod, container, command, line)
        return channels.exit_status(code)

    async def _attach(self, pod: Document, container: str, line: Line) -> Document:
        await self._containers.attach(pod, container, line)
        return channels.exit_status(0)

    async def _talk(self, line: Line, work: Coroutine[Any, Any, Document]) -> None:
        """Until the work is done, or the client has gone: then it is cancelled."""
        working = asyncio.create_task(work, name="command for a client")
        await self._until_either(working, line.run())
        if not working.cancelled():
            await line.finish(_status_of(working))

    async def _until_either(
        self, working: "asyncio.Task[Any]", listening: Coroutine[Any, Any, None]
    ) -> None:
        """Neither runs any more when this returns; a client who goes cancels the work."""
        line = asyncio.create_task(listening, name="line to a client")
        self._lines.add(line)
        try:
            await asyncio.wait((working, line), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._lines.discard(line)
            if not working.done():
                working.cancel()
            line.cancel()
            _, how = await asyncio.gather(working, line, return_exceptions=True)
            if isinstance(how, SpdyError):
                _log.info("a client does not speak SPDY", expected=str(how))
            elif isinstance(how, Exception) and not isinstance(how, ConnectionError):
                raise how

    # --- port-forward -----------------------------------------------------------------------------

    async def _forward(self, pod: Document, request: web.BaseRequest) -> web.StreamResponse:
        if dig(pod, "status", "phase") != "Running":
            phase = dig(pod, "status", "phase", default="Pending")
            raise bad_request(
                f"unable to forward port because pod is not running. Current status={phase}"
            )
        offered = protocols(request, "Sec-WebSocket-Protocol")
        if upgrade_of(request) == "websocket" and TUNNELLED not in offered:
            ports = _ports(request)
            socket = await open_socket(request, (channels.V5, channels.V4))
            forwarding = SocketForwarding(socket, pod, self._containers, ports)
            working = asyncio.create_task(forwarding.run(), name="ports of a client")
            await self._until_either(working, forwarding.listen())
            await socket.close()
            return socket
        wire, response = await _wire(request, TUNNELLED, FORWARD)
        multiplexed = Multiplexed(wire)
        spdy = Forwarding(multiplexed, pod, self._containers)
        working = asyncio.create_task(spdy.run(), name="ports of a client")
        await self._until_either(working, multiplexed.run())
        await wire.close()
        return response


def _status_of(working: "asyncio.Task[Document]") -> Document:
    error = working.exception()
    if error is None:
        return working.result()
    if isinstance(error, NotRunningError | ConnectionError):
        return channels.broken_status(str(error))
    raise error


def _not_running(pod: Document, container: str) -> NotFoundError:
    name = f"{container}_{pod['metadata']['name']}_{pod['metadata']['namespace']}"
    return NotFoundError(f'container not found ("{name}"): it does not run at present')


def _ports(request: web.BaseRequest) -> list[int]:
    told = ",".join(request.query.getall("ports", [])) or ",".join(request.query.getall("port", []))
    ports = [int(port) for port in told.split(",") if port.isascii() and port.isdigit()]
    if not ports or len(ports) != told.count(",") + 1 or not all(0 < p < 65536 for p in ports):
        raise bad_request(
            f"query parameter ports: expected numbers from 1 to 65535, found {told!r}"
        )
    return ports


async def _command_line(request: web.BaseRequest, wish: Wish) -> tuple[Line, web.StreamResponse]:
    if upgrade_of(request) == "websocket":
        offered = protocols(request, "Sec-WebSocket-Protocol")
        if offered and not {channels.V4, channels.V5} & set(offered):
            raise bad_request(
                f"expected protocol {channels.V5} or {channels.V4}, found {', '.join(offered)}"
            )
        socket = await open_socket(request, (channels.V5, channels.V4))
        return SocketCaller(socket, wish), socket
    wire, response = await _wire(request, "", _COMMAND_SPDY)
    return SpdyCaller(wire, wish), response


async def _wire(
    request: web.BaseRequest, tunnelled: str, version: str
) -> tuple[Wire, web.StreamResponse]:
    """SPDY, inside a WebSocket or by itself."""
    upgrade = upgrade_of(request)
    if upgrade == "websocket":
        socket = await open_socket(request, (tunnelled,))
        return SocketWire(socket), socket
    if upgrade != SPDY.lower():
        raise bad_request(f"expected an upgrade to websocket or {SPDY}, found {upgrade or 'none'}")
    offered = protocols(request, _VERSION_HEADER)
    if version not in offered:
        raise bad_request(
            f"{_VERSION_HEADER}: expected {version}, found {', '.join(offered) or 'none'}"
        )
    wire = await UpgradedWire.open(request, {"Upgrade": SPDY, _VERSION_HEADER: version})
    return wire, wire.response
