"""The Certificate of a host (`spec/reconcilers.md` §5.7)."""

import zlib

from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.children.parts import child, kept
from utsuwa.model.kinds import CERTIFICATE
from utsuwa.model.meta import annotations_of, name_of, uid_of

CERTIFICATE_CLASS = "networking.knative.dev/certificate.class"
_DROPPED = (
    labels.LAST_APPLIED,
    *labels.INGRESS_CLASS_SPELLINGS.keys,
    *labels.CERTIFICATE_CLASS_SPELLINGS.keys,
    labels.ROLLOUT,
)


def route_certificate_of(route: Document, tag: str, host: str, default_class: str) -> Document:
    """The Certificate of the host of one of a Route's targets: `route-UID`, and for a tag a digest
    of it as well."""
    name = f"route-{uid_of(route)}"
    if tag:
        name += f"-{zlib.adler32(tag.encode())}"
    return _certificate(route, name, host, default_class, {labels.ROUTE: name_of(route)})


def mapping_certificate_of(mapping: Document, default_class: str) -> Document:
    """The Certificate of a DomainMapping, of the same name."""
    name = name_of(mapping)
    own = {labels.DOMAIN_MAPPING_UID: uid_of(mapping)}
    return _certificate(mapping, name, name, default_class, own)


def _certificate(
    owner: Document, name: str, host: str, default_class: str, own: dict[str, str]
) -> Document:
    annotations = annotations_of(owner)
    chosen = labels.CERTIFICATE_CLASS_SPELLINGS.value(annotations) or default_class
    return child(
        owner,
        CERTIFICATE,
        name,
        labels=own,
        annotations={**kept(annotations, _DROPPED), CERTIFICATE_CLASS: chosen},
        spec={"dnsNames": [host], "secretName": name},
    )
