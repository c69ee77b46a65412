"""Credentials for registries: from pull secrets, and from the files that `docker login` and
`podman login` write. Pure but for :func:`of_user`.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from utsuwa.kit.documents import Document, dig

DOCKER_HUB = "docker.io"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


def registry_of(repository: str) -> str:
    """The registry of a repository as images are written: Docker Hub unless a host comes first."""
    host, slash, _ = repository.partition("/")
    is_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    return host if is_host and host not in _HUB_NAMES else DOCKER_HUB


def qualified(repository: str) -> str:
    """The repository with its registry: `docker.io/library/redis` for `redis`."""
    if registry_of(repository) != DOCKER_HUB:
        return repository
    path = repository.partition("/")[2] if repository.startswith(_HUB_NAMES) else repository
    return f"{DOCKER_HUB}/{path if '/' in path else f'library/{path}'}"


def of_secret(secret: Document) -> Document:
    """The `auths` of a pull secret; {} where it has none that can be read."""
    for key in (".dockerconfigjson", ".dockercfg"):
        if (packed := dig(secret, "data", key)) is None:
            continue
        try:
            found = json.loads(base64.b64decode(packed))
        except ValueError:
            return {}
        auths = found.get("auths") if key == ".dockerconfigjson" else found
        return auths if isinstance(auths, dict) else {}
    return {}


def of_user(environment: Mapping[str, str], home: Path) -> list[Document]:
    """The `auths` of whoever runs us. Reads a few small files."""
    places = [home / ".docker"]
    if given := environment.get("DOCKER_CONFIG"):
        places = [Path(given)]
    files = [place / "config.json" for place in places]
    if given := environment.get("REGISTRY_AUTH_FILE"):
        files.append(Path(given))
    elif given := environment.get("XDG_RUNTIME_DIR"):
        files.append(Path(given) / "containers" / "auth.json")
    found = []
    for file in files:
        try:
            auths = json.loads(file.read_text()).get("auths")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(auths, dict):
            found.append(auths)
    return found


def login_for(repository: str, auths: Iterable[Document]) -> dict[str, str] | None:
    """Username and password for the registry of `repository`; None where nobody has any."""
    registry = registry_of(repository)
    names = _HUB_NAMES if registry == DOCKER_HUB else (registry,)
    for one in auths:
        for where, entry in one.items():
            if _host(where) in names and (found := _login(entry)):
                return found
    return None


def _host(where: str) -> str:
    return where.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _login(entry: object) -> dict[str, str] | None:
    if not isinstance(entry, dict):
        return None
    if token := entry.get("identitytoken"):
        return {"identitytoken": str(token)}
    if packed := entry.get("auth"):
        try:
            user, _, password = base64.b64decode(packed).decode().partition(":")
        except ValueError:
            return None
        return {"username": user, "password": password}
    if entry.get("username"):
        return {"username": str(entry["username"]), "password": str(entry.get("password", ""))}
    return None
