"""Builders of objects for tests: the least that is valid, and what a test says beside it.

    service("hello", image="ex.io/hello:1", annotations={"autoscaling.knative.dev/min-scale": "1"})

Documents that come out are new and may be changed. `stored` and `ready` turn one into what a
cluster would hold.
"""

from collections.abc import Mapping
from typing import Any

from utsuwa.kit.documents import Document, copy
from utsuwa.model import kinds, labels
from utsuwa.model.admission import Request, admit
from utsuwa.model.kinds import Kind, kind_of
from utsuwa.model.meta import labels_of, name_of, owner_reference
from utsuwa.model.names import deployment_name, revision_name
from utsuwa.model.settings import Settings

NAMESPACE = "default"
IMAGE = "ex.io/app:1"
NOW = "2023-11-14T22:13:20Z"
"""The moment at which a :class:`~utsuwa.kit.clock.LoopClock` starts."""


def template(
    image: str = IMAGE,
    *,
    name: str = "",
    annotations: Mapping[str, str] | None = None,
    container: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Document:
    """A revision template; `container` and `spec` add members there (`containerConcurrency=10`)."""
    metadata: Document = {}
    if name:
        metadata["name"] = name
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "metadata": metadata,
        "spec": {"containers": [{"image": image, **(container or {})}], **spec},
    }


def service(
    name: str = "hello",
    *,
    namespace: str = NAMESPACE,
    image: str = IMAGE,
    traffic: list[Document] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **options: Any,
) -> Document:
    """A Service; further `options` go to :func:`template`."""
    spec: Document = {"template": template(image, **options)}
    if traffic is not None:
        spec["traffic"] = traffic
    return _document(kinds.SERVICE, namespace, name, metadata, spec)


def configuration(
    name: str = "hello",
    *,
    namespace: str = NAMESPACE,
    image: str = IMAGE,
    metadata: Mapping[str, Any] | None = None,
    **options: Any,
) -> Document:
    """A Configuration; further `options` go to :func:`template`."""
    spec = {"template": template(image, **options)}
    return _document(kinds.CONFIGURATION, namespace, name, metadata, spec)


def target(
    *, revision: str = "", configuration: str = "", percent: int = 100, tag: str = ""
) -> Document:
    """A traffic target: to a revision, or to the latest of a Configuration."""
    named = {"revisionName": revision, "configurationName": configuration, "tag": tag}
    return {
        **{key: value for key, value in named.items() if value},
        "latestRevision": not revision,
        "percent": percent,
    }


def route(
    name: str = "hello",
    *targets: Document,
    namespace: str = NAMESPACE,
    metadata: Mapping[str, Any] | None = None,
) -> Document:
    """A Route; without targets, to the latest revision of the Configuration of its name."""
    traffic = list(targets) or [target(configuration=name)]
    return _document(kinds.ROUTE, namespace, name, metadata, {"traffic": traffic})


def revision(
    configuration: Document | str = "hello",
    generation: int = 1,
    *,
    namespace: str = NAMESPACE,
    image: str = IMAGE,
    state: str = labels.ROUTING_ACTIVE,
    **spec: Any,
) -> Document:
    """A Revision of a Configuration: of its document, or of one that :func:`stored` would make of
    `configuration(NAME)`."""
    if isinstance(configuration, str):
        parent = kinds.CONFIGURATION.document(namespace, configuration)
        parent["metadata"]["uid"] = _uid(kinds.CONFIGURATION, configuration)
    else:
        parent = configuration
    marks = {
        labels.CONFIGURATION: name_of(parent),
        labels.CONFIGURATION_GENERATION: str(generation),
        labels.ROUTING_STATE: state,
    }
    owner = labels_of(parent).get(labels.SERVICE)
    if owner:
        marks[labels.SERVICE] = owner
    metadata: Document = {"labels": marks, "ownerReferences": [owner_reference(parent)]}
    body = template(image, **spec)["spec"]
    name = revision_name(name_of(parent), generation)
    return _document(kinds.REVISION, namespace, name, metadata, body)


def pod_autoscaler(owner: Document, **spec: Any) -> Document:
    """The PodAutoscaler of a Revision."""
    name = name_of(owner)
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment_name(name)}
    body = {"scaleTargetRef": scaled, "protocolType": "http1", **spec}
    metadata = {"ownerReferences": [owner_reference(owner)]}
    return _document(kinds.POD_AUTOSCALER, owner["metadata"]["namespace"], name, metadata, body)


def deployment(owner: Document, *, replicas: int = 1) -> Document:
    """The Deployment of a Revision."""
    name, selector = name_of(owner), {labels.REVISION_UID: owner["metadata"].get("uid", "")}
    metadata = {"labels": {labels.REVISION: name}, "ownerReferences": [owner_reference(owner)]}
    pod_template = {"metadata": {"labels": selector}, "spec": copy(owner["spec"])}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": selector},
        "template": pod_template,
    }
    namespace = owner["metadata"]["namespace"]
    return _document(kinds.DEPLOYMENT, namespace, deployment_name(name), metadata, spec)


def domain_mapping(
    name: str = "www.example.org", to: str = "hello", *, namespace: str = NAMESPACE
) -> Document:
    """A DomainMapping to a Service."""
    reference = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": to}
    return _document(kinds.DOMAIN_MAPPING, namespace, name, None, {"ref": reference})


def config_map(
    name: str, data: Mapping[str, str], *, namespace: str = "knative-serving"
) -> Document:
    """A ConfigMap; by default one of the operator's."""
    return kinds.CONFIG_MAP.document(namespace, name, data=dict(data))


def stored(document: Document, *, uid: str = "", generation: int = 1, **metadata: Any) -> Document:
    """`document` as a cluster would hold it: defaulted, with uid, generation and version."""
    kind = kind_of(document)
    admitted = admit(Request(kind, "CREATE", document, user="alice"), Settings())
    result = copy(admitted.document)
    result["metadata"] |= {
        "uid": uid or _uid(kind, name_of(document)),
        "generation": generation,
        "resourceVersion": "1",
        "creationTimestamp": NOW,
        **metadata,
    }
    return result


def ready(document: Document, **status: Any) -> Document:
    """A stored `document` whose Ready is True at its generation; `status` adds members."""
    return with_condition(document, "Ready", "True", **status)


def with_condition(
    document: Document, type_: str, value: str, reason: str = "", message: str = "", **status: Any
) -> Document:
    """A copy of `document` with one condition set, at its generation."""
    result = copy(document)
    found = result.get("status") or {}
    fresh = {"type": type_, "status": value, "lastTransitionTime": NOW}
    fresh |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
    others = [c for c in found.get("conditions") or [] if c["type"] != type_]
    result["status"] = {
        **found,
        **status,
        "observedGeneration": result["metadata"].get("generation", 1),
        "conditions": sorted([*others, fresh], key=lambda c: str(c["type"])),
    }
    return result


def _uid(kind: Kind, name: str) -> str:
    return f"{kind.singular}-{name}-uid"


def _document(
    kind: Kind,
    namespace: str,
    name: str,
    metadata: Mapping[str, Any] | None,
    spec: Document,
) -> Document:
    document = kind.document(namespace, name, spec=spec)
    document["metadata"] |= dict(metadata or {})
    return document
