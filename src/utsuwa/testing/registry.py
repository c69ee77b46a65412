"""A registry for tests: the distribution protocol of OCI on a port of loopback, with Basic
credentials, with tokens, or open. What is pushed lives in memory, and ends with it.

Real engines push to it and pull from it. Its mood can be changed: `hold` lets a pull drip, `refusal` is what it answers to whoever wants anything.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

OPEN, BASIC, BEARER = "open", "basic", "bearer"
TOKEN = "a-token-of-the-test-registry"
_ROUTE = re.compile(r"^/v2/(?P<name>.+?)/(?P<what>manifests|blobs/uploads|blobs)/(?P<of>.*)$")
_CHUNK = 64 * 1024
_DRIP = 0.3
"""Seconds between chunks while it is held."""


@dataclass
class Registry:
    """One registry. Mutable state: what has been pushed, `asked` (method and path of every
    request, in order), and its mood."""

    auth: str = OPEN
    user: str = "ann"
    password: str = "secret"
    host: str = ""
    refusal: tuple[int, str, str] | None = None
    """Status, code and message of the answer to whoever wants anything."""
    asked: list[str] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    flowing: threading.Event = field(default_factory=threading.Event)
    gone: bool = False

    def __post_init__(self) -> None:
        self.flowing.set()

    def digest(self, name: str, tag: str) -> str:
        """What `name:tag` is there."""
        return _digest(self.manifests[name, tag][1])

    def forget(self, name: str) -> None:
        """Remove every tag of `name`."""
        self.manifests = {key: value for key, value in self.manifests.items() if key[0] != name}

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Meanwhile layers come drop by drop."""
        self.flowing.clear()
        try:
            yield
        finally:
            self.flowing.set()

    def admits(self, authorization: str) -> bool:
        """Whether somebody with this header may go on."""
        if self.auth == OPEN:
            return True
        if self.auth == BEARER:
            return authorization == f"Bearer {TOKEN}"
        return self.knows(authorization)

    def knows(self, authorization: str) -> bool:
        """Whether these are the user's name and password."""
        packed = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return authorization == f"Basic {packed}"

    def challenge(self) -> str:
        """What somebody without credentials is told."""
        if self.auth == BASIC:
            return 'Basic realm="test"'
        return f'Bearer realm="http://{self.host}/token",service="test"'


@contextmanager
def registry(auth: str = OPEN) -> Iterator[Registry]:
    """A registry that serves until the end of the block, at `127.0.0.1` and a free port."""
    found = Registry(auth)
    handler = type("Handler", (_Handler,), {"registry": found})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    found.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="registry")
    thread.start()
    try:
        yield found
    finally:
        found.gone = True
        found.flowing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    registry: ClassVar[Registry]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's)
        """Nothing: :attr:`Registry.asked` tells."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_PUT = do_POST = do_PATCH = do_GET  # noqa: N815  (the base class's names)

    def _answer(self) -> None:
        body = self._body()
        if self.registry.gone:
            self.close_connection = True  # of a connection that outlived the server
            return
        registry, parts = self.registry, urlsplit(self.path)
        registry.asked.append(f"{self.command} {parts.path}")
        given = self.headers.get("Authorization", "")
        if parts.path == "/token":
            self._token(given)
        elif not registry.admits(given):
            self._refuse(401, "UNAUTHORIZED", "authentication required")
        elif parts.path == "/v2/":
            self._send(200, b"{}")
        elif registry.refusal is not None:
            self._refuse(*registry.refusal)
        elif (match := _ROUTE.match(parts.path)) is None:
            self._refuse(404, "NOT_FOUND", "no such place")
        else:
            what = {"manifests": self._manifest, "blobs": self._blob}.get(
                match["what"], self._upload
            )
            what(match["name"], match["of"], body)

    def _token(self, given: str) -> None:
        if self.registry.knows(given):
            self._send(200, json.dumps({"token": TOKEN}).encode())
        else:
            self._refuse(401, "UNAUTHORIZED", "incorrect username or password")

    def _manifest(self, name: str, reference: str, body: bytes) -> None:
        known = self.registry.manifests
        if self.command == "PUT":
            kind = self.headers.get("Content-Type", "application/json")
            known[name, reference] = known[name, _digest(body)] = (kind, body)
            self._send(201, b"", **{"Docker-Content-Digest": _digest(body)})
        elif (name, reference) in known:
            kind, content = known[name, reference]
            told = {"Content-Type": kind, "Docker-Content-Digest": _digest(content)}
            self._send(200, content, **told)
        else:
            self._refuse(404, "MANIFEST_UNKNOWN", f"manifest {reference} of {name} is unknown")

    def _blob(self, _: str, digest: str, body: bytes) -> None:
        content = self.registry.blobs.get(digest)
        if content is None:
            self._refuse(404, "BLOB_UNKNOWN", f"blob {digest} is unknown")
        else:
            self._send(200, content, **{"Docker-Content-Digest": digest})

    def _upload(self, name: str, which: str, body: bytes) -> None:
        uploads = self.registry.uploads
        if self.command == "POST":
            which = f"upload-{len(uploads)}"
            uploads[which] = bytearray()
        uploads[which] += body
        place = {"Location": f"/v2/{name}/blobs/uploads/{which}"}
        if self.command != "PUT":
            self._send(202, b"", **place, Range=f"0-{max(0, len(uploads[which]) - 1)}")
            return
        digest = parse_qs(urlsplit(self.path).query)["digest"][0]
        self.registry.blobs[digest] = bytes(uploads[which])
        self._send(201, b"", Location=f"/v2/{name}/blobs/{digest}")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = bytearray()
        while size := int(self.rfile.readline().strip() or b"0", 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(found)

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"WWW-Authenticate": self.registry.challenge()} if status == 401 else {}
        content = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._send(status, content, **headers)

    def _send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        kind = {"Content-Type": "application/json"}
        for name, value in {**kind, **headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        for start in range(0, len(content), _CHUNK):
            self.wfile.write(content[start : start + _CHUNK])
            self.registry.flowing.wait(_DRIP)
