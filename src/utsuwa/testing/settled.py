"""What a settled cluster is, told so that two of them can be compared: names of ours stand for
uids, and times, versions, generated names and counts of events are left out."""

import json
import re
from collections import Counter

from utsuwa.cluster.informer import key_of, owner_uid
from utsuwa.cluster.port import DeleteOptions, Key
from utsuwa.kit.documents import Document, copy, dig
from utsuwa.model import labels
from utsuwa.model.conditions import TRUE, status_of
from utsuwa.model.kinds import (
    CLUSTER_DOMAIN_CLAIM,
    CONFIGURATION,
    CORE_SERVICE,
    DEPLOYMENT,
    DOMAIN_MAPPING,
    ENDPOINT_SLICE,
    ENDPOINTS,
    INGRESS,
    KINDS,
    POD,
    POD_AUTOSCALER,
    REPLICA_SET,
    REVISION,
    ROUTE,
    SERVERLESS_SERVICE,
    SERVICE,
)
from utsuwa.model.lifecycle.route import ALL_TRAFFIC_ASSIGNED
from utsuwa.model.meta import annotations_of, labels_of, name_of
from utsuwa.testing.whole import Gateway, World

WRITTEN = (SERVICE, CONFIGURATION, ROUTE, REVISION, DOMAIN_MAPPING)
"""What a user, or a controller on his behalf, writes: it lasts, its status can be made anew."""
DERIVED = (
    INGRESS, SERVERLESS_SERVICE, POD_AUTOSCALER, DEPLOYMENT, REPLICA_SET, POD, ENDPOINT_SLICE,
    ENDPOINTS, CORE_SERVICE, CLUSTER_DOMAIN_CLAIM,
)  # fmt: skip
"""What is made anew from those; makers before what they make."""
_TIMES = frozenset(
    {"lastTransitionTime", "lastUpdateTime", "creationTimestamp", labels.ROUTING_STATE_MODIFIED}
)
_BOOKS = frozenset({"resourceVersion", "uid", "managedFields", "generation", "deletionTimestamp"})
_PORT = re.compile(r"(?<!\w)2\d{4}(?!\w)")
"""Ports of pods, as :class:`~utsuwa.testing.pods.FakeNode` gives them."""

Picture = dict[str, Document]


async def picture(world: World) -> Picture:
    """Every object but the operator's and events, by kind and name; pods only counted."""
    objects = {kind: (await world.cluster.list(kind)).items for kind in (*WRITTEN, *DERIVED)}
    uids = {
        one["metadata"]["uid"]: f"uid-of-{kind.name}-{name_of(one)}"
        for kind, found in objects.items()
        for one in found
    }
    uids |= {name_of(pod): "a-pod" for pod in objects[POD]}
    shown: Picture = {}
    pods: Counter[str] = Counter()
    for kind, found in objects.items():
        for one in found:
            if kind == POD:
                pods[labels_of(one).get(labels.REVISION, "")] += 1
            else:
                shown[_PORT.sub("PORT", f"{kind} {key_of(one)}")] = _plain(one, uids)
    _forget_former_labels(shown)
    shown["pods"] = dict(pods)
    shown["gateway"] = _table(world.gateway, uids)
    return shown


def differences(one: Picture, other: Picture) -> list[str]:
    """Where two pictures differ, a line each."""
    lines = []
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            lines.append(f"{name}: only in the {'first' if name in one else 'second'}")
        else:
            lines += _differences(name, one[name], other[name])
    return lines


async def begin_anew(world: World) -> None:
    """Take away everything that control has derived, and every status, and start it anew: the
    fresh run on the final specs. A Route whose targets cannot be served goes on serving what it
    served before (`spec/reconcilers.md` §5.1): that is no conclusion from anything, and stays."""
    await world.stop()
    kept = {
        one["metadata"]["uid"]
        for one in (await world.cluster.list(ROUTE)).items
        if status_of(one.get("status"), ALL_TRAFFIC_ASSIGNED) != TRUE
    }
    world.gateway = Gateway(world.clock)
    for kind in DERIVED:
        for one in (await world.cluster.list(kind)).items:
            if (owner := owner_uid(one)) and owner not in kept:
                await world.cluster.delete(kind, key_of(one), DeleteOptions(grace_seconds=0))
    for kind in WRITTEN:
        for one in (await world.cluster.list(kind)).items:
            if one["metadata"]["uid"] not in kept:
                await world.cluster.update_status({**one, "status": {}})
    await world.settle(1)
    await world.start()


