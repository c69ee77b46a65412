"""The four kinds of patch, each as a function from an object to an object."""

from collections.abc import Callable
from typing import Any

import jsonpatch

from utsuwa.apiserver.bodies import Body, document, media_type, parse_json, parse_yaml
from utsuwa.apiserver.lists import is_built_in
from utsuwa.apiserver.status import UnsupportedMediaTypeError, bad_request
from utsuwa.apiserver.strategic import strategic_merge
from utsuwa.cluster.errors import Cause, InvalidError
from utsuwa.kit.documents import Document, copy, merge_patch
from utsuwa.model.kinds import Kind

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = frozenset({"application/apply-patch+yaml", "application/apply-patch+json"})

Patch = Callable[[Document], Document]
_MOST_OPERATIONS = 10_000
_FAILURES = (
    jsonpatch.JsonPatchException, jsonpatch.JsonPointerException,
    TypeError, KeyError, IndexError, ValueError,
)  # fmt: skip


def is_apply(content_type: str) -> bool:
    """Whether a body is a server-side apply."""
    return media_type(content_type) in APPLY


def applied_body(data: bytes) -> Body:
    """The intent of a server-side apply, JSON or YAML. Raises BadRequestError."""
    body = parse_yaml(data, duplicates=True)
    document(body.value)
    return body


def patch_of(kind: Kind, content_type: str, data: bytes) -> Patch:
    """The patch that a body describes.

    Raises:
        UnsupportedMediaTypeError: a form that this kind does not take.
        BadRequestError: malformed.
    """
    form = media_type(content_type)
    if form == JSON_PATCH:
        return _json_patch(parse_json(data).value)
    if form == MERGE_PATCH:
        change = document(parse_json(data).value)
        return lambda old: document(merge_patch(old, change))
    if form == STRATEGIC and is_built_in(kind):
        change = document(parse_json(data).value)
        return lambda old: strategic_merge(kind, old, change)
    accepted = [JSON_PATCH, MERGE_PATCH, *sorted(APPLY)]
    if is_built_in(kind):
        accepted.append(STRATEGIC)
    raise UnsupportedMediaTypeError(
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )


def _json_patch(operations: Any) -> Patch:
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise bad_request("a JSON patch is a list of operations, found something else")
    if len(operations) > _MOST_OPERATIONS:
        raise bad_request(f"a JSON patch may have {_MOST_OPERATIONS} operations at most")
    try:
        patches = [jsonpatch.JsonPatch([operation]) for operation in operations]
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise bad_request(f"not a JSON patch: {error}") from error
    return lambda old: _apply(list(zip(operations, patches, strict=True)), old)


def _apply(steps: "list[tuple[Document, jsonpatch.JsonPatch]]", old: Document) -> Document:
    new: Any = copy(old)
    for operation, patch in steps:
        try:
            new = patch.apply(new, in_place=True)
        except jsonpatch.JsonPatchTestFailed as error:
            raise _rejected(
                operation, f"found another value than {operation['value']!r}"
            ) from error
        except _FAILURES as error:
            raise _rejected(operation, str(error)) from error
    return document(new)


def _rejected(operation: Document, why: str) -> InvalidError:
    where = str(operation.get("path", ""))
    message = (
        "the server rejected our request due to an error in our request: "
        f"JSON patch {operation.get('op')} {where}: {why}"
    )
    return InvalidError(message, causes=(Cause(f"{operation.get('op')}: {why}", field=where),))
