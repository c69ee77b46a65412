"""Which certificate a handshake gets. Certificates come over the link and stay in memory."""

import ssl

from utsuwa.kit.log import get_logger
from utsuwa.kit.tls import CertificateError, server_context
from utsuwa.routing.messages import Certificate

_log = get_logger(__name__)


class Certificates:
    """The certificates in force, chosen by the name that a client asks for (SNI).

    Mutable state: `_entries` by name, `_contexts` made of them at their first use, and `_names`,
    the certificate of each host. A handshake takes what is there when it begins; connections that
    stand are not touched by a change.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Certificate] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._names: dict[str, str] = {}
        self.entrance = server_context()
        """The context to listen with: it has no certificate of its own."""
        self.entrance.sni_callback = self._choose

    def __repr__(self) -> str:
        return f"<Certificates {sorted(self._entries)} for {len(self._names)} hosts>"

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that have a certificate."""
        return frozenset(self._names)

    @property
    def names(self) -> frozenset[str]:
        """The certificates that are there."""
        return frozenset(self._entries)

    def put(self, entry: Certificate) -> None:
        """A new certificate, or a changed one."""
        if self._entries.get(entry.name) != entry:
            self._entries[entry.name] = entry
            self._contexts.pop(entry.name, None)

    def remove(self, name: str) -> None:
        """The certificate `name` is no more."""
        self._entries.pop(name, None)
        self._contexts.pop(name, None)

    def assign(self, host: str, name: str) -> None:
        """Serve `host` with the certificate `name`; "" for none."""
        if name:
            self._names[host] = name
        else:
            self._names.pop(host, None)

    def _choose(
        self, handshake: ssl.SSLObject | ssl.SSLSocket, host: str | None, _: ssl.SSLContext
    ) -> int | None:
        name = self._names.get((host or "").lower().rstrip("."))
        entry = self._entries.get(name) if name else None
        if entry is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        context = self._contexts.get(entry.name)
        if context is None:
            try:
                context = server_context(entry.chain + b"\n" + entry.key)
            except CertificateError as error:
                _log.warning("certificate is of no use", secret=entry.name, reason=error)
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            self._contexts[entry.name] = context
        handshake.context = context
        return None
