"""When a pod came to be, for the receipts of those who waited for it. All in Unix seconds."""

from utsuwa.routing.messages import ColdStart, Endpoint

ASKED_NAME = b"utsuwa-cold-start-receipt"
"""The request header, whatever its value, of who wants the receipt of a cold start."""
ASKED = b"\r\n" + ASKED_NAME + b":"


class Birth:
    """The moments of one pod; 0 is unknown. Mutable state: all of it, each moment set once, and
    `ready` anew when a pod that could not be reached answers again, `thawed` at every thaw."""

    __slots__ = ("decided", "listening", "origin", "ready", "started", "thawed")

    def __init__(self) -> None:
        self.decided = self.started = self.listening = self.ready = self.thawed = 0.0
        self.origin = ""

    def __repr__(self) -> str:
        return (
            f"<Birth decided={self.decided} started={self.started} "
            f"listening={self.listening} ready={self.ready}>"
        )

    def told(self, endpoint: Endpoint) -> None:
        """What control knows."""
        self.decided = endpoint.decided or self.decided
        self.started = endpoint.started or self.started
        self.origin = endpoint.origin or self.origin

    def connected(self, now: float) -> None:
        """A connection has succeeded."""
        self.listening = self.listening or now

    def used(self, now: float) -> None:
        """It gets requests from now on."""
        self.connected(now)
        self.ready = self.ready or now

    def again(self) -> None:
        """It is not to be reached any more."""
        self.listening = self.ready = 0.0

    def receipt(
        self,
        revision: str,
        uid: str,
        *,
        waited: float,
        now: float,
        request: tuple[bytes, bytes],
        status: int,
    ) -> ColdStart:
        """Of a request (method, target) that has `waited` for so many seconds, and whose answer
        begins `now`."""
        method, target = request
        queued = now - waited
        thawed = self.thawed if self.thawed >= queued else 0.0
        begun = not thawed  # one that was frozen has been started long ago
        return ColdStart(
            revision=revision,
            uid=uid,
            queued=queued,
            decided=self.decided * begun,
            started=self.started * begun,
            listening=self.listening * begun,
            ready=self.ready * begun,
            thawed=thawed,
            first_byte=now,
            method=method.decode("latin-1"),
            path=target[:1024].decode("latin-1"),
            status=status,
            origin="" if thawed else self.origin,
        )
