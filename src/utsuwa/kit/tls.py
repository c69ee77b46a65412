"""Server-side TLS from certificates that are in memory.

OpenSSL through :mod:`ssl` reads certificates and keys from files alone. They are given to it as
anonymous memory (memfd), which has no name in any directory and is gone when it is closed: a key
never touches a disk.
"""

import os
import ssl

PROTOCOLS = ("h2", "http/1.1")
"""What we speak, best first (ALPN)."""


class CertificateError(ValueError):
    """A certificate and key that TLS cannot be served with; the message tells no secret."""


def server_context(pem: bytes = b"") -> ssl.SSLContext:
    """TLS 1.2 and later, with the certificate chain and the key of `pem`; without any when empty.

    Raises:
        CertificateError: `pem` is not a certificate chain and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(list(PROTOCOLS))
    if pem:
        _load(context, pem)
    return context


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    descriptor = os.memfd_create("utsuwa-tls", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as memory:
            memory.write(pem)
        # An encrypted key would be asked for on the terminal: no password is right.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise CertificateError(
            f"expected a PEM certificate chain and the PEM key that belongs to it, not encrypted; "
            f"OpenSSL says {str(reason).replace('_', ' ').lower()}"
        ) from None  # what OpenSSL quotes could be of the key
    finally:
        os.close(descriptor)
