"""OpenAPI v2, for tools that know nothing newer (`spec/kubernetes-api.md` §4.4).

As JSON it tells what v3 tells of the schemas. kubectl asks for it in protobuf alone, and only for a
`kind: List`, whose items it would check before the server does; so its document in protobuf has a
head and no schemas, which tells it to leave the checking to the server. Pure.
"""

from functools import cache
from typing import Any

from utsuwa.apiserver.discovery import KUBERNETES, SERVED
from utsuwa.apiserver.openapi import schemas_of
from utsuwa.kit.documents import Document, encode

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""Clients ask with `@v1.0`, which is no media type that Go could read in an answer."""
_V3 = "#/components/schemas/"


def answer(accept: str) -> tuple[bytes, str]:
    """The document in the form that `accept` asks for, and its media type."""
    if accept.partition(",")[0].strip().partition(";")[0].endswith("+protobuf"):
        return _protobuf(), PROTOBUF
    return _json(), "application/json"


@cache
def _json() -> bytes:
    definitions: Document = _referring(schemas_of(SERVED))
    return encode({
        "swagger": "2.0",
        "info": {"title": "Utsuwa", "version": KUBERNETES},
        "paths": {},
        "definitions": definitions,
    })  # fmt: skip


@cache
def _protobuf() -> bytes:
    """`Document{1: swagger, 2: Info{1: title, 2: version}, 8: Paths, 9: Definitions}`."""
    info = _text(1, "Utsuwa") + _text(2, KUBERNETES)
    return _text(1, "2.0") + _member(2, info) + _member(8, b"") + _member(9, b"")


def _text(number: int, text: str) -> bytes:
    return _member(number, text.encode())


def _member(number: int, data: bytes) -> bytes:
    if len(data) > 127 or number > 15:
        raise ValueError("lengths and numbers of one byte are all that is needed here")
    return bytes((number << 3 | 2, len(data))) + data


def _referring(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: f"#/definitions/{item.removeprefix(_V3)}" if key == "$ref" else _referring(item)
            for key, item in value.items()
        }
    return [_referring(item) for item in value] if isinstance(value, list) else value
