"""What holds up the end of a pod, in numbers and in words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left on a pod that gets no new request."""

    requests: int = 0
    """Requests under way, tunnels not counted."""
    tunnels: int = 0
    """Open WebSockets, and other connections that have switched protocols."""
    tunnel_seconds: float = 0.0
    """How long after the beginning of the drain tunnels are ended."""

    @property
    def nothing(self) -> bool:
        """Whether the pod may end."""
        return not self.requests and not self.tunnels


def total(several: Iterable[Remaining]) -> Remaining:
    """What several gateways have together."""
    found = list(several)
    return Remaining(
        sum(one.requests for one in found),
        sum(one.tunnels for one in found),
        max((one.tunnel_seconds for one in found), default=0.0),
    )


def described(remaining: Remaining, grace: float) -> str:
    """What is waited for and for how long at most, the pod having `grace` seconds in all.

    >>> described(Remaining(tunnels=2, tunnel_seconds=60), 300)
    'waiting for 2 open WebSockets, at most 60 s'
    """
    parts = []
    if remaining.requests:
        parts.append(_counted(remaining.requests, "request", grace))
    if remaining.tunnels:
        most = min(remaining.tunnel_seconds, grace)
        parts.append(_counted(remaining.tunnels, "open WebSocket", most))
    return f"waiting for {' and '.join(parts)}" if parts else "no request is left"


def _counted(count: int, what: str, most: float) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}, at most {most:g} s"
