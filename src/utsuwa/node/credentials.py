"""Credentials for registries: which registry an image is of, and what fits it of what the Pod
brings and of what `docker login` and `podman login` have written for whoever runs us.
"""

import base64
import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from utsuwa.kit.documents import Document
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)

DOCKER_HUB = "docker.io"
HELPER_PATIENCE = 10.0
"""Seconds that a credential helper may take."""
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
_HUB_KEY = "https://index.docker.io/v1/"
"""What Docker Hub is called in the files and by the helpers."""
_VERSIONS = ("/v1", "/v2")


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


def login_for(repository: str, auths: Iterable[Document]) -> dict[str, str] | None:
    """Username and password for `repository`: of the first of `auths` that has any, those of its
    registry or of a path in it, the longest that fits. None where nobody has any."""
    wanted = qualified(repository)
    for one in auths:
        for where in sorted(one, key=lambda key: len(_place(key)), reverse=True):
            place = _place(where)
            fits = wanted == place or wanted.startswith(f"{place}/")
            if fits and (found := _login(one[where])):
                return found
    return None


def _place(where: str) -> str:
    """The registry, and path in it, that a key of `auths` names."""
    plain = where.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, slash, path = plain.partition("/")
    if f"/{path}" in _VERSIONS:
        slash = path = ""
    return (DOCKER_HUB if host in _HUB_NAMES else host) + slash + path


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
        return {"username": user, "password": password.rstrip("\0")}
    if entry.get("username"):
        return {"username": str(entry["username"]), "password": str(entry.get("password", ""))}
    return None


# --- of whoever runs us ---------------------------------------------------------------------------


def of_user(environment: Mapping[str, str], home: Path, registry: str = "") -> list[Document]:
    """The `auths` of whoever runs us; where a file names a helper for `registry`, what that says.
    Blocks: a few small files, and a helper's process."""
    found: list[Document] = []
    for file in _files(environment, home):
        try:
            config = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        if not isinstance(config, dict):
            continue
        if isinstance(auths := config.get("auths"), dict):
            found.append(auths)
        if (helper := _helper(config, registry)) and (said := _ask(helper, registry, environment)):
            found.append(said)
    return found


def _files(environment: Mapping[str, str], home: Path) -> list[Path]:
    docker = Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if given := environment.get("REGISTRY_AUTH_FILE"):
        return [Path(given), docker]
    run = environment.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    where = Path(run) / "containers" if "XDG_RUNTIME_DIR" in environment else Path(run)
    return [where / "auth.json", home / ".config" / "containers" / "auth.json", docker]


def _helper(config: Document, registry: str) -> str:
    helpers = config.get("credHelpers")
    own = helpers.get(registry) if isinstance(helpers, dict) else None
    return str(own or config.get("credsStore") or "") if registry else ""


def _ask(helper: str, registry: str, environment: Mapping[str, str]) -> Document | None:
    """What the program `docker-credential-<helper>` knows of the registry."""
    key = _HUB_KEY if registry == DOCKER_HUB else registry
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"],
            input=key,
            capture_output=True,
            text=True,
            timeout=HELPER_PATIENCE,
            env=dict(environment),
            check=False,
        )
        said = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        _log.warning("credential helper does not help", program=program, reason=error)
        return None
    if not said.get("Secret"):
        return None  # it has none for this registry, which is no failure
    if said.get("Username") == "<token>":
        return {registry: {"identitytoken": said["Secret"]}}
    return {registry: {"username": said.get("Username", ""), "password": said["Secret"]}}
