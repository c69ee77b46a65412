"""What `--load` asks for. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from utsuwa.app.load import Load


@dataclass(frozen=True, slots=True)
class LoadOption:
    """`c` connections, `n` requests, `path` with its query, `t` seconds for an answer."""

    connections: int = 50
    requests: int = 200
    path: str = "/"
    timeout: float = 20.0

    @classmethod
    def parse(cls, text: str) -> "LoadOption":
        """From `c=500,n=150000,t=20,path=/?sleep=1000`; the path comes last, and may have commas.

        Raises:
            ValueError: it is not of that form.
        """
        head, found, path = text.partition("path=")
        given = {"path": path} if found else {}
        for part in head.strip(",").split(",") if head.strip(",") else []:
            key, _, value = part.partition("=")
            given[key.strip()] = value.strip()
        unknown = sorted(given.keys() - {"c", "n", "t", "path"})
        if unknown:
            raise ValueError(f"expected c=, n=, t= and path=, found {unknown[0]!r}")
        path = given.get("path", "/")
        if not path.startswith("/") or any(sign.isspace() for sign in path):
            raise ValueError(f"path={path!r}: expected one that begins with '/' and has no space")
        return cls(
            connections=_whole("c", given.get("c", "50")),
            requests=_whole("n", given.get("n", "200")),
            path=path,
            timeout=float(_whole("t", given.get("t", "20"))),
        )

    def to(self, url: str, gateway: str) -> Load:
        """The load on the service at `url`. A name that only the cluster's own DNS would know is
        called at `gateway`, the address of the machine that the API server is on.

        Raises:
            ValueError: it cannot be called without TLS.
        """
        parts = urlsplit(url)
        if parts.scheme != "http":
            raise ValueError(f"{url}: expected a service that answers http, which this load speaks")
        name = parts.hostname or ""
        local = name == "localhost" or name.endswith(".localhost")
        address = name if local else gateway
        port = f":{parts.port}" if parts.port else ""
        return Load(
            url=f"http://{address}{port}{self.path}",
            host=parts.netloc,
            requests=self.requests,
            connections=self.connections,
            timeout=self.timeout,
        )

    @property
    def told(self) -> str:
        """For titles."""
        return f"{self.requests:,} requests of {self.path}, {self.connections:,} at a time"


def _whole(key: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(f"{key}={text!r}: expected a whole number of at least 1")
    return int(text)
