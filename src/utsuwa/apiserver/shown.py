"""What clients look for though nothing is stored under its name (`spec/kubernetes-api.md` §4.1).

The CustomResourceDefinitions of the Knative kinds, which tools read to learn what a cluster can
do; Events in their newer form; claims, quotas and limits, of which there are none here. All of it
is read-only, and a write is told why.
"""

from uuid import NAMESPACE_DNS, uuid5

from utsuwa.apiserver.calls import Call, Outcome
from utsuwa.apiserver.core_types import type_name
from utsuwa.apiserver.ports import Backend
from utsuwa.apiserver.reads import Reads
from utsuwa.apiserver.schemas import open_api_of
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import (
    CUSTOM_RESOURCE_DEFINITION,
    EVENT,
    KINDS,
    LIMIT_RANGE,
    NAMESPACE,
    NEW_EVENT,
    PERSISTENT_VOLUME_CLAIM,
    RESOURCE_QUOTA,
    SHOWN_KINDS,
    VIEW_KINDS,
    Kind,
)

WHY_NOT: dict[Kind, str] = {
    CUSTOM_RESOURCE_DEFINITION: "the kinds are built in and no others can be added; apply objects "
    "of these kinds instead",
    PERSISTENT_VOLUME_CLAIM: "there are no persistent volumes here, and no claim is needed: a volume "
    "that names one is a directory of that name, kept in the data directory",
    RESOURCE_QUOTA: "quotas are not enforced here; use max-scale and resources.limits",
    LIMIT_RANGE: "limits are not enforced here; set resources in the container, or the defaults in "
    "ConfigMap config-defaults",
    NEW_EVENT: "write events of core v1, they are the same",
}
"""Why each of these kinds cannot be written."""

_SAME = ("action", "eventTime", "reason", "related", "series", "type")


class Shown:
    """Answers reads of the kinds that are shown, not stored."""

    def __init__(self, cluster: Backend, reads: Reads, clock: Clock) -> None:
        self._cluster = cluster
        self._reads = reads
        self._clock = clock

    async def get(self, call: Call) -> Outcome:
        """One object. Raises NotFoundError."""
        kind, name = call.target.kind, call.target.name
        if kind is NEW_EVENT:
            found = newer(await self._cluster.get(EVENT, call.target.key))
            return Outcome(call.shape.one(found, self._clock.now()))
        items, _ = await self.select(call)
        for item in items:
            if item["metadata"]["name"] == name:
                return Outcome(call.shape.one(item, self._clock.now()))
        raise NotFoundError(
            f'{kind.resource} "{name}" not found', name=name, group=kind.group, kind=kind.plural
        )

    async def listing(self, call: Call) -> Outcome:
        """All that the selectors select."""
        items, version = await self.select(call)
        metadata = {"resourceVersion": str(version)}
        return Outcome(call.shape.many(items, metadata, self._clock.now()))

    async def select(self, call: Call) -> tuple[list[Document], int]:
        """The selected objects, and the version to watch from."""
        kind = call.target.kind
        if kind is NEW_EVENT:
            stored, version = await self._reads.select(call, EVENT)
            return [newer(event) for event in stored], version
        matches = call.selection()
        found: list[Document] = []
        if kind is CUSTOM_RESOURCE_DEFINITION:
            birth = await self._cluster.get(NAMESPACE, Key("", "default"))
            found = definitions(birth["metadata"]["creationTimestamp"])
        items = [item for item in found if matches is None or matches(item)]
        return items, self._cluster.resource_version


def is_shown(kind: Kind) -> bool:
    """Whether a kind is only shown."""
    return kind in SHOWN_KINDS


def definitions(created: str) -> list[Document]:
    """The CustomResourceDefinition of each kind that Kubernetes itself does not define, by name."""
    custom = [kind for kind in (*KINDS, *VIEW_KINDS) if not type_name(kind.api_version, kind.name)]
    found = [_definition(kind, created) for kind in custom]
    return sorted(found, key=lambda document: str(document["metadata"]["name"]))


def newer(event: Document) -> Document:
    """An Event of core v1 as one of events.k8s.io/v1."""
    told = {
        "note": event.get("message"),
        "regarding": event.get("involvedObject"),
        "reportingController": event.get("reportingComponent") or dig(event, "source", "component"),
        "reportingInstance": event.get("reportingInstance") or dig(event, "source", "host"),
        "deprecatedSource": event.get("source"),
        "deprecatedFirstTimestamp": event.get("firstTimestamp"),
        "deprecatedLastTimestamp": event.get("lastTimestamp"),
        "deprecatedCount": event.get("count"),
        **{same: event.get(same) for same in _SAME},
    }
    return {
        "apiVersion": NEW_EVENT.api_version,
        "kind": NEW_EVENT.name,
        "metadata": event["metadata"],
        **{name: value for name, value in told.items() if value is not None},
    }


def _definition(kind: Kind, created: str) -> Document:
    names = {
        "plural": kind.plural,
        "singular": kind.singular,
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
        **({"categories": list(kind.categories)} if kind.categories else {}),
    }
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": open_api_of(kind)},
        **({"subresources": {"status": {}}} if "status" in kind.subresources else {}),
    }
    conditions = [
        {"type": type_, "status": "True", "reason": reason, "message": message,
         "lastTransitionTime": created}
        for type_, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]  # fmt: skip
    return {
        **CUSTOM_RESOURCE_DEFINITION.document("", kind.resource),
        "metadata": {
            "name": kind.resource,
            "uid": str(uuid5(NAMESPACE_DNS, kind.resource)),
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": created,
            "labels": {
                "app.kubernetes.io/name": "knative-serving",
                "knative.dev/crd-install": "true",
            },
        },
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
            "conversion": {"strategy": "None"},
        },
        "status": {
            "acceptedNames": names,
            "conditions": conditions,
            "storedVersions": [kind.version],
        },
    }
