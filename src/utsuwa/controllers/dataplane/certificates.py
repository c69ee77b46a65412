"""From Secrets of type kubernetes.io/tls to the certificates that gateways are given.

A Secret is read whenever it, or an Ingress that names it, changes. What is wrong with one is said
on every Ingress that uses it, and no word of what stands in it is ever logged or told.
"""

from utsuwa.cluster.informer import Informer
from utsuwa.cluster.port import Key
from utsuwa.controllers.tls_secrets import mismatch, pair_of
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.tls import CertificateError
from utsuwa.routing.table import Table


class CertificateSource:
    """Keeps the table's certificates in step with the Secrets that Ingresses name.

    Mutable state: `_wanted`, by Ingress the Secret of each of its hosts; `_users`, by Secret the
    Ingresses that name it; `_faults` by Secret.
    """

    def __init__(self, table: Table, secrets: Informer, clock: Clock) -> None:
        self._table = table
        self._secrets = secrets
        self._clock = clock
        self._wanted: dict[Key, dict[str, str]] = {}
        self._users: dict[str, set[Key]] = {}
        self._faults: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<CertificateSource {len(self._wanted)} ingresses, faults: {sorted(self._faults)}>"

    def want(self, ingress: Key, secured: dict[str, str]) -> None:
        """`ingress` wants the certificates of `secured` (Secret by host), and no others."""
        before = self._wanted.pop(ingress, {})
        if secured:
            self._wanted[ingress] = secured
        old, new = set(before.values()), set(secured.values())
        for name in old - new:
            users = self._users[name]
            users.discard(ingress)
            if not users:
                del self._users[name]
                self._faults.pop(name, None)
                self._table.remove_certificate(name)
        for name in new - old:
            self._users.setdefault(name, set()).add(ingress)
            self.read(name)

    def users(self, name: str) -> frozenset[Key]:
        """The Ingresses that name the Secret `name`."""
        return frozenset(self._users.get(name, ()))

    def read(self, name: str) -> None:
        """Look at the Secret `name` (`namespace/name`) as it is now; somebody wants it."""
        secret = self._secret(name)
        try:
            if secret is None:
                raise CertificateError("there is no such Secret: create it")
            self._table.set_certificate(pair_of(secret))
        except CertificateError as error:
            # What is served already goes on being served: a slip must not cost the domain.
            self._faults[name] = f"Secret {name}: {error}"
        else:
            self._faults.pop(name, None)

    def _secret(self, name: str) -> Document | None:
        return self._secrets.get(Key(*name.split("/", 1)))

    def fault(self, ingress: Key) -> str:
        """What is wrong with a Secret that `ingress` names, or ""."""
        for host, name in sorted(self._wanted.get(ingress, {}).items()):
            secret = self._secret(name)
            wrong = self._faults.get(name)
            if wrong is None and secret is not None:
                wrong = mismatch(secret, host, self._clock.now())
                wrong = wrong and f"Secret {name}: {wrong}"
            if wrong:
                return wrong
        return ""
