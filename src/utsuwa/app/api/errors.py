"""What can go wrong between us and the API server."""

from collections.abc import Mapping
from typing import Any


class NoServerError(Exception):
    """Nobody answers at the address of the kubeconfig; the message says where and why."""


class ApiRefusedError(Exception):
    """The API server refused a request. The message is that of its `Status`
    (`spec/kubernetes-api.md` §6)."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason

    @classmethod
    def from_status(cls, code: int, status: Mapping[str, Any]) -> "ApiRefusedError":
        """The refusal that a `Status` object tells of."""
        message = status.get("message") or f"the API server answered {code}"
        return cls(int(status.get("code") or code), str(status.get("reason") or ""), str(message))
