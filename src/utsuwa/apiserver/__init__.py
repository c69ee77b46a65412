"""The Kubernetes REST protocol over a cluster: what kubectl, gcloud and others speak to."""

from utsuwa.apiserver.authentication import Authentication
from utsuwa.apiserver.authorization import Rbac
from utsuwa.apiserver.issued_tokens import IssuedTokens
from utsuwa.apiserver.pki import Authority, write_kubeconfig, write_private
from utsuwa.apiserver.ports import (
    Admission,
    Backend,
    DecisionSource,
    LinkSource,
    LogSource,
    Review,
    UsageSource,
    User,
)
from utsuwa.apiserver.server import ApiServer
from utsuwa.apiserver.service_tokens import ServiceTokens

__all__ = [
    "Admission",
    "ApiServer",
    "Authentication",
    "Authority",
    "Backend",
    "DecisionSource",
    "IssuedTokens",
    "LinkSource",
    "LogSource",
    "Rbac",
    "Review",
    "ServiceTokens",
    "UsageSource",
    "User",
    "write_kubeconfig",
    "write_private",
]
