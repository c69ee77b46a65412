"""The form of `metadata`, checked on every write: nothing behind the port meets a malformed one.

Words of Kubernetes where it has them. Pure.
"""

from collections.abc import Iterator
from typing import Any

from utsuwa.cluster import refusals
from utsuwa.cluster.errors import Cause
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind

_INVALID = "FieldValueInvalid"
_REFERENCE = ("apiVersion", "kind", "name", "uid")


def check_form(kind: Kind, document: Document) -> None:
    """Names are texts, labels and annotations maps of texts, finalizers texts, and each
    ownerReference names one object, at most one of them as the controller.

    Raises:
        InvalidError: with a cause for each field at fault.
    """
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        found = [_wrong("metadata", "an object", metadata)]
        raise refusals.invalid_causes(kind, "", found)
    causes = [*_texts(metadata), *_maps(metadata), *_lists(metadata)]
    if causes:
        raise refusals.invalid_causes(kind, str(metadata.get("name") or ""), causes)


def _texts(metadata: Document) -> Iterator[Cause]:
    for member in ("name", "generateName", "namespace", "uid"):
        value = metadata.get(member)
        if value is not None and not isinstance(value, str):
            yield _wrong(f"metadata.{member}", "a text", value)


def _maps(metadata: Document) -> Iterator[Cause]:
    for member in ("labels", "annotations"):
        value = metadata.get(member)
        if value is None:
            continue
        if not isinstance(value, dict):
            yield _wrong(f"metadata.{member}", "a map", value)
            continue
        for name, text in value.items():
            if not isinstance(text, str):
                yield _wrong(f"metadata.{member}.{name}", "a text (put it in quotes)", text)


def _lists(metadata: Document) -> Iterator[Cause]:
    finalizers = metadata.get("finalizers") or []
    if not isinstance(finalizers, list) or not all(
        isinstance(name, str) and name for name in finalizers
    ):
        yield _wrong("metadata.finalizers", "a list of names", finalizers)
    references = metadata.get("ownerReferences") or []
    if not isinstance(references, list) or not all(isinstance(r, dict) for r in references):
        yield _wrong("metadata.ownerReferences", "a list of objects", references)
    else:
        yield from _references(references)


def _references(references: list[Document]) -> Iterator[Cause]:
    for reference in references:
        for member in _REFERENCE:
            value = reference.get(member)
            if not isinstance(value, str) or not value:
                what = "version" if member == "apiVersion" else member
                shown = f'Invalid value: "{value or ""}": {what} must not be empty'
                yield Cause(shown, f"metadata.ownerReferences.{member}", _INVALID)
    controllers = [str(r.get("name")) for r in references if r.get("controller")]
    if len(controllers) > 1:
        shown = (
            "Invalid value: Only one reference can have Controller set to true. "
            f'Found "true" in references for {" and ".join(controllers)}'
        )
        yield Cause(shown, "metadata.ownerReferences", _INVALID)


def _wrong(field: str, expected: str, found: Any) -> Cause:
    shown = f"Invalid value: {found!r}: expected {expected}"
    return Cause(shown, field, "FieldValueTypeInvalid")
