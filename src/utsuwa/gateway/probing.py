"""Sees for itself when a new pod answers: at short intervals, because a client waits."""

import asyncio

from utsuwa.gateway.core import Core
from utsuwa.gateway.pod import Pod
from utsuwa.gateway.sniffing import speaks_http2
from utsuwa.kit.log import get_logger
from utsuwa.routing.messages import Probe

_log = get_logger(__name__)
_HTTP_TIMEOUT = 1.0


def interval(attempt: int, age: float) -> float:
    """Seconds to wait after the `attempt`-th failure (from 0) of a pod known for `age` seconds.

    2 ms during the first half second, in which most starts are decided (a probe costs 60 µs, a
    longer interval its half in every cold start); then half as much more each time, up to 25 ms;
    200 ms once 10 s have passed.
    """
    if age >= 10.0:
        return 0.2
    if age < 0.5:
        return 0.002
    return float(min(0.025, 0.002 * 1.5 ** min(attempt, 20)))


class Prober:
    """Probes pods until each answers, one task a pod."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def start(self, pod: Pod) -> None:
        """Probe `pod`; its revision hears of the success."""
        if pod.prober is None:
            pod.prober = self._core.tasks.start(self._prove(pod), name=f"probe {pod.uid}")

    async def _prove(self, pod: Pod) -> None:
        if pod.rest is not None:
            await pod.rest.wake()
        start = self._core.monotonic()
        attempt = 0
        while not await self._answers(pod):
            await self._core.clock.sleep(interval(attempt, self._core.monotonic() - start))
            attempt += 1
        pod.prober = None
        if pod.revision.undecided:
            return
        _log.debug("pod answers", revision=pod.revision.name, pod=pod.uid, attempts=attempt + 1)
        pod.revision.proven(pod)

    async def _answers(self, pod: Pod) -> bool:
        probe = pod.revision.probe
        try:
            if probe.kind == "http" or probe.port not in {0, pod.port}:
                if not await self._probe_apart(pod, probe):
                    return False
            elif not pod.revision.undecided:
                await pod.warm_up()  # the connection that proved it carries the first request
            if pod.revision.undecided:
                http2 = await speaks_http2(pod)
                _log.info("pod speaks", revision=pod.revision.name, http2=http2)
                pod.prober = None
                pod.revision.decide(http2)
        except OSError:
            return False
        return True

    async def _probe_apart(self, pod: Pod, probe: Probe) -> bool:
        port = probe.port or pod.port
        async with asyncio.timeout(_HTTP_TIMEOUT):
            reader, writer = await asyncio.open_connection(pod.host, port)
            try:
                if port == pod.port:
                    pod.birth.connected(self._core.clock.now())
                if probe.kind != "http":
                    return True
                writer.write(http_probe(probe, pod.host, port))
                line = await reader.readline()
            except ValueError:  # a line without end: no HTTP
                return False
            finally:
                writer.close()
        return success(line)


def http_probe(probe: Probe, host: str, port: int) -> bytes:
    """The request of an HTTP probe, as a kubelet sends it (`spec/dataplane.md` §7.2)."""
    names = {name.lower() for name, _ in probe.headers}
    lines = [f"GET {probe.path or '/'} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {host}:{port}")
    if "user-agent" not in names:
        lines.append("User-Agent: kube-probe//")
    lines += [f"{name}: {value}" for name, value in probe.headers]
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode()


def success(status_line: bytes) -> bool:
    """Whether an HTTP probe's answer says that the pod is ready: 200 to 399."""
    parts = status_line.split(b" ", 2)
    return len(parts) >= 2 and parts[0].startswith(b"HTTP/1.") and parts[1][:1] in {b"2", b"3"}
