"""From the arguments of `deploy` to the Service object. Pure.

Written as gcloud writes it (`spec/kubernetes-api.md` §3.1), so that one may go on with either.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

API_VERSION = "serving.knative.dev/v1"
NONCE = "client.knative.dev/nonce"
USER_IMAGE = "client.knative.dev/user-image"
MIN_SCALE = ("autoscaling.knative.dev/min-scale", "autoscaling.knative.dev/minScale")
MAX_SCALE = ("autoscaling.knative.dev/max-scale", "autoscaling.knative.dev/maxScale")
_PORT = 8080
"""What a container listens on that says nothing."""
_HTTP2 = "h2c"
"""The name by which a port says that the program speaks HTTP/2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What `deploy` was asked to set; None, empty and False leave things as they are.

    `nonce` makes the template differ from the last one, so that a new revision comes even of the
    same words (an image's tag may have moved). `user_image` is the image as the user wrote it.
    """

    nonce: str
    image: str = ""
    user_image: str = ""
    concurrency: int | None = None
    min_scale: int | None = None
    max_scale: int | None = None
    env: tuple[tuple[str, str | None], ...] = ()
    port: int | None = None
    http2: bool | None = None
    no_traffic: bool = False
    tag: str = ""


class ChangeError(ValueError):
    """The change cannot be made to this service; the message says why."""


def created(namespace: str, name: str, change: Change) -> Document:
    """The Service that `change` makes of nothing.

    Raises:
        ChangeError: no image is given, or it is to get no traffic (the first revision must).
    """
    if not change.image:
        raise ChangeError(f"service {namespace}/{name} does not exist yet: it needs an image")
    if change.no_traffic:
        raise ChangeError(
            f"service {namespace}/{name} does not exist yet: its first revision gets the traffic"
        )
    service: Document = {
        "apiVersion": API_VERSION,
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"metadata": {}, "spec": {"containers": [{}]}}},
    }
    return updated(service, change)


def updated(service: Document, change: Change) -> Document:
    """A copy of `service` with `change` made; status is left out.

    Raises:
        ChangeError: `no_traffic`, and no revision is ready that could keep the traffic.
    """
    result = copy.deepcopy({key: value for key, value in service.items() if key != "status"})
    template = result["spec"].setdefault("template", {})
    metadata = template.setdefault("metadata", {})
    metadata.pop("name", None)  # the name of an earlier revision: names are used once
    metadata["labels"] = {**(metadata.get("labels") or {}), NONCE: change.nonce}
    _set_scale(metadata, change)
    spec = template.setdefault("spec", {})
    if change.concurrency is not None:
        spec["containerConcurrency"] = change.concurrency
    container = serving_container(spec)
    if change.image:
        container["image"] = change.image
    if change.user_image:
        annotations = dict(metadata.get("annotations") or {})
        metadata["annotations"] = {**annotations, USER_IMAGE: change.user_image}
    _set_port(container, change)
    _set_env(container, change.env)
    _set_traffic(result, service.get("status") or {}, change)
    return result


def tagged_revision_name(service: Document, suffix: str) -> str:
    """A name for the next revision, which a tag needs before the revision exists:
    `hello-00003-bxq`, as gcloud does."""
    metadata = service["metadata"]
    return f"{metadata['name']}-{int(metadata.get('generation') or 0) + 1:05d}-{suffix}"


def pinned_image(service: Document, revision: Mapping[str, Any]) -> str:
    """The image of the latest revision by digest, when the template still names the same image:
    an update of something else must not pick up another build. Empty where there is none."""
    containers = service["spec"]["template"]["spec"]["containers"]
    current = serving_container({"containers": containers}).get("image", "")
    spec = revision.get("spec") or {}
    if not spec.get("containers") or serving_container(spec).get("image") != current:
        return ""
    statuses = (revision.get("status") or {}).get("containerStatuses") or []
    digests = [status.get("imageDigest") or "" for status in statuses]
    return str(digests[0]) if digests else ""


def with_image(service: Document, image: str) -> Document:
    """`service`, its serving container running `image`; as it is when `image` is empty."""
    if image:
        serving_container(service["spec"]["template"]["spec"])["image"] = image
    return service


def serving_container(spec: Mapping[str, Any]) -> Document:
    """The container that gets the requests."""
    containers: list[Document] = spec["containers"]
    with_ports = [container for container in containers if container.get("ports")]
    return (with_ports or containers)[0]


def _set_scale(metadata: Document, change: Change) -> None:
    annotations = dict(metadata.get("annotations") or {})
    for keys, value in ((MIN_SCALE, change.min_scale), (MAX_SCALE, change.max_scale)):
        if value is None:
            continue
        for key in keys:
            annotations.pop(key, None)
        if value > 0:  # 0 is "no bound", which is what a missing annotation says
            annotations[keys[0]] = str(value)
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)


def _set_port(container: Document, change: Change) -> None:
    if change.port is None and change.http2 is None:
        return
    port: Document = {"containerPort": _PORT, **next(iter(container.get("ports") or ()), {})}
    if change.port is not None:
        named = {"name": port["name"]} if "name" in port else {}
        port = {**named, "containerPort": change.port}
    if change.http2 is not None:
        port.pop("name", None)
    if change.http2:
        port["name"] = _HTTP2
    container["ports"] = [port]


def _set_env(container: Document, pairs: tuple[tuple[str, str | None], ...]) -> None:
    if not pairs:
        return
    entries = {entry["name"]: entry for entry in container.get("env") or ()}
    for name, value in pairs:
        if value is None:
            entries.pop(name, None)
        else:
            entries[name] = {"name": name, "value": value}
    container["env"] = list(entries.values())


def _set_traffic(result: Document, status: Mapping[str, Any], change: Change) -> None:
    traffic: list[Document] = result["spec"].get("traffic") or []
    traffic = traffic or [{"latestRevision": True, "percent": 100}]
    if change.no_traffic:
        traffic = _fixed(traffic, str(status.get("latestReadyRevisionName") or ""))
    if change.tag:
        name = result["spec"]["template"]["metadata"]["name"] = tagged_revision_name(
            result, change.nonce[:3]
        )
        traffic = [*_untagged(traffic, change.tag), {"revisionName": name, "tag": change.tag}]
    if change.no_traffic or change.tag:
        result["spec"]["traffic"] = traffic


def _fixed(traffic: list[Document], ready: str) -> list[Document]:
    """`traffic` with whatever follows the latest revision tied to the one that is ready now."""
    if not any(target.get("latestRevision") for target in traffic):
        return traffic
    if not ready:
        raise ChangeError("--no-traffic: no revision is ready yet that could keep the traffic")
    fixed: list[Document] = []
    for target in traffic:
        entry = {key: value for key, value in target.items() if key != "latestRevision"}
        if target.get("latestRevision"):
            entry["revisionName"] = ready
        same = [e for e in fixed if not e.get("tag") and e["revisionName"] == entry["revisionName"]]
        if same and not entry.get("tag"):
            same[0]["percent"] = (same[0].get("percent") or 0) + (entry.get("percent") or 0)
        else:
            fixed.append(entry)
    return fixed


def _untagged(traffic: list[Document], tag: str) -> list[Document]:
    """`traffic` without `tag`; an entry that was there for the tag alone goes with it."""
    kept = []
    for target in traffic:
        if target.get("tag") != tag:
            kept.append(target)
        elif target.get("percent"):
            kept.append({key: value for key, value in target.items() if key != "tag"})
    return kept
