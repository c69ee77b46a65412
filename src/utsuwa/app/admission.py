"""Admission between the API server, which has the request, and the model, which has the rules."""

from collections.abc import Callable
from typing import Literal, cast

from utsuwa.apiserver import Admission, Review
from utsuwa.cluster.errors import ApiError, BadRequestError, Cause, InvalidError
from utsuwa.kit.documents import Document, dig
from utsuwa.model.admission import Denied, Request, admit
from utsuwa.model.settings import Settings

Operation = Literal["CREATE", "UPDATE", "DELETE"]


def admission(settings: Callable[[], Settings]) -> Admission:
    """The rules as the API server asks for them; `settings` gives those in force."""

    def decide(review: Review) -> tuple[Document, tuple[str, ...]]:
        request = Request(
            kind=review.kind,
            operation=cast(Operation, review.operation),
            object=review.object,
            old=review.old,
            user=review.user.name,
            subresource=review.subresource,
            dry_run=review.dry_run,
        )
        try:
            admitted = admit(request, settings())
        except Denied as denied:
            raise _refusal(denied, review) from denied
        return admitted.document, admitted.warnings

    return decide


def _refusal(denied: Denied, review: Review) -> ApiError:
    """The verdict as an answer. Causes are always there: gcloud shows nothing else
    (`spec/kubernetes-api.md` §3.3)."""
    causes = tuple(Cause(f.message, field=f.field, reason=f.reason) for f in denied.causes)
    if not causes:
        causes = tuple(Cause(str(p), field=", ".join(p.paths)) for p in denied.problems)
    refusal = InvalidError if denied.code == 422 else BadRequestError
    return refusal(
        denied.message,
        name=dig(review.object, "metadata", "name", default=""),
        group=review.kind.group,
        kind=review.kind.plural,
        causes=causes or (Cause(denied.message),),
    )
