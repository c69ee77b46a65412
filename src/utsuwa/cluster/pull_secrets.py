"""Credentials for registries out of the cluster: the pull secrets of a Pod, or of what makes Pods,
and of its ServiceAccount."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Cluster, Key
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import SECRET, SERVICE_ACCOUNT, Kind

_MEMBERS = (".dockerconfigjson", ".dockercfg")


@dataclass(frozen=True, slots=True)
class Logins:
    """`auths`: credentials by registry, as `docker login` writes them, in the order in which they
    count. `faults`: which Secrets that were named are of no use, and why."""

    auths: tuple[Document, ...] = ()
    faults: tuple[str, ...] = ()

    def explain(self, message: str) -> str:
        """`message` of an image that could not be had, and what may have been the cause."""
        return "; ".join((message, *self.faults))


async def logins(cluster: Cluster, namespace: str, spec: Document) -> Logins:
    """Those of a pod's `spec`: its own `imagePullSecrets`, then its ServiceAccount's."""
    names = list(_named(dig(spec, "imagePullSecrets", default=())))
    account = dig(spec, "serviceAccountName", default="") or "default"
    found = await _find(cluster, SERVICE_ACCOUNT, Key(namespace, account))
    if found is not None:
        names += [name for name in _named(found.get("imagePullSecrets") or ()) if name not in names]
    auths, faults = [], []
    for name in names:
        secret = await _find(cluster, SECRET, Key(namespace, name))
        own = None if secret is None else auths_of(secret)
        if own:
            auths.append(own)
        else:
            what = "does not exist" if secret is None else f"has no {' or '.join(_MEMBERS)} to read"
            faults.append(f"the pull secret {namespace}/{name} {what}")
    return Logins(tuple(auths), tuple(faults))


def _named(entries: Iterable[Document]) -> Iterable[str]:
    return (str(entry["name"]) for entry in entries if entry.get("name"))


def auths_of(secret: Document) -> Document:
    """The `auths` of a pull secret; {} where it has none that can be read."""
    for key in _MEMBERS:
        if (packed := dig(secret, "data", key)) is None:
            continue
        try:
            found = json.loads(base64.b64decode(packed))
        except ValueError:
            return {}
        auths = found.get("auths") if isinstance(found, dict) and key == _MEMBERS[0] else found
        return auths if isinstance(auths, dict) else {}
    return {}


async def _find(cluster: Cluster, kind: Kind, key: Key) -> Document | None:
    try:
        return await cluster.get(kind, key)
    except NotFoundError:
        return None
