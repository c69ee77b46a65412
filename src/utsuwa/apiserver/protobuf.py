"""Bodies in Kubernetes' protobuf: what kubectl and Go's typed clients send of the core kinds.

The envelope is `k8s\\0` and a message `Unknown`: apiVersion and kind, then the object's own bytes
(`spec/kubernetes-api.md` §4.3). Types come from :mod:`core_types`. The result is the document that
the same client would have sent as JSON. Pure. Answers are never protobuf.
"""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from utsuwa.apiserver.core_types import Member, is_leaf, members, type_name
from utsuwa.apiserver.status import UnsupportedMediaTypeError, bad_request
from utsuwa.kit.documents import Document, decode

MAGIC = b"k8s\x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WHOLE = {"i": 32, "l": 64}


def read(data: bytes) -> Document:
    """The object in a protobuf body.

    Raises:
        UnsupportedMediaTypeError: a kind that is not understood in this form.
        BadRequestError: malformed.
    """
    if not data.startswith(MAGIC):
        raise bad_request("the body is not Kubernetes' protobuf: expected it to begin with k8s\\0")
    try:
        envelope = dict(_fields(data[len(MAGIC) :]))
        about = dict(_fields(_bytes(envelope.get(1, b""))))
        api_version, kind = _text(about.get(1, b"")), _text(about.get(2, b""))
        name = type_name(api_version, kind)
        if not name:
            raise UnsupportedMediaTypeError(
                f"the body of the request is a {kind or 'nameless kind'} of {api_version or 'v1'} "
                "in protobuf, which is not understood in this form - accepted media types "
                "include: application/json, application/yaml"
            )
        body = _message(name, _bytes(envelope.get(2, b"")))
    except (ValueError, OverflowError, msgspec.DecodeError) as error:
        raise bad_request(f"the body is not Kubernetes' protobuf: {error}") from error
    return {"apiVersion": api_version, "kind": kind, **body}


def _message(name: str, data: bytes) -> Document:
    given: dict[int, list[Any]] = {}
    for number, value in _fields(data):
        given.setdefault(number, []).append(value)
    found: Document = {}
    for member in members(name):
        values = given.get(member.number)
        if values is not None:
            _put(found, member, values)
    return found


def _put(found: Document, member: Member, values: list[Any]) -> None:
    if member.inline:
        found.update(_message(member.type, b"".join(_bytes(value) for value in values)))
        return
    if member.holder == "[]":
        found[member.name] = list(_items(member.type, values))
        return
    if member.holder == "{}":
        found[member.name] = dict(_entry(member.type, _bytes(value)) for value in values)
        return
    value = _value(member.type, values[-1])
    if value is not None and (value or _zero_counts(member, value)):
        found[member.name] = value


def _zero_counts(member: Member, value: Any) -> bool:
    """Whether Go would write this zero value in JSON, and it says something."""
    return member.pointer or (member.always and not isinstance(value, str | dict))


def _items(type_: str, values: list[Any]) -> Iterator[Any]:
    for value in values:
        if type_ in _WHOLE and isinstance(value, bytes):
            yield from (_value(type_, number) for number in _packed(value))
        else:
            yield _value(type_, value)


def _entry(type_: str, data: bytes) -> tuple[str, Any]:
    pair = dict(_fields(data))
    return _text(pair.get(1, b"")), _value(type_, pair.get(2, 0 if type_ in "ilb" else b""))


def _value(type_: str, raw: Any) -> Any:
    """One value in its JSON form; None when it is absent."""
    if type_ in _WHOLE:
        return _signed(_number(raw), _WHOLE[type_])
    if type_.endswith(".ExtraValue"):
        return _message(type_, _bytes(raw)).get("items", [])
    leaf = _READERS.get(type_)
    if leaf is not None:
        return leaf(raw)
    if is_leaf(type_):
        raise ValueError(f"a {type_} has no form here")
    return _message(type_, _bytes(raw))


def _time(raw: Any) -> str | None:
    moment = _moment(raw)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)


def _micro_time(raw: Any) -> str | None:
    moment = _moment(raw)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)


def _moment(raw: Any) -> datetime | None:
    fields = dict(_fields(_bytes(raw)))
    if not fields:
        return None
    seconds, nanos = (_signed(_number(fields.get(n, 0)), 64) for n in (1, 2))
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


def _int_or_string(raw: Any) -> int | str:
    fields = dict(_fields(_bytes(raw)))
    if _number(fields.get(1, 0)):
        return _text(fields.get(3, b""))
    return _signed(_number(fields.get(2, 0)), 32)


def _quantity(raw: Any) -> str:
    return _text(dict(_fields(_bytes(raw))).get(1, b""))


def _embedded(raw: Any) -> Any:
    inner = _bytes(dict(_fields(_bytes(raw))).get(1, b""))
    return decode(inner) if inner else None


def _text(raw: Any) -> str:
    return _bytes(raw).decode()


def _base64(raw: Any) -> str:
    return base64.b64encode(_bytes(raw)).decode()


_READERS: dict[str, Callable[[Any], Any]] = {
    "s": _text,
    "y": _base64,
    "b": lambda raw: bool(_number(raw)),
    "meta.v1.Time": _time,
    "meta.v1.MicroTime": _micro_time,
    "IntOrString": _int_or_string,
    "Quantity": _quantity,
    "Raw": _embedded,
}


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The members of a message: numbers as int, everything else as bytes."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire == _BYTES:
            length, position = _varint(data, position)
        elif wire in {_FIXED64, _FIXED32}:
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"member {number}: expected wire type 0, 1, 2 or 5, found {wire}")
        if position + length > end:
            raise ValueError(f"member {number}: expected {length} bytes, found {end - position}")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("a number does not end")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7


def _packed(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _number(raw: Any) -> int:
    if isinstance(raw, int):
        return raw
    raise ValueError("expected a number, found bytes")


def _bytes(raw: Any) -> bytes:
    if isinstance(raw, bytes):
        return raw
    raise ValueError("expected bytes, found a number")
