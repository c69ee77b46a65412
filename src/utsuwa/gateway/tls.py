"""Connections that begin with a handshake.

What follows it is the same as without TLS: the protocols get a transport and do not look what is
below it.
"""

import asyncio

from utsuwa.gateway.core import Core
from utsuwa.gateway.http1.client import ClientConnection

HANDSHAKE_TIMEOUT = 10.0
"""Seconds that a client has for its handshake."""
SHUTDOWN_TIMEOUT = 2.0
"""Seconds that we wait for a client to say that it has heard our end."""


class TlsConnection(ClientConnection):
    """A client's connection that begins with a handshake. It is made before that, and connected
    only after it; one whose handshake fails is never heard of again."""

    __slots__ = ("__weakref__",)

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        core.handshakes.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over: go on in the protocol that it settled."""
        self.core.handshakes.discard(self)
        self._keep = not self.core.draining
        super().connection_made(transport)
        handshake = transport.get_extra_info("ssl_object")
        if handshake is not None and handshake.selected_alpn_protocol() == "h2":
            self._switch(b"")

    def eof_received(self) -> bool:
        """The client sends no more: there is no half of a TLS connection, so it has left."""
        super().eof_received()
        return False
