"""The Kubernetes REST protocol over a cluster: what kubectl, gcloud and others speak to."""

from utsuwa.apiserver.pki import Authority, write_kubeconfig
from utsuwa.apiserver.ports import (
    Admission,
    Backend,
    DecisionSource,
    LogSource,
    Review,
    UsageSource,
    User,
)
from utsuwa.apiserver.server import ApiServer

__all__ = [
    "Admission",
    "ApiServer",
    "Authority",
    "Backend",
    "DecisionSource",
    "LogSource",
    "Review",
    "UsageSource",
    "User",
    "write_kubeconfig",
]
