"""An API server of a few lines, for tests of its clients: objects in a dict, over plain HTTP.

It stores what it is given, counts generations and versions, answers refusals as `Status`, and
streams watches. Nothing reconciles: a test sets statuses itself, or with `react`, which is called
after each write.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from utsuwa.kit.documents import copy, merge_patch

Document = dict[str, Any]
React = Callable[["FakeApi", Document], None]


class FakeApi:
    """Objects by (plural, namespace, name), and the requests that came.

    Mutable state, behind `_changed`: `objects`, `_history`, `_version`.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Document] = {}
        self.logs: dict[str, str] = {}
        """By pod."""
        self.service_logs: dict[str, list[Document]] = {}
        """By Service: the lines."""
        self.requests: list[str] = []
        self.react: React = lambda _api, _document: None
        self.refuse: dict[str, Document] = {}
        """Status to answer once, by method."""
        self._history: list[tuple[str, str, Document]] = []
        self._version = 0
        self._changed = threading.Condition()
        self._closing = False

    def __repr__(self) -> str:
        return f"<FakeApi {len(self.objects)} objects at version {self._version}>"

    def put(self, plural: str, document: Document, *, spec_changed: bool = False) -> Document:
        """Store `document`, as it is but for its version."""
        metadata = document["metadata"]
        key = (plural, metadata.get("namespace", ""), metadata["name"])
        with self._changed:
            self._version += 1
            kind = "MODIFIED" if key in self.objects else "ADDED"
            metadata["resourceVersion"] = str(self._version)
            metadata["generation"] = metadata.get("generation", 0) + spec_changed or 1
            self.objects[key] = copy(document)
            self._history.append((plural, kind, copy(document)))
            self._changed.notify_all()
        return copy(document)

    def write(self, plural: str, document: Document) -> Document:
        """As a client's write: `generation` + 1, then `react`."""
        stored = self.put(plural, document, spec_changed=True)
        self.react(self, copy(stored))
        return stored

    def set_status(self, plural: str, namespace: str, name: str, status: Document) -> None:
        """Give an object a status at its present generation."""
        document = copy(self.objects[plural, namespace, name])
        document["status"] = {"observedGeneration": document["metadata"]["generation"], **status}
        self.put(plural, document)

    def delete(self, plural: str, namespace: str, name: str) -> None:
        """Remove an object."""
        with self._changed:
            document = self.objects.pop((plural, namespace, name))
            self._history.append((plural, "DELETED", document))
            self._changed.notify_all()

    def close(self) -> None:
        """End every watch."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def events(self, plural: str, namespace: str, name: str) -> Iterator[Document]:
        """What a watch sends: what there is, then changes until the server closes."""
        with self._changed:
            position = len(self._history)
            present = [copy(o) for key, o in sorted(self.objects.items()) if key[0] == plural]
        for document in present:
            if _matches(document, namespace, name):
                yield {"type": "ADDED", "object": document}
        while True:
            with self._changed:
                while not self._closing and len(self._history) == position:
                    self._changed.wait()
                if self._closing:
                    return
                recent = self._history[position:]
                position = len(self._history)
            for changed, kind, document in recent:
                if changed == plural and _matches(document, namespace, name):
                    yield {"type": kind, "object": document}


def _matches(document: Document, namespace: str, name: str) -> bool:
    metadata = document["metadata"]
    return (not namespace or metadata["namespace"] == namespace) and (
        not name or metadata["name"] == name
    )


def status(code: int, reason: str, message: str) -> Document:
    """A failure `Status`."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: FakeApi

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the parent's name)
        """Say nothing."""

    def _service_logs(self, lines: list[Document], sources: bool) -> None:
        if sources:
            self._answer({"items": lines})
        else:
            self._text("".join(json.dumps(line) + "\n" for line in lines))

    def do_GET(self) -> None:
        if self.path == "/version":
            self._answer({"gitVersion": "v1.0.0"})
            return
        plural, namespace, name, rest = self._target()
        query = parse_qs(urlsplit(self.path).query)
        if rest == "log":
            self._text(self.api.logs.get(name, ""))
        elif rest == "logs" and (plural, namespace, name) in self.api.objects:
            self._service_logs(self.api.service_logs.get(name, []), "sources" in query)
        elif rest and name:
            found = self.api.objects.get((f"{plural}/{rest}", namespace, name))
            self._answer(found or status(404, "NotFound", f'{plural} "{name}" not found'))
        elif "watch" in query:
            selected = query.get("fieldSelector", ["="])[0].partition("=")[2]
            self._stream(plural, namespace, selected)
        elif name:
            found = self.api.objects.get((plural, namespace, name))
            missing = status(404, "NotFound", f'{plural} "{name}" not found')
            self._answer(found or missing)
        else:
            self._answer({"items": self._listed(plural, namespace, query)})

    def do_POST(self) -> None:
        plural, namespace, _, _ = self._target()
        document = self._body()
        key = (plural, namespace, document["metadata"]["name"])
        if key in self.api.objects:
            self._answer(status(409, "AlreadyExists", f'{plural} "{key[2]}" already exists'))
            return
        self._answer(self._refused() or self.api.write(plural, document))

    def do_PUT(self) -> None:
        plural, *_ = self._target()
        document = self._body()
        self._answer(self._refused() or self.api.write(plural, document))

    def do_PATCH(self) -> None:
        plural, namespace, name, _ = self._target()
        patch = self._body()
        current = self.api.objects[plural, namespace, name]
        self._answer(self._refused() or self.api.write(plural, merge_patch(current, patch)))

    def do_DELETE(self) -> None:
        plural, namespace, name, _ = self._target()
        self._body()
        if (plural, namespace, name) not in self.api.objects:
            self._answer(status(404, "NotFound", f'{plural} "{name}" not found'))
            return
        self.api.delete(plural, namespace, name)
        self._answer({"kind": "Status", "status": "Success"})

    def _listed(self, plural: str, namespace: str, query: dict[str, list[str]]) -> list[Document]:
        wanted = dict(
            pair.split("=") for pair in query.get("labelSelector", [""])[0].split(",") if pair
        )
        return [
            document
            for key, document in sorted(self.api.objects.items())
            if key[0] == plural
            and (not namespace or key[1] == namespace)
            and wanted.items() <= (document["metadata"].get("labels") or {}).items()
        ]

    def _target(self) -> tuple[str, str, str, str]:
        """Plural, namespace, name and subresource of a path."""
        self.api.requests.append(f"{self.command} {self.path}")
        parts = urlsplit(self.path).path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        plural, name, rest, *_ = [*parts, "", "", ""]
        return plural, namespace, name, rest

    def _body(self) -> Document:
        length = int(self.headers.get("Content-Length", 0))
        document: Document = json.loads(self.rfile.read(length) or b"{}")
        return document

    def _refused(self) -> Document | None:
        return self.api.refuse.pop(self.command, None)

    def _answer(self, document: Document) -> None:
        content = json.dumps(document).encode()
        self.send_response(int(document.get("code", 200)))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _text(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _stream(self, plural: str, namespace: str, name: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in self.api.events(plural, namespace, name):
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            return  # the client has seen what it wanted
        finally:
            self.close_connection = True


@contextmanager
def fake_api(data_dir: Path) -> Iterator[FakeApi]:
    """A running FakeApi whose kubeconfig is in `data_dir`, as `utsuwa up` would put it."""
    api = FakeApi()
    handler = type("Handler", (_Handler,), {"api": api})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    kubeconfig = {
        "current-context": "utsuwa",
        "clusters": [
            {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        ],
        "contexts": [{"name": "utsuwa", "context": {"cluster": "c", "user": "admin"}}],
        "users": [{"name": "admin", "user": {}}],
    }
    (data_dir / "kubeconfig").write_text(json.dumps(kubeconfig))
    try:
        yield api
    finally:
        api.close()
        server.shutdown()
        server.server_close()
        thread.join()
