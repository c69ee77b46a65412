"""What a cluster may refuse, with the fields of a Kubernetes `Status` (`spec/kubernetes-api.md` §6).

The user is at fault in each of these; none is ever answered as 5xx.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `details.causes`."""

    message: str
    field: str = ""
    reason: str = ""


class ApiError(Exception):
    """A request that was refused. `details` name the object as resource, group and name."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        name: str = "",
        group: str = "",
        kind: str = "",
        causes: tuple[Cause, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.group = group
        self.kind = kind
        self.causes = causes


class NotFoundError(ApiError):
    """The object does not exist. 404."""

    code = 404
    reason = "NotFound"


class AlreadyExistsError(ApiError):
    """An object of that name exists. 409."""

    code = 409
    reason = "AlreadyExists"


class ConflictError(ApiError):
    """The object changed since it was read, or a precondition failed. 409; read again and retry."""

    code = 409
    reason = "Conflict"


class ExpiredError(ApiError):
    """The asked resource version is no longer kept. 410; list again."""

    code = 410
    reason = "Expired"


class InvalidError(ApiError):
    """The object breaks the schema of its kind. 422."""

    code = 422
    reason = "Invalid"


class BadRequestError(ApiError):
    """The request cannot be understood, or admission denied it. 400."""

    code = 400
    reason = "BadRequest"


class ForbiddenError(ApiError):
    """The caller may not do this. 403."""

    code = 403
    reason = "Forbidden"
