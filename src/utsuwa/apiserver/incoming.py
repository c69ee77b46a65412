"""What a client sends, made fit to be stored: identity, form and unknown fields. Pure."""

import re
from collections.abc import Iterable
from typing import Any

from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.paths import Target
from utsuwa.apiserver.status import bad_request, invalid
from utsuwa.cluster.errors import Cause
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind

_SERVER_OWNED = ("creationTimestamp", "generation", "deletionTimestamp", "selfLink")
_QUALIFIED = re.compile(
    r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_MODES = ("Strict", "Warn", "Ignore")


def identified(target: Target, document: Document) -> Document:
    """A copy of the document with the kind, namespace and name that its URL says.

    Raises:
        BadRequestError: it says something else.
    """
    kind = target.kind
    _check_member(document, "apiVersion", kind.api_version)
    _check_member(document, "kind", kind.name)
    metadata = document.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise bad_request(f"metadata: expected an object, found a {type(metadata).__name__}")
    metadata = dict(metadata or {})
    for member in ("labels", "annotations"):
        _check_texts(member, metadata)
    if kind.namespaced:
        if metadata.get("namespace") not in (None, "", target.namespace):
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                f"request: expected {target.namespace!r}, found {metadata['namespace']!r}"
            )
        metadata["namespace"] = target.namespace
    else:
        metadata.pop("namespace", None)
    if target.name:
        if metadata.get("name") not in (None, "", target.name):
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL "
                f"({target.name})"
            )
        metadata["name"] = target.name
    head = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
    return {**head, **{key: value for key, value in document.items() if key not in head}}


def newborn(document: Document) -> Document:
    """A copy without what only the server may say of a new object."""
    metadata = {k: v for k, v in document["metadata"].items() if k not in _SERVER_OWNED}
    return {**document, "metadata": metadata}


def check_labels(kind: Kind, document: Document) -> None:
    """Labels must be ones that a selector can name.

    Raises:
        InvalidError: some are not.
    """
    metadata = document["metadata"]
    causes = [
        Cause(f"Invalid value: {key!r}: {problem}", "metadata.labels", "FieldValueInvalid")
        for key, value in (metadata.get("labels") or {}).items()
        for problem in _label_problems(key, value)
    ]
    causes += [
        Cause(
            f"Invalid value: {key!r}: expected [prefix/]name of at most 63 letters, digits, -, _, .",
            "metadata.annotations", "FieldValueInvalid",
        )
        for key in metadata.get("annotations") or {}
        if not _QUALIFIED.fullmatch(key.lower())
    ]  # fmt: skip
    if causes:
        raise invalid(kind, metadata.get("name", ""), tuple(causes))


def field_validation(call: Call, unknown: Iterable[str], twice: Iterable[str]) -> tuple[str, ...]:
    """What becomes of fields that are unknown or given twice: warnings, or nothing.

    Raises:
        BadRequestError: the client asked for `fieldValidation=Strict`.
    """
    mode = call.query.get("fieldValidation") or "Warn"
    if mode not in _MODES:
        raise bad_request(
            f"Invalid value: {mode!r}: fieldValidation: expected one of {', '.join(_MODES)}"
        )
    told = [f'unknown field "{path}"' for path in unknown]
    told += [f'duplicate field "{path}"' for path in twice]
    if mode == "Strict" and told:
        raise bad_request(f"strict decoding error: {', '.join(told)}")
    return () if mode == "Ignore" else tuple(told)


def _check_member(document: Document, member: str, expected: str) -> None:
    found = document.get(member)
    if found not in (None, "", expected):
        raise bad_request(
            f"the {member} in the data ({found}) does not match the expected {member} ({expected})"
        )


def _check_texts(member: str, metadata: Document) -> None:
    found = metadata.get(member)
    if found is None:
        metadata.pop(member, None)
        return
    if not isinstance(found, dict):
        raise bad_request(f"metadata.{member}: expected a map, found a {type(found).__name__}")
    for key, value in found.items():
        if not isinstance(value, str):
            raise bad_request(
                f"metadata.{member}.{key}: expected a text, found {_named(value)}; put it in quotes"
            )


def _label_problems(key: str, value: str) -> Iterable[str]:
    if not _QUALIFIED.fullmatch(key):
        yield "expected [prefix/]name of at most 63 letters, digits, -, _, ."
    if not _LABEL_VALUE.fullmatch(value):
        yield (
            f"a valid label must be an empty string or consist of at most 63 alphanumeric "
            f"characters, '-', '_' or '.', found {value!r}"
        )


def _named(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a map"}
    return names.get(type(value), "null" if value is None else type(value).__name__)
