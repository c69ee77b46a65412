"""Signed tokens: JSON Web Tokens with ES256 (RFC 7519, RFC 7518 §3.4), and nothing else of them.

One algorithm, one key: what a token's own header asks for is never followed.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from utsuwa.kit.documents import Document, decode, encode

_WIDTH = 32
_ALGORITHM = ec.ECDSA(hashes.SHA256())


class Signer:
    """Signs and verifies with one EC P-256 key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        public = key.public_key()
        der = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = hashes.Hash(hashes.SHA256())
        digest.update(der)
        self.key_id = _text(digest.finalize())
        self._key = key
        self._public = public
        self._head = _text(encode({"alg": "ES256", "kid": self.key_id}))

    def __repr__(self) -> str:
        return f"<Signer {self.key_id[:8]}>"

    @classmethod
    def of_pem(cls, pem: bytes) -> "Signer":
        """The signer with the private key of a PEM text.

        Raises:
            ValueError: it is no EC P-256 key.
        """
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.key_size != 256:
            raise ValueError("expected an EC P-256 private key")
        return cls(key)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token that says `claims`."""
        signed = f"{self._head}.{_text(encode(dict(claims)))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), _ALGORITHM))
        return f"{signed}.{_text(r.to_bytes(_WIDTH) + s.to_bytes(_WIDTH))}"

    def claims(self, token: str) -> Document | None:
        """What a token of ours says; None when it was not signed by this key. Times and audience
        are for the caller to judge."""
        parts = token.split(".")
        if len(parts) != 3 or parts[0] != self._head:
            return None
        try:
            signature = _bytes(parts[2])
            if len(signature) != 2 * _WIDTH:
                return None
            r, s = signature[:_WIDTH], signature[_WIDTH:]
            whole = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
            self._public.verify(whole, f"{parts[0]}.{parts[1]}".encode(), _ALGORITHM)
            claims = decode(_bytes(parts[1]))
        except (InvalidSignature, binascii.Error, msgspec.DecodeError, UnicodeError):
            return None
        return claims if isinstance(claims, dict) else None


def new_key() -> bytes:
    """A new private key, PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    padded = text.encode() + b"=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
