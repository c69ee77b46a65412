"""Probes over the machine's own network, and by command."""

import asyncio
import contextlib
import errno
import os
import socket

from utsuwa.node.probes import Probe
from utsuwa.node.runtime import Instance, LaunchError

_HEAD_LIMIT = 65_536


class NetworkChecks:
    """TCP connects, HTTP GETs, commands and the health question of gRPC."""

    async def check(self, probe: Probe, instance: Instance) -> str:
        """ "" when the answer is good, else what was wrong with it."""
        try:
            async with asyncio.timeout(probe.timeout):
                return await self._ask(probe, instance)
        except TimeoutError:
            return f"no answer in {probe.timeout:g} s"
        except OSError as error:
            return _reason(error)

    async def _ask(self, probe: Probe, instance: Instance) -> str:
        if probe.kind == "tcp":
            return await _connect(instance.address, probe.port)
        if probe.kind == "http":
            return await _get(instance.address, probe)
        if probe.kind == "exec":
            return await _execute(probe, instance)
        from utsuwa.node import grpc_health  # noqa: PLC0415  (costs 3 MiB, and few probe so)

        return await grpc_health.check(instance.address, probe.port, probe.service)


def _reason(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "connection refused"
    return (os.strerror(error.errno) if error.errno else str(error)).lower()


async def _connect(host: str, port: int) -> str:
    with socket.socket() as client:
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, (host, port))
    return ""


async def _get(host: str, probe: Probe) -> str:
    reader, writer = await asyncio.open_connection(host, probe.port, limit=_HEAD_LIMIT)
    try:
        given = {name.lower() for name, _ in probe.headers}
        defaults = (
            ("Host", f"{host}:{probe.port}"),
            ("User-Agent", "kube-probe//"),
            ("Accept", "*/*"),
            ("Connection", "close"),
        )
        pairs = [pair for pair in defaults if pair[0].lower() not in given]
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*pairs, *probe.headers))
        writer.write(f"GET {probe.path} HTTP/1.1\r\n{lines}\r\n".encode())
        return _judge(await reader.readline())
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _judge(line: bytes) -> str:
    """200 to 399 is good."""
    parts = line.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1][:3].isdigit():
        return "connection closed without an answer" if not line else "the answer is not HTTP"
    code = int(parts[1][:3])
    return "" if 200 <= code < 400 else f"status {code}"


async def _execute(probe: Probe, instance: Instance) -> str:
    try:
        code, output = await instance.execute(probe.command, probe.timeout)
    except LaunchError as error:
        return str(error)
    last = output.strip().rpartition("\n")[2][:200]
    return "" if code == 0 else f"exit code {code}{f': {last}' if last else ''}"
