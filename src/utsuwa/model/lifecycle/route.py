"""The status of a Route (`spec/reconcilers.md` §5)."""

from utsuwa.kit.documents import Document
from utsuwa.model.conditions import READY, TRUE, ConditionSet, condition
from utsuwa.model.labels import ROLLOUT_TAKEN_BACK

ALL_TRAFFIC_ASSIGNED = "AllTrafficAssigned"
INGRESS_READY = "IngressReady"
CERTIFICATE_PROVISIONED = "CertificateProvisioned"
CONDITIONS = ConditionSet((ALL_TRAFFIC_ASSIGNED, INGRESS_READY, CERTIFICATE_PROVISIONED))

REVISION_MISSING = "RevisionMissing"
TLS_OFF = "external-domain-tls is off."
TLS_OFF_CLUSTER_LOCAL = "Cluster-local hosts are served without TLS."


def mark_traffic_assigned(status: Document) -> None:
    """Every target of the spec leads to a Revision that is ready."""
    CONDITIONS.mark_true(status, ALL_TRAFFIC_ASSIGNED)


def mark_traffic_unknown(status: Document, message: str) -> None:
    """The targets could not be looked at."""
    CONDITIONS.mark_unknown(status, ALL_TRAFFIC_ASSIGNED, "Unknown", message)


def mark_host_invalid(status: Document, message: str) -> None:
    """The operator's domain or tag template gives no host for this Route."""
    CONDITIONS.mark_false(status, ALL_TRAFFIC_ASSIGNED, "ErrorConfig", message)


def mark_configuration_missing(status: Document, name: str) -> None:
    """A target names a Configuration that does not exist."""
    _traffic_false(status, "ConfigurationMissing", f'Configuration "{name}" does not exist.')


def mark_revision_missing(status: Document, name: str) -> None:
    """A target names a Revision that does not exist."""
    _traffic_false(status, REVISION_MISSING, f'Revision "{name}" does not exist.')


def mark_configuration_not_ready(status: Document, name: str) -> None:
    """A target's Configuration has no ready Revision yet."""
    CONDITIONS.mark_unknown(
        status,
        ALL_TRAFFIC_ASSIGNED,
        REVISION_MISSING,
        f'Configuration "{name}" has no ready Revision yet.',
    )


def mark_configuration_failed(status: Document, name: str, why: str = "") -> None:
    """A target's Configuration failed before it had a ready Revision; `why` is what it says, so
    that a Service, whose Ready repeats this message, names the cause."""
    because = why or "its latest one failed."
    message = f'Configuration "{name}" has no ready Revision: {because}'
    _traffic_false(status, REVISION_MISSING, message)


def mark_revision_not_ready(status: Document, name: str) -> None:
    """A target's Revision is not ready yet."""
    CONDITIONS.mark_unknown(
        status, ALL_TRAFFIC_ASSIGNED, REVISION_MISSING, f'Revision "{name}" is not ready yet.'
    )


def mark_revision_failed(status: Document, name: str, why: str = "") -> None:
    """A target's Revision failed; `why` is what it says."""
    because = f": {why}" if why else "."
    _traffic_false(status, REVISION_MISSING, f'Revision "{name}" failed to become ready{because}')


def mark_revision_not_owned(status: Document, name: str, *, expected: str, actual: str) -> None:
    """A target names a Revision of another Service (`actual`, "" for none) than our own."""
    owner = f'belongs to Service "{actual}"' if actual else "belongs to no Service"
    message = f'Revision "{name}" {owner}, not to Service "{expected}".'
    _traffic_false(status, "RevisionNotOwned", message)


def mark_ingress_not_configured(status: Document) -> None:
    """The Ingress has not been reconciled since we changed it."""
    CONDITIONS.mark_unknown(
        status, INGRESS_READY, "IngressNotConfigured", "The Ingress has not been programmed yet."
    )


def mark_rollout_in_progress(status: Document) -> None:
    """Traffic is on its way to the latest revision, step by step."""
    CONDITIONS.mark_unknown(
        status,
        INGRESS_READY,
        "RolloutInProgress",
        "Traffic is moving to the latest revision step by step.",
    )


def mark_rollout_taken_back(status: Document, revision: str, why: str) -> None:
    """The rollout to `revision` went wrong, and what it had of the traffic was given back."""
    CONDITIONS.mark_false(
        status,
        INGRESS_READY,
        "RolloutTakenBack",
        f'Traffic was taken back from Revision "{revision}": {why}. Deploy another one, or try '
        f"again: kubectl annotate revision {revision} {ROLLOUT_TAKEN_BACK}-",
    )


def mark_service_not_owned(status: Document, name: str) -> None:
    """The name of a placeholder Service is in use."""
    _ingress_not_owned(status, "Service", name)


def mark_endpoints_not_owned(status: Document, name: str) -> None:
    """The name of the Endpoints of a placeholder Service is in use."""
    _ingress_not_owned(status, "Endpoints", name)


def is_ingress_ready(status: Document) -> bool:
    """Whether the Ingress was Ready when this was last written."""
    found = condition(status, INGRESS_READY)
    return found is not None and found["status"] == TRUE


def propagate_ingress(status: Document, ingress: Document) -> None:
    """Copy Ready of the Ingress."""
    ready = condition(ingress.get("status"), READY)
    if ready is None:
        mark_ingress_not_configured(status)
    else:
        CONDITIONS.copy(status, INGRESS_READY, ready)


def mark_tls_not_enabled(status: Document, message: str = TLS_OFF) -> None:
    """No certificate is needed."""
    CONDITIONS.mark_true(status, CERTIFICATE_PROVISIONED, "TLSNotEnabled", message)


def mark_certificate_ready(status: Document) -> None:
    """Every certificate is there."""
    CONDITIONS.mark_true(status, CERTIFICATE_PROVISIONED)


def mark_http_downgrade(status: Document, certificate: str) -> None:
    """Served without TLS until the certificate is there."""
    CONDITIONS.mark_true(
        status,
        CERTIFICATE_PROVISIONED,
        "HTTPDowngrade",
        f"Certificate {certificate} is not ready: served over plain HTTP until it is.",
    )


def mark_certificate_not_ready(status: Document, certificate: str, reason: str = "") -> None:
    """Waiting for the certificate."""
    CONDITIONS.mark_unknown(
        status,
        CERTIFICATE_PROVISIONED,
        "CertificateNotReady",
        f"Certificate {certificate} is not ready{f' ({reason})' if reason else ''}.",
    )


def mark_certificate_failed(status: Document, certificate: str, reason: str = "") -> None:
    """The certificate will not come."""
    CONDITIONS.mark_false(
        status,
        CERTIFICATE_PROVISIONED,
        "CertificateProvisionFailed",
        f"Certificate {certificate} cannot be provisioned{f' ({reason})' if reason else ''}.",
    )


def mark_certificate_not_owned(status: Document, certificate: str) -> None:
    """The certificate's name is in use."""
    CONDITIONS.mark_false(
        status,
        CERTIFICATE_PROVISIONED,
        "CertificateNotOwned",
        f'A Certificate "{certificate}" exists that does not belong to this Route.',
    )


def _traffic_false(status: Document, reason: str, message: str) -> None:
    CONDITIONS.mark_false(status, ALL_TRAFFIC_ASSIGNED, reason, message)


def _ingress_not_owned(status: Document, kind: str, name: str) -> None:
    CONDITIONS.mark_false(
        status,
        INGRESS_READY,
        "NotOwned",
        f'{kind} "{name}" exists and does not belong to this Route: rename or delete it.',
    )
