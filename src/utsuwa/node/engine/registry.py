"""What a registry says of a tag: its digest, by the distribution protocol of OCI, without
fetching the image.

Engines know more of registries than we do (mirrors, authorities, which may be insecure). So
whatever goes wrong here is no answer: the engine is asked then, and its words are what is told.
"""

import base64
import hashlib
import ipaddress
import re
from collections.abc import Mapping

import aiohttp

from utsuwa.kit.log import get_logger
from utsuwa.model.images import Reference
from utsuwa.node.credentials import DOCKER_HUB, qualified, registry_of

_log = get_logger(__name__)

PATIENCE = aiohttp.ClientTimeout(total=15.0, connect=5.0)
_HUB = "registry-1.docker.io"
_KINDS = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
UNAUTHORIZED = 401
OK = 200

Login = Mapping[str, str]


class Registries:
    """Asks registries. Mutable state: `_session`, once something was asked."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"<Registries: {'asked before' if self._session else 'never asked'}>"

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def digest(self, reference: Reference, login: Login | None) -> str:
        """The digest of a tag; "" from a registry that cannot be asked, or does not say."""
        if login is not None and "password" not in login:
            return ""  # a token of an identity provider: the engine knows what to do with it
        host, _, path = qualified(reference.repository).partition("/")
        for scheme in _schemes(registry_of(reference.repository)):
            where = _HUB if host == DOCKER_HUB else host
            url = f"{scheme}://{where}/v2/{path}/manifests/{reference.tag}"
            try:
                return await self._ask(url, login)
            except aiohttp.ClientConnectionError as error:
                _log.debug("registry does not answer", url=url, reason=error)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                _log.debug("registry does not say", url=url, reason=error)
                return ""
        return ""

    async def _ask(self, url: str, login: Login | None) -> str:
        headers = {"Accept": _KINDS}
        status, told, _ = await self._request("HEAD", url, headers)
        if status == UNAUTHORIZED:
            headers["Authorization"] = await self._authorization(told, login)
            status, told, _ = await self._request("HEAD", url, headers)
        if status != OK:
            return ""
        digest = told.get("Docker-Content-Digest", "")
        if not digest:  # some registries tell it with the manifest alone, or not at all
            _, _, content = await self._request("GET", url, headers)
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return digest if _DIGEST.match(digest) else ""

    async def _authorization(self, told: Mapping[str, str], login: Login | None) -> str:
        challenge = told.get("WWW-Authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        basic = None if login is None else _basic(login)
        if scheme.lower() != "bearer":
            return basic or ""
        wanted = dict(_PARAMETER.findall(rest))
        realm = wanted.pop("realm")
        return f"Bearer {await self._token(realm, wanted, basic)}"

    async def _token(self, realm: str, wanted: dict[str, str], basic: str | None) -> str:
        headers = {"Authorization": basic} if basic else {}
        query: dict[str, str] = {
            name: value for name, value in wanted.items() if name in {"service", "scope"}
        }
        async with self._open().get(realm, params=query, headers=headers) as response:
            response.raise_for_status()
            found = await response.json(content_type=None)
        return str(found.get("token") or found.get("access_token") or "")

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._open().request(method, url, headers=headers) as response:
            content = await response.read() if method == "GET" else b""
            return response.status, response.headers, content

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=PATIENCE, trust_env=True)
        return self._session


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()


def _schemes(registry: str) -> tuple[str, ...]:
    """As Docker does it: on this machine a registry may be without TLS."""
    host = registry.rpartition(":")[0] if ":" in registry else registry
    try:
        local = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    return ("https", "http") if local else ("https",)
