"""A client's connection after a pod has switched protocols: bytes pass both ways, until one ends it.

A WebSocket that we must end (its pod goes away, the gateway does, its time is over) hears so: both
sides get a Close frame, 1001.
"""

from utsuwa.gateway.http1.connection import TUNNEL, Connection
from utsuwa.gateway.http1.response import ResponseHead
from utsuwa.gateway.http1.websocket import GOING_AWAY, Way, goodbye


class Tunnel(Connection):
    """The half of a client's connection that is no longer HTTP. State: see :class:`Connection`."""

    __slots__ = ()

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """101: from now on bytes pass both ways, and what the client sent ahead goes first."""
        upstream, backend = self.upstream, self.backend
        assert upstream is not None
        assert backend is not None
        self._state = TUNNEL
        self._status = 101
        self._usage.tunnels += 1
        self._parting = False
        self.transport.write(self._with_own_fields(head.out, 101))
        websocket = b"\r\nupgrade: websocket" in head.out.lower()
        self._ways = (
            (Way(self.transport.write), Way(upstream.transport.write)) if websocket else None
        )
        if rest:
            self.tunnel_data(rest)
        ahead, self._buffer = self._buffer, b""
        if ahead:
            self._to_pod(ahead)
        if backend.draining:
            self.pod_leaves()
        self._resume_reading()

    def _to_pod(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._ways is not None:
            self._ways[1].pass_on(data)
            self._leave_when_told()
        elif self.upstream is not None:
            self.upstream.transport.write(data)

    def tunnel_data(self, data: bytes) -> None:
        """Bytes from the pod."""
        if self._ways is not None:
            self._ways[0].pass_on(data)
            self._leave_when_told()
        else:
            self.transport.write(data)

    def tunnel_eof(self) -> None:
        """The pod sends no more."""
        if self._eof or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self._pod_eof = True
            self.transport.write_eof()

    def _tunnel_eof_of_client(self) -> bool:
        """The client sends no more; answers whether the connection stays half-open."""
        upstream = self.upstream
        if self._pod_eof or upstream is None:
            return False  # neither side has more to say
        if upstream.transport.can_write_eof():
            upstream.transport.write_eof()
        return True

    # --- the end --------------------------------------------------------------------------------

    @property
    def is_tunnel(self) -> bool:
        """Whether bytes pass both ways."""
        return self._state == TUNNEL

    def pod_leaves(self) -> None:
        """The pod is to go: it may not have to wait for us for ever."""
        if self._state == TUNNEL:
            limit = self.core.monotonic() + self.core.limits.tunnel_drain
            self.deadline = min(self.deadline, limit)

    def _end_tunnel(self) -> None:
        """Say goodbye to both sides, to each where a frame has ended; close if one does not end."""
        if self._ways is None or self._parting:
            self._leave()
            return
        backend = self.backend
        going = self.core.draining or (backend is not None and backend.draining)
        reason = b"the server goes away" if going else b"request timeout"
        self._parting = True
        to_client, to_pod = self._ways
        to_client.end(goodbye(GOING_AWAY, reason))
        to_pod.end(goodbye(GOING_AWAY, reason, self.core.random.randbytes(4)))
        self.deadline = self.core.monotonic() + self.core.limits.linger
        self._leave_when_told()

    def _leave_when_told(self) -> None:
        if self._parting and self._ways is not None and all(way.over for way in self._ways):
            self._leave()

    def _leave(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.finish()
        self._ways = None
        self._keep = False
        self._end(101)
        self._linger()
