"""Switching on Google's services, and the project they are in. Pure.

Nothing is switched on or off: which names somebody asked for is remembered, so that scripts that
begin with `gcloud services enable` go on, and `gcloud services list` shows what they did.
"""

import zlib
from collections.abc import Mapping, Sequence

from utsuwa.gke.errors import invalid
from utsuwa.kit.documents import Document


def service(project: str, name: str, *, enabled: bool) -> Document:
    """One service as it is told."""
    return {
        "name": f"projects/{number(project)}/services/{name}",
        "parent": f"projects/{number(project)}",
        "config": {"name": name, "title": name},
        "state": "ENABLED" if enabled else "DISABLED",
    }


def listing(project: str, enabled: Sequence[str], wish: str) -> Document:
    """Those that are switched on; of the others nobody here knows."""
    if "DISABLED" in wish:
        return {}
    return {"services": [service(project, name, enabled=True) for name in enabled]}


def named(body: object) -> list[str]:
    """The services that a batch asks for.

    Raises:
        GoogleError: there are none.
    """
    found = body.get("serviceIds") if isinstance(body, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise invalid("serviceIds: expected a list of names such as container.googleapis.com")
    return found


def switched(project: str, names: Sequence[str], *, enabled: bool) -> Document:
    """The answer to switching: an operation that is done."""
    told = [service(project, name, enabled=enabled) for name in names]
    return {
        "name": "operations/noop.DONE_OPERATION",
        "done": True,
        "response": {"services": told} if len(told) != 1 else {"service": told[0]},
    }


def project(name: str) -> Document:
    """A project: any name is one."""
    return {
        "projectId": name,
        "name": name,
        "projectNumber": number(name),
        "lifecycleState": "ACTIVE",
    }


def number(project: str) -> str:
    """The number of a project: always the same one for a name."""
    return str(100_000_000_000 + zlib.crc32(project.encode()))
