"""The status of an Ingress of the serving network (`spec/reconcilers.md` §5.6)."""

from utsuwa.kit.documents import Document
from utsuwa.model.conditions import ConditionSet

NETWORK_CONFIGURED = "NetworkConfigured"
LOAD_BALANCER_READY = "LoadBalancerReady"
CONDITIONS = ConditionSet((NETWORK_CONFIGURED, LOAD_BALANCER_READY))


def mark_network_configured(status: Document) -> None:
    """Every gateway serves this Ingress."""
    CONDITIONS.mark_true(status, NETWORK_CONFIGURED)


def mark_network_pending(status: Document, message: str) -> None:
    """Not every gateway has acknowledged this Ingress yet."""
    CONDITIONS.mark_unknown(status, NETWORK_CONFIGURED, "Uninitialized", message)


def mark_not_owned(status: Document, kind: str, name: str) -> None:
    """A child of our name belongs to someone else."""
    CONDITIONS.mark_false(
        status,
        NETWORK_CONFIGURED,
        "NotOwned",
        f'{kind} "{name}" exists and does not belong to this Ingress: rename or delete it.',
    )


def mark_certificate_unusable(status: Document, message: str) -> None:
    """A Secret of ours is no certificate that clients will take."""
    CONDITIONS.mark_false(status, NETWORK_CONFIGURED, "CertificateUnusable", message)


def mark_load_balancer_ready(
    status: Document, public: list[Document], private: list[Document]
) -> None:
    """The gateways can be reached at these addresses: `ip`, `domain` or `domainInternal` each."""
    status["publicLoadBalancer"] = {"ingress": public}
    status["privateLoadBalancer"] = {"ingress": private}
    CONDITIONS.mark_true(status, LOAD_BALANCER_READY)


def mark_load_balancer_not_ready(
    status: Document, message: str = "Waiting for a gateway to connect."
) -> None:
    """No gateway is there yet."""
    CONDITIONS.mark_unknown(status, LOAD_BALANCER_READY, "Uninitialized", message)
