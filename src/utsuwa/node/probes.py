"""Probes: what to ask a container, how often, and what the answers mean.

Intervals and thresholds as Kubernetes has them; a readiness probe with `periodSeconds: 0` is
Knative's aggressive one (`spec/dataplane.md` §7.2): asked every 25 to 50 ms until it succeeds,
and then like any other. The one that only connects to the port of requests is not asked again:
each request tells as much.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.node.pods import container_port
from utsuwa.node.runtime import Instance

AGGRESSIVE_FIRST = 0.025
AGGRESSIVE_MOST = 0.05
AGGRESSIVE_TIMEOUT = 0.1
"""Seconds; one attempt of an aggressive probe."""
PERIOD = 10.0
"""Seconds between two questions where nobody says otherwise."""
AGAIN = 1.0
"""Seconds between two questions to a container that lost its readiness, where `periodSeconds` is
0: requests may wait for it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question. `port` is the real one; times in seconds."""

    kind: str
    """`tcp`, `http`, `exec` or `grpc`."""
    port: int = 0
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    service: str = ""
    """Of a `grpc` probe: which of the server's services is meant, "" for all of it."""
    initial_delay: float = 0.0
    period: float = PERIOD
    timeout: float = 1.0
    successes: int = 1
    failures: int = 3
    once: bool = False
    """Not asked again after it has succeeded."""

    @property
    def aggressive(self) -> bool:
        """Asked at short intervals until it succeeds."""
        return self.period == 0

    def __str__(self) -> str:
        if self.kind == "http":
            return f"http GET http://127.0.0.1:{self.port}{self.path}"
        if self.kind == "tcp":
            return f"tcp connect to 127.0.0.1:{self.port}"
        if self.kind == "exec":
            return f"exec {' '.join(self.command)}"
        return f"{self.kind} on port {self.port}"


def parse_probe(container: Document, member: str, port: int) -> Probe | None:
    """The probe `member` (`readinessProbe` …) of a container whose real port is `port`; None
    where it has none."""
    document = container.get(member)
    if not document:
        return None
    period = float(dig(document, "periodSeconds", default=PERIOD))
    timeout = max(1.0, float(dig(document, "timeoutSeconds", default=1)))
    probe = _question(container, document, port)
    if period == 0 and probe.kind != "exec":
        timeout = AGGRESSIVE_TIMEOUT
    return replace(
        probe,
        initial_delay=float(dig(document, "initialDelaySeconds", default=0)),
        period=period,
        timeout=timeout,
        successes=int(dig(document, "successThreshold", default=0)) or 1,
        failures=int(dig(document, "failureThreshold", default=0)) or 3,
        once=period == 0 and probe.kind == "tcp" and probe.port == port,
    )


def _question(container: Document, document: Document, port: int) -> Probe:
    if (http := document.get("httpGet")) is not None:
        path = str(http.get("path") or "/")
        return Probe(
            "http",
            _real_port(container, http.get("port"), port),
            path if path.startswith("/") else f"/{path}",
            tuple((h["name"], h.get("value", "")) for h in http.get("httpHeaders") or ()),
        )
    if command := dig(document, "exec", "command"):
        return Probe("exec", command=tuple(command))
    if (tcp := document.get("tcpSocket")) is not None:
        return Probe("tcp", _real_port(container, tcp.get("port"), port))
    if (grpc := document.get("grpc")) is not None:
        real = _real_port(container, grpc.get("port"), port)
        return Probe("grpc", real, service=grpc.get("service") or "")
    return Probe("tcp", port)


def _real_port(container: Document, given: int | str | None, port: int) -> int:
    """Where the container really listens when its manifest says `given`."""
    names = {entry.get("name") for entry in container.get("ports") or ()}
    if not given or given in names or given in {container_port(container), "user-port", "http1"}:
        return port
    return int(given)


class Checks(Protocol):
    """Asks once."""

    async def check(self, probe: Probe, instance: Instance) -> str:
        """ "" when the answer is good, else what was wrong with it. Takes at most about
        `probe.timeout` seconds; raises nothing."""
        ...


@dataclass(slots=True)
class Outcome:
    """What a readiness probe tells its container."""

    ready: bool
    message: str = ""


Report = Callable[[Outcome], None]


class Prober:
    """Asks the probes of one life of one container, until cancelled."""

    def __init__(self, checks: Checks, clock: Clock, instance: Instance) -> None:
        self._checks = checks
        self._clock = clock
        self._instance = instance

    async def until_success(self, probe: Probe) -> str:
        """The startup probe: "" after enough successes, else the message of the failure that was
        one too many."""
        return await self._threshold(probe, "startup", stop_on_success=True)

    async def until_failure(self, probe: Probe) -> str:
        """The liveness probe: the message of the failure that was one too many."""
        return await self._threshold(probe, "liveness", stop_on_success=False)

    async def _threshold(self, probe: Probe, name: str, *, stop_on_success: bool) -> str:
        await self._clock.sleep(probe.initial_delay)
        good = bad = 0
        while True:
            text = await self._checks.check(probe, self._instance)
            good, bad = (0, bad + 1) if text else (good + 1, 0)
            if bad >= probe.failures:
                return f"{name} probe: {probe}: {text} ({bad} times in a row)"
            if stop_on_success and good >= probe.successes:
                return ""
            await self._clock.sleep(probe.period or AGGRESSIVE_MOST)

    async def readiness(self, probe: Probe, report: Report, *, ready: bool = False) -> None:
        """Tell `report` whenever readiness changes, and now and then why it does not; returns
        only from a probe that is asked `once` and succeeded. `ready`: it has succeeded before."""
        if not ready:
            await self._clock.sleep(probe.initial_delay)
        began = told = self._clock.monotonic()
        good, bad, rhythm = 0, 0, _Rhythm(probe, was_ready=ready)
        while not (ready and probe.once):
            text = await self._checks.check(rhythm.probe, self._instance)
            now = self._clock.monotonic()
            good, bad = (0, bad + 1) if text else (good + 1, 0)
            if not ready and good >= probe.successes:
                ready = rhythm.was_ready = True
                report(Outcome(True))
            elif ready and bad >= probe.failures:
                ready, began, told = False, now, now
                report(Outcome(False, _failing(probe, text, bad, 0.0)))
            elif not ready and text and now - told >= max(1.0, 0.5 * (now - began)):
                told = now
                report(Outcome(False, _failing(probe, text, bad, now - began)))
            await self._clock.sleep(rhythm.pause(ready=ready))


class _Rhythm:
    """How often a readiness probe is asked. Mutable state: `was_ready`, and `_pause`, the next
    one of an aggressive probe."""

    def __init__(self, probe: Probe, *, was_ready: bool) -> None:
        self._probe = probe
        self.was_ready = was_ready
        self._pause = AGGRESSIVE_FIRST

    @property
    def probe(self) -> Probe:
        """The question: with more patience once it is asked like any other."""
        if self.was_ready and self._probe.aggressive:
            return replace(self._probe, timeout=max(1.0, self._probe.timeout))
        return self._probe

    def pause(self, *, ready: bool) -> float:
        """Seconds until it is asked again."""
        if not self._probe.aggressive:
            return self._probe.period
        if self.was_ready:
            return PERIOD if ready else AGAIN
        pause, self._pause = self._pause, min(AGGRESSIVE_MOST, self._pause * 1.1)
        return pause


def _failing(probe: Probe, text: str, attempts: int, seconds: float) -> str:
    count = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    span = f" in {seconds:.1f} s" if seconds else " in a row"
    return f"readiness probe: {probe}: {text} ({count}{span})"
