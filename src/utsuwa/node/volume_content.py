"""What is in a volume: from the objects that it names to files. Pure."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from utsuwa.kit.documents import Document, dig
from utsuwa.kit.units import parse_quantity
from utsuwa.model.kinds import CONFIG_MAP, SECRET, Kind
from utsuwa.node.environment import ConfigError, Source, Sources, field_of, resource_of
from utsuwa.node.pods import init_containers, main_containers

DEFAULT_MODE = 0o644
"""Of files whose volume names no other."""
CLAIM = "persistentVolumeClaim"
WRITABLE = ("emptyDir", CLAIM)
SUPPORTED = ("configMap", "secret", "projected", "downwardAPI", *WRITABLE)


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume."""

    content: bytes
    mode: int = DEFAULT_MODE


Content: TypeAlias = Mapping[str, File]
"""Files by their path inside the volume."""

TokenRequest: TypeAlias = tuple[str, int]
"""The audience of a ServiceAccount token ("": the API server's), and its life in seconds."""
TokensByRequest: TypeAlias = Mapping[TokenRequest, str]


def is_writable(volume: Document) -> bool:
    """Whether it is a directory that Pods write, empty at first."""
    read_only = dig(volume, CLAIM, "readOnly", default=False)
    return any(source in volume for source in WRITABLE) and not read_only


def is_directory(volume: Document) -> bool:
    """Whether it shows nothing that is stored elsewhere."""
    return any(source in volume for source in WRITABLE)


def memory_of(volume: Document) -> int | None:
    """How many bytes it may have of memory, 0 for no limit of its own; None: it lies on disk.
    Raises ValueError."""
    found = volume.get("emptyDir") or {}
    if found.get("medium") != "Memory":
        return None
    return int(parse_quantity(str(found.get("sizeLimit") or "0")))


def claim_of(volume: Document) -> str:
    """The claim that it stands for, or ""."""
    return str(dig(volume, CLAIM, "claimName", default=""))


def volume_sources(volume: Document) -> set[Source]:
    """The ConfigMaps and Secrets that its content comes from."""
    return {source for source, *_ in _objects(volume)}


def token_requests(volume: Document) -> set[TokenRequest]:
    """The ServiceAccount tokens that its content needs."""
    return {_request(reference) for reference, _ in _tokens(volume)}


def content_of(
    volume: Document, pod: Document, sources: Sources, tokens: TokensByRequest
) -> Content:
    """The files of `volume`, later sources over earlier ones.

    Raises:
        ConfigError: an object or key that is not optional is missing, or the kind of volume is
            not known here.
    """
    if not any(kind in volume for kind in SUPPORTED):
        what = next((member for member in volume if member != "name"), "nothing")
        raise ConfigError(
            f"volume {volume['name']}: expected one of {', '.join(SUPPORTED)}, found {what}; "
            "other volumes cannot be mounted here"
        )
    files: dict[str, File] = {}
    for source, reference, mode in _objects(volume):
        files.update(_selected(source, reference, sources.get(source), mode))
    for items, mode in _downward(volume):
        for item in items:
            text = _field(pod, item)
            files[item["path"]] = File(text.encode(), _mode(item, mode))
    for reference, mode in _tokens(volume):
        files[reference["path"]] = File(tokens[_request(reference)].encode(), mode)
    return files


def _objects(volume: Document) -> Iterator[tuple[Source, Document, int]]:
    """ConfigMaps and Secrets in order, each with what is wanted of it and the mode of files."""
    if reference := volume.get("configMap"):
        yield Source(CONFIG_MAP, reference.get("name") or ""), reference, _default(reference)
    if reference := volume.get("secret"):
        yield Source(SECRET, reference.get("secretName") or ""), reference, _default(reference)
    for projection, mode in _projections(volume):
        for member, kind in (("configMap", CONFIG_MAP), ("secret", SECRET)):
            if reference := projection.get(member):
                yield Source(kind, reference.get("name") or ""), reference, mode


def _downward(volume: Document) -> Iterator[tuple[list[Document], int]]:
    if found := volume.get("downwardAPI"):
        yield found.get("items") or [], _default(found)
    for projection, mode in _projections(volume):
        if found := projection.get("downwardAPI"):
            yield found.get("items") or [], mode


def _tokens(volume: Document) -> Iterator[tuple[Document, int]]:
    for projection, mode in _projections(volume):
        if found := projection.get("serviceAccountToken"):
            yield found, mode


def _projections(volume: Document) -> Iterator[tuple[Document, int]]:
    projected = volume.get("projected") or {}
    for projection in projected.get("sources") or ():
        yield projection, _default(projected)


def _default(reference: Document) -> int:
    mode = reference.get("defaultMode")
    return DEFAULT_MODE if mode is None else int(mode)


def _mode(item: Document, default: int) -> int:
    mode = item.get("mode")
    return default if mode is None else int(mode)


def _selected(
    source: Source, reference: Document, document: Document | None, mode: int
) -> dict[str, File]:
    optional = bool(reference.get("optional"))
    if document is None:
        if optional:
            return {}
        raise ConfigError(f'{source.kind.singular} "{source.name}" not found')
    data = _bytes(source.kind, document)
    items = reference.get("items")
    if not items:
        return {name: File(content, mode) for name, content in data.items()}
    files = {}
    for item in items:
        content = data.get(item["key"])
        if content is not None:
            files[item["path"]] = File(content, _mode(item, mode))
        elif not optional:
            raise ConfigError(
                f'{source.kind.singular} "{source.name}" has no key {item["key"]!r}: '
                f"found {', '.join(sorted(data)) or 'none'}"
            )
    return files


def _bytes(kind: Kind, document: Document) -> dict[str, bytes]:
    data = document.get("data") or {}
    if kind is SECRET:
        return {name: base64.b64decode(value) for name, value in data.items()}
    binary = document.get("binaryData") or {}
    plain = {name: text.encode() for name, text in data.items()}
    return plain | {name: base64.b64decode(value) for name, value in binary.items()}


def _field(pod: Document, item: Document) -> str:
    path = dig(item, "fieldRef", "fieldPath", default="")
    if path in {"metadata.labels", "metadata.annotations"}:
        found: dict[str, str] = dig(pod, *path.split("."), default={})
        return "".join(f"{name}={json.dumps(found[name])}\n" for name in sorted(found))
    if path:
        return field_of(pod, path)
    reference = item.get("resourceFieldRef") or {}
    containers = (*main_containers(pod), *init_containers(pod))
    name = reference.get("containerName")
    container = next((c for c in containers if c["name"] == name), None)
    return resource_of(container, reference)


def _request(reference: Document) -> TokenRequest:
    return reference.get("audience") or "", int(reference.get("expirationSeconds") or 3600)
