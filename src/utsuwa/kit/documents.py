"""JSON documents: the raw form in which every object is stored, served and passed around.

A document that came out of a store or an informer is shared: read it, never change it. To change
one, :func:`copy` it first.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

Document: TypeAlias = dict[str, Any]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def encode(value: Any) -> bytes:
    """`value` as compact JSON."""
    return _encoder.encode(value)


def decode(data: bytes | str) -> Any:
    """The value of a JSON text.

    Raises:
        msgspec.DecodeError: the text is not JSON.
    """
    return _decoder.decode(data)


def copy(document: Document) -> Document:
    """A deep copy; ten times as fast as copy.deepcopy on JSON-like data."""
    result: Document = _decoder.decode(_encoder.encode(document))
    return result


def dig(document: Mapping[str, Any] | None, *path: str | int, default: Any = None) -> Any:
    """The value at `path`, or `default` where any step is missing or null.

    >>> dig({"spec": {"replicas": 3}}, "spec", "replicas")
    3
    """
    value: Any = document
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return default
        if value is None:
            return default
    return value


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: `patch` laid over `target`; null removes. Neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def without(document: Mapping[str, Any], keys: Iterable[str]) -> Document:
    """A shallow copy that lacks `keys`."""
    drop = set(keys)
    return {key: value for key, value in document.items() if key not in drop}
