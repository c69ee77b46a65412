"""The loaders: wrk where it is installed, else one of our own on uvloop."""

import asyncio
import re
import shutil
import time
from dataclasses import dataclass
from math import inf
from typing import cast

_WRK_COUNT = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m)")
_WRK_QUANTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)", re.MULTILINE)
_UNIT = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Result:
    """One run; times in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: str = ""


async def load(
    port: int, host: str, *, connections: int, seconds: float, headers: tuple[str, ...] = ()
) -> Result:
    """Drive `port` with `connections` closed-loop connections."""
    if shutil.which("wrk"):
        return await _wrk(port, host, connections, seconds, headers)
    return await _own(port, host, connections, seconds, headers)


async def _wrk(
    port: int, host: str, connections: int, seconds: float, headers: tuple[str, ...]
) -> Result:
    extra = [part for header in headers for part in ("-H", header)]
    child = await asyncio.create_subprocess_exec(
        "wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "-H", f"Host: {host}",
        *extra, f"http://127.0.0.1:{port}/", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    text = (await child.communicate())[0].decode()
    count = _WRK_COUNT.search(text)
    if count is None:
        raise RuntimeError(f"wrk printed no result:\n{text}")
    quantiles = {
        match[1]: float(match[2]) * _UNIT[match[3]] for match in _WRK_QUANTILE.finditer(text)
    }
    errors = " ".join(
        line.strip() for line in text.splitlines() if "rror" in line or "Non-2" in line
    )
    return Result(
        int(count[1]), float(count[2]) * _UNIT[count[3]],
        quantiles.get("50", inf), quantiles.get("99", inf), errors,
    )  # fmt: skip


class _Client(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, request: bytes, times: list[float]) -> None:
        self._request = request
        self._times = times
        self._sent = 0.0
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._left:
            end = data.index(b"\r\n\r\n") + 4
            match = re.search(rb"(?i)content-length: *(\d+)", data[:end])
            self._left = end + int(match[1] if match else 0)
        self._left -= len(data)
        if not self._left:
            self._times.append(time.perf_counter() - self._sent)
            self._send()


async def _own(
    port: int, host: str, connections: int, seconds: float, headers: tuple[str, ...]
) -> Result:
    lines = ["GET / HTTP/1.1", f"Host: {host}", *headers, "", ""]
    request = "\r\n".join(lines).encode()
    times: list[float] = []
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    clients = [
        await loop.create_connection(lambda: _Client(request, times), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    took = time.perf_counter() - start
    for transport, _ in clients:
        transport.abort()
    ordered = sorted(times) or [inf]
    return Result(len(times), took, ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)])
