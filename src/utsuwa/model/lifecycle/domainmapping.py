"""The status of a DomainMapping (`spec/reconcilers.md` §9)."""

from utsuwa.kit.documents import Document
from utsuwa.model.conditions import FALSE, READY, ConditionSet, condition

DOMAIN_CLAIMED = "DomainClaimed"
REFERENCE_RESOLVED = "ReferenceResolved"
INGRESS_READY = "IngressReady"
CERTIFICATE_PROVISIONED = "CertificateProvisioned"
CONDITIONS = ConditionSet(
    (DOMAIN_CLAIMED, REFERENCE_RESOLVED, INGRESS_READY, CERTIFICATE_PROVISIONED)
)
_ELSEWHERE = "is claimed by namespace"


def mark_domain_claimed(status: Document) -> None:
    """The domain is ours."""
    CONDITIONS.mark_true(status, DOMAIN_CLAIMED)


def mark_domain_not_claimed(status: Document, message: str) -> None:
    """The domain belongs to another namespace, or nobody may claim it by himself."""
    CONDITIONS.mark_false(status, DOMAIN_CLAIMED, "DomainAlreadyClaimed", message)


def mark_domain_claimed_elsewhere(status: Document, domain: str, holder: str) -> None:
    """The domain belongs to the namespace `holder`."""
    mark_domain_not_claimed(
        status, f"domain {domain!r} {_ELSEWHERE} {holder!r} (ClusterDomainClaim {domain!r})"
    )


def is_claimed_elsewhere(status: Document) -> bool:
    """Whether another namespace has the domain."""
    found = condition(status, DOMAIN_CLAIMED) or {}
    return found.get("status") == FALSE and _ELSEWHERE in found.get("message", "")


def mark_reference_resolved(status: Document) -> None:
    """What the mapping points to has an address."""
    CONDITIONS.mark_true(status, REFERENCE_RESOLVED)


def mark_reference_not_resolved(status: Document, message: str) -> None:
    """What the mapping points to has no address that can be used."""
    CONDITIONS.mark_false(status, REFERENCE_RESOLVED, "ResolveFailed", message)


def mark_ingress_not_configured(status: Document) -> None:
    """The Ingress has not been reconciled since we changed it."""
    CONDITIONS.mark_unknown(
        status, INGRESS_READY, "IngressNotConfigured", "The Ingress has not been programmed yet."
    )


def propagate_ingress(status: Document, ingress: Document) -> None:
    """Copy Ready of the Ingress."""
    ready = condition(ingress.get("status"), READY)
    if ready is None:
        mark_ingress_not_configured(status)
    else:
        CONDITIONS.copy(status, INGRESS_READY, ready)


def mark_tls_not_enabled(status: Document) -> None:
    """No certificate is needed."""
    message = "external-domain-tls is off."
    CONDITIONS.mark_true(status, CERTIFICATE_PROVISIONED, "TLSNotEnabled", message)


def mark_certificate_provided(status: Document) -> None:
    """The mapping names its own certificate."""
    CONDITIONS.mark_true(
        status,
        CERTIFICATE_PROVISIONED,
        "CertificateExternallyProvided",
        "The certificate is that of spec.tls.secretName.",
    )


def mark_certificate_ready(status: Document) -> None:
    """The certificate is there."""
    CONDITIONS.mark_true(status, CERTIFICATE_PROVISIONED)


def mark_http_downgrade(status: Document, certificate: str) -> None:
    """Served without TLS until the certificate is there."""
    CONDITIONS.mark_true(
        status,
        CERTIFICATE_PROVISIONED,
        "HTTPDowngrade",
        f"Certificate {certificate} is not ready: served over plain HTTP until it is.",
    )


def mark_certificate_not_ready(status: Document, certificate: str) -> None:
    """Waiting for the certificate."""
    CONDITIONS.mark_unknown(
        status,
        CERTIFICATE_PROVISIONED,
        "CertificateNotReady",
        f"Certificate {certificate} is not ready.",
    )


def mark_certificate_failed(status: Document, certificate: str) -> None:
    """The certificate will not come."""
    CONDITIONS.mark_false(
        status,
        CERTIFICATE_PROVISIONED,
        "CertificateProvisionFailed",
        f"Certificate {certificate} cannot be provisioned.",
    )


def mark_certificate_not_owned(status: Document, certificate: str) -> None:
    """The certificate's name is in use."""
    CONDITIONS.mark_false(
        status,
        CERTIFICATE_PROVISIONED,
        "CertificateNotOwned",
        f'A Certificate "{certificate}" exists that does not belong to this mapping.',
    )
