"""What the control API refuses, in the form that Google's APIs give it."""

from utsuwa.kit.documents import Document


class GoogleError(Exception):
    """A refused request: HTTP `code`, Google's word for it, and a message for the user."""

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message

    def document(self) -> Document:
        """The body of the answer."""
        return {"error": {"code": self.code, "status": self.status, "message": self.message}}


def invalid(message: str) -> GoogleError:
    """The request itself is wrong."""
    return GoogleError(400, "INVALID_ARGUMENT", message)


def precondition(message: str) -> GoogleError:
    """The request is well-formed, but not now, or not here."""
    return GoogleError(400, "FAILED_PRECONDITION", message)


def not_found(message: str) -> GoogleError:
    """What it names does not exist."""
    return GoogleError(404, "NOT_FOUND", message)


def unauthenticated() -> GoogleError:
    """Nobody that is known calls."""
    return GoogleError(
        401,
        "UNAUTHENTICATED",
        'expected a bearer token of this cluster; eval "$(utsuwa env)" sets one for gcloud',
    )


def forbidden(method: str, path: str) -> GoogleError:
    """Somebody calls who may only look."""
    return GoogleError(
        403,
        "PERMISSION_DENIED",
        f"{method} {path}: expected a token of the group system:masters; others may only look",
    )


def unimplemented(method: str, path: str) -> GoogleError:
    """Something of Google's that is not here."""
    return GoogleError(
        501,
        "UNIMPLEMENTED",
        f"{method} {path}: this is the control API of Utsuwa, which knows clusters, their "
        "operations, services and projects alone",
    )
