"""Reads a kubeconfig: where the API server is, and who we are to it (`spec/kubernetes-api.md`
§1.5)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class KubeconfigError(Exception):
    """The kubeconfig is missing or unusable; the message says which file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the API server. Certificates and key are PEM; empty where there are none."""

    server: str
    namespace: str = "default"
    authority: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""

    def __repr__(self) -> str:
        return f"<Access {self.server} namespace {self.namespace}>"  # never the key


def read(path: Path) -> Access:
    """What the kubeconfig at `path` says of its current context.

    Raises:
        FileNotFoundError: there is no such file (a server was never started there).
        KubeconfigError: it cannot be read, or lacks something.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"kubeconfig {path}: {error}") from error
    return parse(_load(text, path), path)


def parse(document: Any, path: Path) -> Access:
    """What the kubeconfig `document`, read from `path`, says of its current context.

    Raises:
        KubeconfigError: something is missing, or a member is not base64.
    """
    if not isinstance(document, Mapping):
        raise KubeconfigError(f"kubeconfig {path}: expected a mapping at the top")
    context = _named(document, "contexts", "context", document.get("current-context"), path)
    cluster = _named(document, "clusters", "cluster", context.get("cluster"), path)
    user = _named(document, "users", "user", context.get("user"), path)
    server = str(cluster.get("server") or "")
    if not server.startswith(("https://", "http://")):
        raise KubeconfigError(f"kubeconfig {path}: server: expected https://HOST[:PORT]")
    return Access(
        server=server,
        namespace=str(context.get("namespace") or "default"),
        authority=_pem(cluster, "certificate-authority", path),
        certificate=_pem(user, "client-certificate", path),
        key=_pem(user, "client-key", path),
        token=str(user.get("token") or ""),
    )


def _load(text: str, path: Path) -> Any:
    import json

    try:
        return json.loads(text)  # JSON is YAML, and is read without loading a YAML library
    except ValueError:
        pass
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise KubeconfigError(f"kubeconfig {path}: not YAML: {problem}") from error


def _named(
    document: Mapping[str, Any], plural: str, member: str, name: Any, path: Path
) -> Mapping[str, Any]:
    for entry in document.get(plural) or ():
        if isinstance(entry, Mapping) and entry.get("name") == name:
            found = entry.get(member) or {}
            if isinstance(found, Mapping):
                return found
    raise KubeconfigError(f"kubeconfig {path}: no {member} named {name!r} under {plural}")


def _pem(member: Mapping[str, Any], name: str, path: Path) -> bytes:
    data, file = member.get(f"{name}-data"), member.get(name)
    try:
        if data:
            return base64.b64decode(data, validate=True)
        return (path.parent / file).read_bytes() if file else b""
    except (binascii.Error, TypeError, ValueError) as error:
        raise KubeconfigError(f"kubeconfig {path}: {name}-data: not base64") from error
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path}: {name}: {error}") from error
