"""A service as text: what one edits, and what comes of it. Pure."""

from dataclasses import dataclass
from typing import Any

from utsuwa.apiserver.bodies import to_yaml
from utsuwa.console.pages.difference import Difference
from utsuwa.console.pages.service import Head
from utsuwa.kit.documents import Document, dig, without
from utsuwa.model.meta import namespace_of

_OURS = ("managedFields", "uid", "creationTimestamp", "generation", "selfLink")
"""Metadata that nobody edits."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check said, or what refused the change: `tone` is that of its banner."""

    tone: str = ""
    words: str = ""
    causes: tuple[tuple[str, str], ...] = ()
    """Field and message."""
    warnings: tuple[str, ...] = ()
    change: Difference | None = None
    meanwhile: Difference | None = None
    """What somebody else changed since the text was opened."""


@dataclass(frozen=True, slots=True)
class YamlPage:
    """The editor: `text` as it is now, `base` as it was opened."""

    head: Head
    text: str
    base: str
    outcome: Outcome = Outcome()


@dataclass(frozen=True, slots=True)
class RevisionPage:
    """A revision, to be read: nobody edits one."""

    head: Head
    name: str
    text: str


def readable(document: Document) -> str:
    """All of an object but who wrote which field."""
    metadata = without(document.get("metadata") or {}, ("managedFields",))
    return to_yaml({**document, "metadata": metadata}).decode()


def editable(document: Document) -> str:
    """What of an object one edits: no status, nothing that the server alone writes but the
    version, by which it is seen whether somebody else was faster."""
    metadata = without(document.get("metadata") or {}, _OURS)
    shown = {**without(document, ("status",)), "metadata": metadata}
    return to_yaml(shown).decode()


def comparable(document: Document) -> str:
    """As `editable`, without the version: that differs always."""
    metadata = without(document.get("metadata") or {}, ("resourceVersion",))
    return editable({**document, "metadata": metadata})


def misnamed(value: Any, head: Head) -> str:
    """Why a text is none of this service; "" where it is."""
    if not isinstance(value, dict):
        return "The text is no object: expected apiVersion, kind, metadata and spec."
    api, kind = value.get("apiVersion"), value.get("kind")
    if (api, kind) != ("serving.knative.dev/v1", "Service"):
        found = f"apiVersion {api}, kind {kind}"
        return f"Expected apiVersion serving.knative.dev/v1, kind Service; found {found}."
    metadata = value.get("metadata")
    named = (
        (namespace_of(value) or head.namespace, dig(value, "metadata", "name", default=""))
        if isinstance(metadata, dict)
        else ("", "")
    )
    if named != (head.namespace, head.name):
        return (
            f"This page edits {head.namespace}/{head.name}; the text names "
            f"{'/'.join(named)}. To make another service: Deploy."
        )
    return ""