async def faults(world: World) -> list[str]:
    """What must never be in a settled cluster, a line each."""
    everything = {kind: (await world.cluster.list(kind)).items for kind in KINDS}
    uids = {one["metadata"]["uid"] for found in everything.values() for one in found}
    lines = []
    for kind, found in everything.items():
        for one in found:
            name = f"{kind} {key_of(one)}"
            if "deletionTimestamp" in one["metadata"]:
                lines.append(f"{name} is still being deleted")
            owners = one["metadata"].get("ownerReferences", ())
            if any(owner["uid"] not in uids for owner in owners):
                lines.append(f"{name} has outlived its owner")
            if kind in WRITTEN:
                seen = dig(one, "status", "observedGeneration", default=0)
                if seen != one["metadata"]["generation"]:
                    lines.append(f"{name} has not been looked at since its last change")
                lines += _doubts(name, one)
    makers = [*everything[ROUTE], *everything[SERVICE]]
    return lines + _marks(everything[REVISION], everything[ROUTE], makers)


def _doubts(name: str, document: Document) -> list[str]:
    """After so long it is known whether the object is ready; what it did not come to because
    something else failed before may be unknown."""
    return [
        f"{name}: {entry['type']} is Unknown: {entry.get('reason')}: {entry.get('message')}"
        for entry in dig(document, "status", "conditions", default=())
        if entry["type"] == "Ready" and entry["status"] == "Unknown"
    ]


def _marks(revisions: list[Document], routes: list[Document], makers: list[Document]) -> list[str]:
    """A Revision bears the marks of the Routes that lead to it, and of none that will not be:
    `makers` are Routes, and Services that may wait before they make theirs."""
    lines = []
    serving: dict[Key, set[str]] = {}
    for route in routes:
        for target in dig(route, "status", "traffic", default=()):
            key = key_of(route)._replace(name=target["revisionName"])
            serving.setdefault(key, set()).add(name_of(route))
    names = {(key_of(route).namespace, name_of(route)) for route in makers}
    for one in revisions:
        key = key_of(one)
        marks = set(labels.split_routes(annotations_of(one).get(labels.ROUTES, "")))
        state = labels_of(one).get(labels.ROUTING_STATE)
        if not serving.get(key, set()) <= marks:
            lines.append(f"{key} serves {serving[key]}, and is marked {marks}")
        if any((key.namespace, name) not in names for name in marks):
            lines.append(f"{key} is marked {marks}, of which not all exist")
        if marks and state != labels.ROUTING_ACTIVE:
            lines.append(f"{key} is marked {marks}, and its state is {state}")
    return lines


def _plain(document: Document, uids: dict[str, str]) -> Document:
    found = copy(document)
    generation = found["metadata"].get("generation")
    status = found.get("status")
    if isinstance(status, dict) and "observedGeneration" in status:
        status["observedGeneration"] = status["observedGeneration"] == generation
    text = json.dumps(_stripped(found))
    for uid, name in uids.items():
        text = text.replace(uid, name)
    plain: Document = json.loads(_PORT.sub("0", text))
    return plain


def _forget_former_labels(shown: Picture) -> None:
    """What a Route once put on its placeholder Services stays there, like what users put there
    (`spec/reconcilers.md` §5.5): it is history."""
    for name, one in shown.items():
        owner = dig(one, "metadata", "ownerReferences", 0, "name", default="")
        route = shown.get(f"{ROUTE} {one['metadata'].get('namespace')}/{owner}")
        if name.startswith(f"{CORE_SERVICE} ") and route is not None:
            for member in ("labels", "annotations"):
                ours = {*(route["metadata"].get(member) or {}), labels.ROUTE}
                found = one["metadata"].get(member) or {}
                one["metadata"][member] = {key: found[key] for key in found if key in ours}


def _stripped(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _stripped(inner)
            for key, inner in value.items()
            if key not in _TIMES and key not in _BOOKS
        }
    if isinstance(value, list):
        return [_stripped(inner) for inner in value]
    return value


def _table(gateway: Gateway, uids: dict[str, str]) -> Document:
    """Endpoints are pods: only counted."""
    return {
        "hosts": {name: repr(table) for name, table in sorted(gateway.hosts.items())},
        "revisions": {
            name: [len(table.endpoints), table.unavailable]
            for name, table in sorted(gateway.revisions.items())
        },
    }


def _differences(path: str, one: object, other: object) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        lines = []
        for key in sorted({*one, *other}):
            lines += _differences(f"{path} .{key}", one.get(key), other.get(key))
        return lines
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            line
            for place, pair in enumerate(zip(one, other, strict=True))
            for line in _differences(f"{path}[{place}]", *pair)
        ]
    return [] if one == other else [f"{path}: {one!r} / {other!r}"]
