"""The receipt of a cold start: what the time of a request went to that found no pod.

From the moments of a :class:`ColdStart` to the phases between them. A moment that is unknown, or
that lies before the one that should precede it (the pod was on its way when the request came),
costs nothing: its time belongs to the next phase, and the phases always add up to the whole.
"""

from typing import Any

from utsuwa.routing.messages import ColdStart

PHASES = ("decide", "start", "listen", "ready", "first-byte")
"""queued → decided → started → listening → ready → first byte."""
THAW_PHASES = ("thaw", "first-byte")
"""Of a request whose pod was there, but frozen: queued → thawed → first byte."""


def phases(start: ColdStart) -> dict[str, float]:
    """Seconds of each phase.

    Worked example: queued at 10.0, decided 10.001, started 10.005, listening 10.1, ready 10.1,
    first byte 10.12: decide 1 ms, start 4 ms, listen 95 ms, ready 0, first-byte 20 ms.
    """
    last = start.queued
    found: dict[str, float] = {}
    moments: tuple[float, ...] = (
        start.decided, start.started, start.listening, start.ready, start.first_byte,
    )  # fmt: skip
    if start.thawed:
        moments = (start.thawed, start.first_byte)
    names = THAW_PHASES if start.thawed else PHASES
    for name, moment in zip(names, moments, strict=True):
        reached = min(max(moment, last), max(start.first_byte, last))
        found[name] = reached - last
        last = reached
    return found


def total(start: ColdStart) -> float:
    """Seconds from the request's arrival to the first byte of its answer."""
    return max(0.0, start.first_byte - start.queued)


def milliseconds(seconds: float) -> float:
    """To the microsecond, but not to the noise of floating point."""
    return round(seconds * 1e3, 3)


def server_timing(start: ColdStart) -> str:
    """The value of `Server-Timing`: the whole, with what the pod came from if it was not started
    anew, then each phase."""
    what = f"cold start from a {_quotable(start.origin)}" if start.origin else "cold start"
    what = "frozen pod" if start.thawed else what
    parts = [f'cold-start;dur={milliseconds(total(start)):g};desc="{what}"']
    parts += [f"{name};dur={milliseconds(part):g}" for name, part in phases(start).items()]
    return ", ".join(parts)


def _quotable(text: str) -> str:
    """What may stand in a header between quotes: it comes from an annotation."""
    return "".join(c for c in text[:40] if c.isascii() and (c.isalnum() or c in " -"))


def log_fields(start: ColdStart) -> dict[str, Any]:
    """The fields of a line of the log."""
    parts = {f"{name.replace('-', '_')}_ms": part for name, part in phases(start).items()}
    return {
        "revision": start.revision,
        "pod": start.uid,
        "method": start.method,
        "path": start.path,
        "status": start.status,
        **({"origin": start.origin} if start.origin else {}),
        "total_ms": f"{milliseconds(total(start)):g}",
        **{name: f"{milliseconds(part):g}" for name, part in parts.items()},
    }
