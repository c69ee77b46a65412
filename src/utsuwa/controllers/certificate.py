"""Certificate → Secret, signed by the cluster's own authority for services.

A Certificate asks for one; this controller answers those of the class that `config-network` names
by default, and of our own; others are left to whoever knows them. A certificate is made anew when
it is about to expire, or is not for the names that are asked for.
"""

import base64
from collections.abc import Sequence
from typing import Protocol

from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller, own_key, owner_key
from utsuwa.controllers.passes import StatusReconciler, create_child, find
from utsuwa.controllers.tls_secrets import CHAIN, KEY, TYPE, leaf_of, mismatch, pair_of
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.tls import CertificateError
from utsuwa.model import labels
from utsuwa.model.children.parts import child
from utsuwa.model.kinds import CERTIFICATE, SECRET
from utsuwa.model.lifecycle import certificate as lifecycle
from utsuwa.model.meta import annotations_of, is_controlled_by, namespace_of

CLASSES = frozenset({
    "", "cert-manager.certificate.networking.knative.dev", "utsuwa.certificate.networking.knative.dev",
})  # fmt: skip
"""The classes that we answer: there is no cert-manager here, so we stand in for it."""
RENEW_BEFORE = 30 * 86400.0
"""Seconds before its end at which a certificate is made anew."""
_LOOK_AGAIN = 86400.0


class Pair(Protocol):
    """A certificate and its key, both PEM."""

    @property
    def certificate(self) -> bytes:
        """The certificate."""
        ...

    @property
    def key(self) -> bytes:
        """Its key."""
        ...


class Issuer(Protocol):
    """Signs certificates."""

    @property
    def ca(self) -> Pair:
        """What its certificates are signed with."""
        ...

    def server(self, names: Sequence[str]) -> Pair:
        """A new serving certificate for `names`."""
        ...


class CertificateReconciler(StatusReconciler):
    """Keeps a Secret with a good certificate for each Certificate."""

    def __init__(self, context: Context, issuer: Issuer) -> None:
        super().__init__(context, CERTIFICATE, lifecycle.CONDITIONS)
        self._issuer = issuer

    async def run(self, document: Document) -> float | None:
        """Look at the Secret; make it, or make it anew, where it does not do."""
        status = document["status"]
        if labels.CERTIFICATE_CLASS_SPELLINGS.value(annotations_of(document)) not in CLASSES:
            lifecycle.mark_unknown_class(status)
            return None
        names, name = dig(document, "spec", "dnsNames"), dig(document, "spec", "secretName")
        if not names or not name:
            lifecycle.mark_invalid(status, "spec.dnsNames and spec.secretName: expected both")
            return None
        key = Key(namespace_of(document), name)
        secret = await find(self.context, SECRET, key)
        if secret is not None and not is_controlled_by(secret, document):
            lifecycle.mark_secret_not_owned(status, name)
            return None
        if secret is None:
            secret = await create_child(self.context, document, self._signed(document, names, name))
        elif not self._does(secret, names):
            fresh = self._signed(document, names, name)
            secret = await self.context.cluster.update({**secret, "data": fresh["data"]})
        return self._tell(status, secret)

    def _tell(self, status: Document, secret: Document) -> float:
        leaf = leaf_of(secret)
        if leaf is None:
            raise CertificateError("the certificate just made cannot be read")
        ends = leaf.not_valid_after_utc.timestamp()
        status["notAfter"] = rfc3339(ends)
        lifecycle.mark_ready(status)
        left = ends - RENEW_BEFORE - self.context.clock.now()
        return min(max(left, 1.0), _LOOK_AGAIN)

    def _does(self, secret: Document, names: Sequence[str]) -> bool:
        """Whether the Secret's certificate is good, and will be for long enough."""
        try:
            pair_of(secret)
        except CertificateError:
            return False
        then = self.context.clock.now() + RENEW_BEFORE
        return not any(mismatch(secret, name, then) for name in names)

    def _signed(self, document: Document, names: Sequence[str], name: str) -> Document:
        pair = self._issuer.server(names)
        members = {CHAIN: pair.certificate, KEY: pair.key, "ca.crt": self._issuer.ca.certificate}
        data = {member: base64.b64encode(value).decode() for member, value in members.items()}
        return child(document, SECRET, name, type=TYPE, data=data)


def build(context: Context, issuer: Issuer) -> Controller:
    """The controller of Certificates."""
    controller = Controller("certificate", CertificateReconciler(context, issuer))
    controller.watch(context.informers.of(CERTIFICATE), own_key)
    controller.watch(context.informers.of(SECRET), owner_key(CERTIFICATE.name))
    return controller
