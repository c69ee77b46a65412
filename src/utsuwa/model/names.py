"""Names derived from other names: child objects, revisions, hosts (`spec/resources.md` §9)."""

import hashlib

LONGEST = 63
"""Longest label that Kubernetes and DNS allow, in characters."""

_DIGEST = 32
_HEAD = LONGEST - _DIGEST

CLUSTER_DOMAIN = "cluster.local"
"""Domain under which cluster-local hosts live (`spec/config.md` §7)."""


def child_name(parent: str, suffix: str) -> str:
    """`parent + suffix`, cut to 63 characters in the way the original cuts.

    A parent that is too long keeps its head and gets the MD5 of the whole, so that two long names
    with the same beginning stay apart:

    >>> child_name("a" * 60, "-00001")
    'aaaaaaaaaaaaaaaaaaaaaaaaacc7ed669cf88f201c3297c6a91e1d18d-00001'
    """
    if len(parent) + len(suffix) <= LONGEST:
        return parent + suffix
    if len(suffix) < _HEAD:
        return parent[: _HEAD - len(suffix)] + _md5(parent) + suffix
    name = parent[:_HEAD] + _md5(parent + suffix)
    filled = (name + suffix)[:LONGEST]
    while filled and not (filled[-1].isascii() and filled[-1].isalnum()):
        filled = filled[:-1]
    return filled


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def revision_name(configuration: str, generation: int) -> str:
    """The name of a Revision whose template gives none: `hello-00001`."""
    return child_name(configuration, f"-{generation:05d}")


def deployment_name(revision: str) -> str:
    """The Deployment of a Revision: `hello-00001-deployment`."""
    return child_name(revision, "-deployment")


def pod_autoscaler_name(revision: str) -> str:
    """The PodAutoscaler of a Revision bears its name."""
    return revision


def serverless_service_name(revision: str) -> str:
    """The ServerlessService of a Revision bears its name."""
    return revision


def public_service_name(revision: str) -> str:
    """The core Service that Ingress splits point to bears the Revision's name."""
    return revision


def private_service_name(revision: str) -> str:
    """The core Service that selects the pods themselves: `hello-00001-private`."""
    return child_name(revision, "-private")


def image_cache_name(revision: str, container: str) -> str:
    """The image cache object of one container: `hello-00001-cache-user-container`."""
    return child_name(revision, f"-cache-{container}")


def local_domain(cluster_domain: str = CLUSTER_DOMAIN) -> str:
    """The domain of what is seen inside the cluster alone: `svc.cluster.local`."""
    return f"svc.{cluster_domain}"


def cluster_local_host(name: str, namespace: str, cluster_domain: str = CLUSTER_DOMAIN) -> str:
    """The host of a core Service: `hello.default.svc.cluster.local`."""
    return f"{name}.{namespace}.svc.{cluster_domain}"


def cluster_local_hosts(
    name: str, namespace: str, cluster_domain: str = CLUSTER_DOMAIN
) -> tuple[str, str, str]:
    """Every spelling of a cluster-local host, shortest first (`spec/reconcilers.md` §5.6)."""
    return (
        f"{name}.{namespace}",
        f"{name}.{namespace}.svc",
        cluster_local_host(name, namespace, cluster_domain),
    )
