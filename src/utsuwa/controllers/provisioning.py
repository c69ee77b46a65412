"""Certificates for hosts: asked for by an object of kind Certificate, taken from its Secret.

Shared by the controllers of what has hosts; the Certificate is made true by a controller of its
own. The conditions are their owners' to set.
"""

from enum import Enum
from typing import NamedTuple

from utsuwa.cluster.informer import key_of
from utsuwa.controllers.framework import Context
from utsuwa.controllers.passes import NotOwnedError, check_owned, create_child, find
from utsuwa.kit.documents import Document
from utsuwa.model.children.parts import drifted
from utsuwa.model.conditions import is_failed, is_ready
from utsuwa.model.kinds import CERTIFICATE
from utsuwa.model.meta import name_of


class Stage(Enum):
    """How far a certificate is."""

    READY = "ready"
    PENDING = "pending"
    FAILED = "failed"
    NOT_OWNED = "not owned"


class Provision(NamedTuple):
    """One host's certificate: its object, by name, and how far it is."""

    name: str
    host: str
    stage: Stage


async def provide(context: Context, owner: Document, wanted: Document) -> Provision:
    """Make sure that the Certificate `wanted` for `owner` is there, and say how far it is."""
    name, host = name_of(wanted), wanted["spec"]["dnsNames"][0]
    existing = await find(context, CERTIFICATE, key_of(wanted))
    if existing is None:
        existing = await create_child(context, owner, wanted)
    else:
        try:
            check_owned(existing, owner)
        except NotOwnedError:
            return Provision(name, host, Stage.NOT_OWNED)
        if (changed := drifted(existing, wanted)) is not None:
            existing = await context.cluster.update(changed)
    if is_ready(existing):
        return Provision(name, host, Stage.READY)
    return Provision(name, host, Stage.FAILED if is_failed(existing) else Stage.PENDING)
