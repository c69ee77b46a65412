"""The service that `utsuwa dev` keeps: its document, and which of its Revisions may go. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from utsuwa.model import deployment as manifest

Document = dict[str, Any]

DEV = "utsuwa.dev/dev"
"""On a Service: the process id of the `utsuwa dev` that keeps it."""
_SUFFIX = "-dev"
_MOST = 63 - len(_SUFFIX)


def name_of(directory: str) -> str:
    """A name for the service of a directory.

    >>> name_of("My_Shop"), name_of("2048"), name_of("---")
    ('my-shop-dev', 'app-2048-dev', 'app-dev')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", directory.lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"app-{plain}".rstrip("-")
    return plain[:_MOST].rstrip("-") + _SUFFIX


def created(namespace: str, name: str, change: manifest.Change, owner: int) -> Document:
    """The first version of the service."""
    service = manifest.created(namespace, name, change)
    service["metadata"]["annotations"] = {DEV: str(owner)}
    return service


def owner_of(service: Mapping[str, Any]) -> int | None:
    """Who keeps it; None where nobody does: it was deployed in another way."""
    value = (service["metadata"].get("annotations") or {}).get(DEV)
    return int(value) if value is not None and value.isdigit() else None


def stale(service: Mapping[str, Any], revisions: Iterable[Mapping[str, Any]]) -> list[str]:
    """The revisions that nobody needs any more: not the latest one, not the one that serves."""
    status = service.get("status") or {}
    needed = {
        status.get("latestReadyRevisionName"),
        status.get("latestCreatedRevisionName"),
    }
    needed |= {target.get("revisionName") for target in status.get("traffic") or ()}
    names = (revision["metadata"]["name"] for revision in revisions)
    return sorted(name for name in names if name not in needed)
