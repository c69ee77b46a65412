"""The environment and the arguments of a container, as Kubernetes puts them together. Pure.

Order: image, `envFrom`, `env`; `$(NAME)` in values and arguments refers to what came before,
`$$(NAME)` stands for itself.
"""

import base64
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from utsuwa.kit.documents import Document, dig
from utsuwa.kit.units import parse_quantity
from utsuwa.model.kinds import CONFIG_MAP, SECRET, Kind

_VARIABLE = re.compile(r"\$\$|\$\(([^()]+)\)")


class ConfigError(Exception):
    """The container's configuration refers to something that is not there
    (`CreateContainerConfigError`)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A ConfigMap or Secret that a container refers to."""

    kind: Kind
    name: str


Sources = Mapping[Source, Document | None]


def sources_of(container: Document) -> set[Source]:
    """Every ConfigMap and Secret that the container's environment needs."""
    found: set[Source] = set()
    for entry in container.get("envFrom") or ():
        for member, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
            if name := dig(entry, member, "name"):
                found.add(Source(kind, name))
    for entry in container.get("env") or ():
        for member, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
            if name := dig(entry, "valueFrom", member, "name"):
                found.add(Source(kind, name))
    return found


def environment_of(pod: Document, container: Document, sources: Sources) -> dict[str, str]:
    """The variables of the container.

    Raises:
        ConfigError: a ConfigMap, Secret or key that is not optional does not exist.
    """
    variables: dict[str, str] = {}
    for entry in container.get("envFrom") or ():
        prefix = entry.get("prefix") or ""
        for name, value in _all_of(entry, sources):
            variables[prefix + name] = value
    for entry in container.get("env") or ():
        value = entry.get("value")
        if value is not None:
            variables[entry["name"]] = expand(value, variables)
        elif found := entry.get("valueFrom"):
            text = _one_of(pod, container, found, sources)
            if text is not None:
                variables[entry["name"]] = text
        else:
            variables[entry["name"]] = ""
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, left alone where not; `$$` is one `$`."""

    def replace(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        return variables.get(match.group(1), match.group(0))

    return _VARIABLE.sub(replace, text) if "$" in text else text


def _data(kind: Kind, document: Document) -> dict[str, str]:
    data = document.get("data") or {}
    if kind is not SECRET:
        return dict(data)
    return {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}


def _all_of(entry: Document, sources: Sources) -> Iterator[tuple[str, str]]:
    for member, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
        reference = entry.get(member)
        if not reference:
            continue
        document = sources.get(Source(kind, reference["name"]))
        if document is not None:
            yield from _data(kind, document).items()
        elif not reference.get("optional"):
            raise ConfigError(f'{kind.singular} "{reference["name"]}" not found')


def _one_of(pod: Document, container: Document, found: Document, sources: Sources) -> str | None:
    for member, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
        if reference := found.get(member):
            return _key_of(kind, reference, sources)
    if path := dig(found, "fieldRef", "fieldPath"):
        return field_of(pod, path)
    if reference := found.get("resourceFieldRef"):
        return resource_of(container, reference)
    return None


def resource_of(container: Document | None, reference: Document) -> str:
    """What a `resourceFieldRef` means: a whole number of the divisor, rounded up; 64Mi are
    67108864, 250m of a CPU are 1, or with the divisor 1m 250."""
    kind_of, _, name = (reference.get("resource") or "").partition(".")
    amount = parse_quantity(str(dig(container, "resources", kind_of, name, default="0")))
    divisor = parse_quantity(str(reference.get("divisor") or "1")) or Decimal(1)
    return str(math.ceil(amount / divisor))


def _key_of(kind: Kind, reference: Document, sources: Sources) -> str | None:
    document = sources.get(Source(kind, reference["name"]))
    if document is not None:
        value = _data(kind, document).get(reference["key"])
        if value is not None:
            return value
    if reference.get("optional"):
        return None
    if document is None:
        raise ConfigError(f'{kind.singular} "{reference["name"]}" not found')
    raise ConfigError(
        f"couldn't find key {reference['key']} in {kind.name} "
        f"{dig(document, 'metadata', 'namespace', default='')}/{reference['name']}"
    )


_FIELD = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]$")


def field_of(pod: Document, path: str) -> str:
    """The value of a `fieldPath` of the Pod, "" where it has none."""
    if match := _FIELD.match(path):
        return str(dig(pod, "metadata", match.group(1), match.group(2), default=""))
    return str(dig(pod, *path.split("."), default=""))
