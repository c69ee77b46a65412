"""The ServerlessService of a PodAutoscaler (`spec/reconcilers.md` §6.3, `spec/resources.md` §3.8)."""

from utsuwa.autoscale.burst import Mode
from utsuwa.kit.documents import Document, copy
from utsuwa.model import labels, names
from utsuwa.model.children.parts import child, kept
from utsuwa.model.kinds import SERVERLESS_SERVICE
from utsuwa.model.meta import annotations_of, labels_of, name_of


def serverless_service_of(autoscaler: Document, mode: Mode, activators: int) -> Document:
    """The ServerlessService in `mode`, through `activators` activators where those are in path."""
    spec: Document = {
        "mode": mode.value,
        "objectRef": copy(autoscaler["spec"]["scaleTargetRef"]),
        "numActivators": activators,
    }
    if protocol := autoscaler["spec"].get("protocolType"):
        spec["protocolType"] = protocol
    return child(
        autoscaler,
        SERVERLESS_SERVICE,
        names.serverless_service_name(name_of(autoscaler)),
        labels=labels_of(autoscaler),
        annotations=kept(annotations_of(autoscaler), {labels.AUTOSCALER_METRIC}),
        spec=spec,
    )


def serverless_service_update(existing: Document, wanted: Document) -> Document | None:
    """`existing` with the spec of `wanted`, or None where it has it."""
    if existing.get("spec") == wanted["spec"]:
        return None
    return copy({**existing, "spec": wanted["spec"]})
