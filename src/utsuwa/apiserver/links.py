"""Links into the console: `POST /utsuwa/console-link`, for whoever may say who he is."""

from collections.abc import Mapping

from utsuwa.apiserver.authentication import bearer, is_impersonating
from utsuwa.apiserver.ports import LinkSource, User
from utsuwa.apiserver.status import UnauthorizedError
from utsuwa.cluster.errors import NotFoundError
from utsuwa.kit.documents import Document
from utsuwa.model.builtin_roles import ANONYMOUS

CONSOLE_LINK = "/utsuwa/console-link"


async def answer(source: LinkSource | None, user: User, headers: Mapping[str, str]) -> Document:
    """A link that makes whoever opens it `user`: nobody gets more than he has.

    Raises:
        NotFoundError: there is no console.
        UnauthorizedError: nobody asks.
    """
    if source is None or not source.served:
        raise NotFoundError(
            "there is no console: `utsuwa up` was told --console-port 0, or could not have the port"
        )
    if user.name == ANONYMOUS:
        raise UnauthorizedError("Unauthorized")
    proof = "" if is_impersonating(headers) else bearer(headers) or ""
    return {"url": await source.link(user, proof)}
