"""Requests to the API server, one connection each time one is needed; blocking.

Watches are lines of a chunked answer (`spec/kubernetes-api.md` §5). Nothing here retries: the
server is on this machine.
"""

import http.client
import json
import ssl
import tempfile
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from utsuwa.app.api.errors import ApiRefusedError, NoServerError
from utsuwa.app.api.kubeconfig import Access, KubeconfigError

Document = dict[str, Any]

_ANSWER_WITHIN = 30.0
"""Seconds for an ordinary request."""


@dataclass(frozen=True, slots=True)
class Resource:
    """The path of a kind: `api_version` and `plural` as in `utsuwa.model.kinds.Kind`."""

    api_version: str
    plural: str

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Without a namespace: all namespaces."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if namespace:
            parts += ["namespaces", quote(namespace)]
        parts += [self.plural, quote(name)] if name else [self.plural]
        return "/".join([*parts, subresource] if subresource else parts)


class Client:
    """Talks to the API server that `access` describes.

    Every method raises NoServerError when nobody answers there, KubeconfigError when somebody
    else does, and ApiRefusedError when the request is refused. A Client may be used by several
    threads: each call has its connection.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._url = urlsplit(access.server)
        self._tls = _tls(access) if self._url.scheme == "https" else None

    def __repr__(self) -> str:
        return f"<Client of {self._access.server}>"

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context."""
        return self._access.namespace

    @property
    def host(self) -> str:
        """The machine that the server is on: its name or address."""
        return self._url.hostname or ""

    def fetch(self, path: str, query: Mapping[str, str] | None = None) -> Document:
        """What the server tells at `path`."""
        return self._object("GET", path, query=query)

    def post(self, path: str) -> Document:
        """What the server answers to a request without a body at `path`."""
        return self._object("POST", path)

    def get(
        self, resource: Resource, namespace: str, name: str, *, subresource: str = ""
    ) -> Document:
        """One object, or a sub-resource of it."""
        return self._object("GET", resource.path(namespace, name, subresource))

    def list(
        self, resource: Resource, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> Document:
        """A list object; all namespaces without `namespace`."""
        query = {"labelSelector": _selector(labels)} if labels else {}
        return self._object("GET", resource.path(namespace), query=query)

    def create(self, resource: Resource, document: Document) -> Document:
        """Create; the answer is the object as stored."""
        path = resource.path(document["metadata"].get("namespace", ""))
        return self._object("POST", path, body=document, query={"fieldValidation": "Strict"})

    def replace(self, resource: Resource, document: Document) -> Document:
        """Replace the object of that name, at the resourceVersion it carries."""
        metadata = document["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"])
        return self._object("PUT", path, body=document)

    def patch(self, resource: Resource, namespace: str, name: str, patch: Document) -> Document:
        """Lay an RFC 7386 merge patch over an object."""
        path = resource.path(namespace, name)
        return self._object("PATCH", path, body=patch, content="application/merge-patch+json")

    def delete(self, resource: Resource, namespace: str, name: str) -> Document:
        """Delete, with everything that the object owns."""
        body = {"propagationPolicy": "Background"}
        return self._object("DELETE", resource.path(namespace, name), body=body)

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        name: str = "",
        labels: Mapping[str, str] | None = None,
        timeout: float = 300.0,
    ) -> Generator[Document, None, None]:
        """Events `{"type", "object"}`: what there is, then every change, for `timeout` seconds or
        until the server ends the stream. Raises TimeoutError when they have passed in silence."""
        query = {"watch": "true", "timeoutSeconds": str(max(1, int(timeout)))}
        if name:
            query["fieldSelector"] = f"metadata.name={name}"
        if labels:
            query["labelSelector"] = _selector(labels)
        path = f"{resource.path(namespace)}?{urlencode(query)}"
        for line in self.lines(path, timeout=timeout):
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise ApiRefusedError.from_status(500, event["object"])
            if event["type"] != "BOOKMARK":
                yield event

    def lines(self, path: str, *, timeout: float) -> Iterator[bytes]:
        """The lines of an answer as they come. Raises TimeoutError after `timeout` seconds without
        one."""
        connection = self._connect(timeout)
        try:
            answer = self._send(connection, "GET", path, None, {"Accept": "*/*"})
            while line := answer.readline():
                yield line
        except http.client.HTTPException as error:
            raise NoServerError(f"{self._access.server} broke off its answer") from error
        except ConnectionError as error:
            raise NoServerError(f"{self._access.server} went away: {error.strerror}") from error
        finally:
            connection.close()

    # --- one request ----------------------------------------------------------------------------

    def _object(
        self,
        method: str,
        path: str,
        *,
        body: Document | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
    ) -> Document:
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": "application/json", "Content-Type": content}
        data = None if body is None else json.dumps(body).encode()
        connection = self._connect(_ANSWER_WITHIN)
        try:
            answer = self._send(connection, method, target, data, headers).read()
            result: Document = json.loads(answer)
        except (http.client.HTTPException, ValueError) as error:
            raise NoServerError(f"{self._access.server} does not speak our protocol") from error
        except OSError as error:
            raise NoServerError(f"{self._access.server}: {error}") from error
        finally:
            connection.close()
        return result

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._tls is None:
            return http.client.HTTPConnection(host, self._url.port or 80, timeout=timeout)
        port = self._url.port or 443
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> http.client.HTTPResponse:
        if self._access.token:
            headers = {**headers, "Authorization": f"Bearer {self._access.token}"}
        try:
            connection.request(method, self._url.path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()
        except TimeoutError:
            raise
        except ssl.SSLError as error:
            raise KubeconfigError(
                f"{self._access.server} is not the server that this kubeconfig is for "
                f"({error.reason or error})"
            ) from error
        except OSError as error:
            raise NoServerError(f"{self._access.server}: {error.strerror or error}") from error
        if answer.status >= 400:
            raise ApiRefusedError.from_status(answer.status, _status(answer))
        return answer


def _status(answer: http.client.HTTPResponse) -> Document:
    text = answer.read()
    try:
        status = json.loads(text)
    except ValueError:
        return {"message": text.decode("utf-8", "replace").strip()}
    return status if isinstance(status, dict) else {}


def _selector(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def _tls(access: Access) -> ssl.SSLContext:
    authority = access.authority.decode("ascii", "replace") or None
    context = ssl.create_default_context(cadata=authority)
    if access.certificate and access.key:
        # OpenSSL reads a client's certificate from a file only: one that is ours alone, for the
        # length of this call.
        with tempfile.TemporaryDirectory(prefix="utsuwa-") as directory:
            path = Path(directory) / "client.pem"
            path.touch(mode=0o600)
            path.write_bytes(access.certificate + b"\n" + access.key)
            context.load_cert_chain(path)
    return context
