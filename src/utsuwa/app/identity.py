"""Who may talk to the API, and what proves it: certificates, tokens, and their renewal in time.

Everything that proves an identity is looked at once an hour while control runs. What is about to
expire is made anew: the server's certificate is swapped in place, `kubeconfig` and `token` are
written again. No connection is cut, nothing is started anew.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utsuwa.apiserver import (
    Authentication,
    Authority,
    IssuedTokens,
    Rbac,
    ServiceTokens,
    write_kubeconfig,
    write_private,
)
from utsuwa.app.options import Layout
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Cluster, Key
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger
from utsuwa.model.builtin_roles import MASTERS
from utsuwa.model.issued import NAMESPACE, Bearer, documents, secret_name, token_of
from utsuwa.model.kinds import RIGHTS_KINDS, SECRET, SERVICE_ACCOUNT

if TYPE_CHECKING:
    import ssl

_log = get_logger(__name__)

EVERY = 3600.0
"""Seconds between two looks at what may expire."""
_LOCAL = "local"
"""The id of the administrator's token in the file `token`."""
_TOKEN_LIFE = 365 * 86400.0
_RENEW_BEFORE = 30 * 86400.0


class Identity:
    """Mutable state: the authority as it was last seen, and the context that serves it."""

    def __init__(self, layout: Layout, server: str, addresses: Sequence[str], clock: Clock) -> None:
        """`server` is the URL for the kubeconfig, `addresses` are served beside the usual."""
        self._layout = layout
        self._server = server
        self._addresses = tuple(addresses)
        self._clock = clock
        self._authority = Authority.open(layout.pki, clock)
        self.context: ssl.SSLContext = self._authority.server_context(self._addresses)
        self._written = self._certificates()
        self._write()

    def __repr__(self) -> str:
        return f"<Identity {self._server}>"

    def tokens(self, informers: Informers, ids: Ids) -> ServiceTokens:
        """Issues tokens of ServiceAccounts."""
        return ServiceTokens(self._authority.signer(), informers, self._clock, ids)

    def authentication(self, informers: Informers, ids: Ids, *, anonymous: bool) -> Authentication:
        """Knows who calls."""
        service = self.tokens(informers, ids)
        return Authentication(service, IssuedTokens(informers, self._clock), anonymous=anonymous)

    async def local_token(self, cluster: Cluster) -> None:
        """See to it that the file `token` has a token of the administrator that is good for a
        while: for clients that take no certificate."""
        try:
            present = await cluster.get(SECRET, Key(NAMESPACE, secret_name(_LOCAL)))
        except NotFoundError:
            present = None
        path = self._layout.token
        if present is not None and path.exists():
            made = present["metadata"]["annotations"].get(_MADE, "0")
            if self._clock.now() - float(made) < _TOKEN_LIFE - _RENEW_BEFORE:
                return
        if present is not None:
            await cluster.delete(SECRET, Key(NAMESPACE, secret_name(_LOCAL)))
        token = token_of(_LOCAL, secrets.token_urlsafe(32))
        expires = rfc3339(self._clock.now() + _TOKEN_LIFE)
        secret = documents(_LOCAL, token, Bearer("admin", (MASTERS,)), expires)[0]
        secret["metadata"]["annotations"] = {_MADE: str(int(self._clock.now()))}
        await cluster.create(secret)
        await asyncio.to_thread(write_private, path, token.encode())

    async def keep(self, cluster: Cluster) -> None:
        """Renew in time, for ever."""
        while True:
            await self._clock.sleep(EVERY)
            await self.renew()
            await self.local_token(cluster)

    async def renew(self) -> None:
        """Renew what is about to expire."""
        await asyncio.to_thread(self._renew)

    def _renew(self) -> None:
        self._authority = Authority.open(self._layout.pki, self._clock)
        self._authority.renew(self.context, self._addresses)
        self._authority.admin()
        now = self._certificates()
        if now != self._written:
            self._written = now
            self._write()
            _log.info("certificates renewed", kubeconfig=self._layout.kubeconfig)

    def _certificates(self) -> tuple[bytes, ...]:
        authority = self._authority
        serving = authority.serving(self._addresses)
        return (authority.trusted, serving.certificate, authority.admin().certificate)

    def _write(self) -> None:
        write_kubeconfig(self._layout.kubeconfig, self._authority.kubeconfig(self._server))


class PodTokens:
    """Tokens for the volumes of pods, bound to their pod."""

    def __init__(self, issuer: ServiceTokens, cluster: Cluster) -> None:
        self._issuer = issuer
        self._cluster = cluster

    def __repr__(self) -> str:
        return f"<PodTokens of {self._issuer!r}>"

    async def token(self, pod: Document, audience: str, seconds: int) -> str:
        """A token of the ServiceAccount of `pod`. Raises ApiError."""
        metadata = pod["metadata"]
        account = dig(pod, "spec", "serviceAccountName", default="default")
        bound = {
            "kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"],
        }  # fmt: skip
        spec = {"expirationSeconds": seconds, "boundObjectRef": bound}
        if audience:
            spec["audiences"] = [audience]
        key = Key(metadata["namespace"], account)
        issued = await self._issuer.issue(self._cluster, key, {"spec": spec})
        token: str = issued["status"]["token"]
        return token


def rights(informers: Informers) -> Rbac:
    """Knows who may do what."""
    return Rbac(informers)


def watch(informers: Informers) -> None:
    """Begin to follow what identity and rights rest on, before the first request comes."""
    for kind in (*RIGHTS_KINDS, SECRET, SERVICE_ACCOUNT):
        informers.of(kind)


_MADE = "utsuwa.dev/made"
