"""`Status` objects: how every refusal is told (`spec/kubernetes-api.md` §6)."""

from typing import Any

from utsuwa.cluster.errors import ApiError, BadRequestError, Cause, InvalidError
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import KINDS, VIEW_KINDS, Kind


class UnauthorizedError(ApiError):
    """The caller did not say who it is. 401."""

    code = 401
    reason = "Unauthorized"


class MethodNotAllowedError(ApiError):
    """The resource exists, but not for this verb. 405."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptableError(ApiError):
    """None of the accepted forms can be given. 406."""

    code = 406
    reason = "NotAcceptable"


class TooLargeError(ApiError):
    """The body is larger than the server takes. 413."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaTypeError(ApiError):
    """The body is in a form that is not understood here. 415."""

    code = 415
    reason = "UnsupportedMediaType"


class InternalError(ApiError):
    """Our own fault. 500; the log holds the story."""


def failure(error: ApiError) -> Document:
    """The `Status` of a refusal. It always names a cause: gcloud shows nothing else."""
    details: Document = {}
    kind = _KIND_NAMES.get((error.group, error.kind), error.kind)
    told = kind if isinstance(error, InvalidError) else error.kind
    for key, value in (("name", error.name), ("group", error.group), ("kind", told)):
        if value and isinstance(value, str):
            details[key] = value
    details["causes"] = [_cause(cause) for cause in error.causes] or [{"message": error.message}]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
        "details": details,
        "code": error.code,
    }


_KIND_NAMES = {(kind.group, kind.plural): kind.name for kind in (*KINDS, *VIEW_KINDS)}
"""`details.kind` is the plural everywhere but in 422, where kubectl says `The Pod "x" is invalid`."""


def success(kind: Kind, name: str, uid: str) -> Document:
    """The `Status` of an object that is gone."""
    details: dict[str, Any] = {"name": name, "kind": kind.plural, "uid": uid}
    if kind.group:
        details["group"] = kind.group
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def invalid(kind: Kind, name: str, causes: tuple[Cause, ...]) -> InvalidError:
    """422: the object breaks the rules of its kind, told field by field."""
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    listing = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    return InvalidError(
        f'{kind} "{name}" is invalid: {listing}',
        name=name, group=kind.group, kind=kind.name, causes=causes,
    )  # fmt: skip


def bad_request(message: str) -> BadRequestError:
    """400 with the message as its cause."""
    return BadRequestError(message, causes=(Cause(message),))


def _cause(cause: Cause) -> dict[str, str]:
    members = (("reason", cause.reason), ("message", cause.message), ("field", cause.field))
    return {key: value for key, value in members if value}
