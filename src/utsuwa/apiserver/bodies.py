"""Request bodies: bytes to documents, with the mistakes told by line.

JSON, YAML, and Kubernetes' protobuf for the kinds of which Go clients send it; a body without a type is JSON (the Python client sends none). Duplicate keys
are reported apart, because whether they refuse the request depends on `fieldValidation`.
"""

import contextlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from utsuwa.apiserver import protobuf
from utsuwa.apiserver.status import UnsupportedMediaTypeError, bad_request
from utsuwa.cluster.errors import BadRequestError
from utsuwa.kit.documents import Document, decode

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
LIMIT = 3 * 1024 * 1024
"""Bytes of the largest body taken, as in Kubernetes."""

_YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})
_JSON_TYPES = frozenset({"", JSON, "application/octet-stream", "text/plain"})
_COLON = re.compile(rb'"[ \t\r\n]*:')
"""Every key ends so (a text may hold it, too): as many of them as members, and no key came twice."""
_MOST_NODES = 1_000_000
"""A YAML text with aliases may stand for far more than it is long."""


@dataclass(frozen=True, slots=True)
class Body:
    """A decoded body, and the paths that were given twice in it."""

    value: Any
    duplicates: tuple[str, ...] = field(default=())


def media_type(content_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def parse(data: bytes, content_type: str, *, duplicates: bool = False) -> Body:
    """The body's value; `duplicates` asks to look for keys given twice, which costs time.

    Raises:
        UnsupportedMediaTypeError: neither JSON nor YAML, nor protobuf of a known kind.
        BadRequestError: malformed; the message says where.
    """
    kind = media_type(content_type)
    if kind in _YAML_TYPES:
        return parse_yaml(data, duplicates=duplicates)
    if kind in _JSON_TYPES:
        return parse_json(data, duplicates=duplicates)
    if kind == PROTOBUF:
        return Body(protobuf.read(data))
    raise UnsupportedMediaTypeError(
        f"the body of the request was in an unknown format - accepted media types include: "
        f"{JSON}, {YAML}, {PROTOBUF} (found {content_type})"
    )


def parse_json(data: bytes, *, duplicates: bool = False) -> Body:
    """The value of a JSON text. Raises BadRequestError with line and column."""
    try:
        value = decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"the body is not JSON: {_where(data, error)}") from error
    if not duplicates or len(_COLON.findall(data)) == _members(value):
        return Body(value)
    marked = json.loads(data, object_pairs_hook=_mark)
    return Body(value, tuple(_marked_paths(marked, "")))


def parse_yaml(data: bytes, *, duplicates: bool = False) -> Body:
    """The value of a YAML text with one document. Raises BadRequestError with line and column."""
    if data.lstrip()[:1] == b"{":
        # Most YAML bodies are JSON; one in YAML's own braces (`{a: 1}`) is not.
        with contextlib.suppress(BadRequestError, RecursionError):
            return parse_json(data, duplicates=duplicates)
    try:
        value = yaml.load(data, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise bad_request(f"the body is not YAML: {error}") from error
    found: list[str] = []
    return Body(_plain(value, "", found, [_MOST_NODES]), tuple(found))


def to_yaml(value: Document) -> bytes:
    """A document as YAML, its members in their order."""
    text: str = yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    return text.encode()


def document(value: Any) -> Document:
    """`value` as an object. Raises BadRequestError when it is a list, a text or nothing."""
    if isinstance(value, dict):
        return value
    found = "an empty body" if value is None else f"a {type(value).__name__}"
    raise bad_request(f"expected an object in the body, found {found}")


def _members(value: Any) -> int:
    """How many members there are in all objects of a value."""
    if isinstance(value, dict):
        inner = sum(_members(item) for item in value.values() if isinstance(item, (dict, list)))
        return len(value) + inner
    return sum(map(_members, value)) if isinstance(value, list) else 0


class _Marked(dict[str, Any]):
    """A mapping in which some keys were given twice."""

    __slots__ = ("twice",)
    twice: list[str]


def _mark(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    return _marked(pairs, plain)


def _marked(pairs: list[tuple[str, Any]], plain: dict[str, Any]) -> "_Marked":
    seen: set[str] = set()
    marked = _Marked(plain)
    marked.twice = []
    for key, _ in pairs:
        if key in seen:
            marked.twice.append(key)
        seen.add(key)
    return marked


def _marked_paths(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        dot = f"{path}." if path else ""
        found = [f"{dot}{key}" for key in getattr(value, "twice", ())]
        for key, member in value.items():
            found += _marked_paths(member, f"{dot}{key}")
        return found
    if isinstance(value, list):
        return [hit for i, item in enumerate(value) for hit in _marked_paths(item, f"{path}[{i}]")]
    return []


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: times stay text, keys given twice are noted."""


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Any:
    loader.flatten_mapping(node)
    pairs = [
        (
            _key(loader.construct_object(key, deep=True), key),
            loader.construct_object(item, deep=True),
        )
        for key, item in node.value
    ]
    return _mark(pairs)


def _key(value: Any, node: yaml.Node) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    raise yaml.constructor.ConstructorError(
        None, None, "expected a text as key of a mapping", node.start_mark
    )


def _construct_text(loader: _Loader, node: yaml.ScalarNode) -> Any:
    return loader.construct_scalar(node)


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_text)


def _plain(value: Any, path: str, found: list[str], budget: list[int]) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise bad_request(f"the body stands for more than {_MOST_NODES} values; use fewer aliases")
    if isinstance(value, dict):
        dot = f"{path}." if path else ""
        found += [f"{dot}{key}" for key in getattr(value, "twice", ())]
        return {key: _plain(item, f"{dot}{key}", found, budget) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{path}[{i}]", found, budget) for i, item in enumerate(value)]
    if isinstance(value, (bytes, set)):
        raise bad_request(f"{path}: YAML binaries and sets have no JSON form")
    return value


def _where(data: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    try:
        json.loads(data)
    except json.JSONDecodeError as told:
        return f"line {told.lineno}, column {told.colno}: {told.msg}"
    except (UnicodeDecodeError, RecursionError):
        return str(error)
    return str(error)
