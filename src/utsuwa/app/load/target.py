"""What to send, and where: pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from utsuwa import __version__


@dataclass(frozen=True, slots=True)
class Load:
    """`requests` requests to `url` over `connections` connections.

    `host` replaces the Host header (and leaves the address alone); `timeout` is in seconds and
    counts from sending a request to the end of its answer.
    """

    url: str
    requests: int
    connections: int
    host: str = ""
    timeout: float = 20.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"url {self.url!r}: expected http://HOST[:PORT][/PATH][?QUERY]")
        if self.requests < 1 or self.connections < 1:
            raise ValueError(
                f"{self.requests} requests over {self.connections} connections: "
                "expected at least one of each"
            )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to dial. `*.localhost` is loopback (RFC 6761), whatever the resolver
        of this machine makes of it."""
        parts = urlsplit(self.url)
        name = parts.hostname or ""
        loopback = name == "localhost" or name.endswith(".localhost")
        return ("127.0.0.1" if loopback else name), parts.port or 80

    @property
    def message(self) -> bytes:
        """The request as it goes over the wire."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return (
            f"GET {target} HTTP/1.1\r\n"
            f"Host: {self.host or parts.netloc}\r\n"
            f"User-Agent: utsuwa-load/{__version__}\r\n"
            "Accept: */*\r\n\r\n"
        ).encode("latin-1")
