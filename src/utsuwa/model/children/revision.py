"""The Deployment and the PodAutoscaler of a Revision (`spec/reconcilers.md` §4.2, §6)."""

import hashlib

from utsuwa.kit.documents import Document, copy, dig, encode
from utsuwa.kit.units import parse_duration
from utsuwa.model import autoscaling_annotations, labels, names
from utsuwa.model.children.parts import child, kept
from utsuwa.model.children.pod_template import pod_spec_of, protocol_of, serving_container
from utsuwa.model.conditions import FALSE, status_of
from utsuwa.model.go_values import parse_int
from utsuwa.model.kinds import DEPLOYMENT, POD_AUTOSCALER
from utsuwa.model.meta import annotations_of, labels_of, name_of, uid_of
from utsuwa.model.settings import Settings

_BOOKKEEPING = (
    labels.LAST_PINNED,
    labels.NO_GC,
    labels.ROUTING_STATE_MODIFIED,
    labels.ROUTES,
    labels.ROLLOUT_TAKEN_BACK,
)
_REACHABLE = {labels.ROUTING_ACTIVE: "Reachable", labels.ROUTING_RESERVE: "Unreachable"}
_DEFAULTED = (labels.AUTOSCALER_CLASS, labels.AUTOSCALER_METRIC)


def deployment_of(revision: Document, settings: Settings) -> Document:
    """The Deployment, with a label that changes whenever anything else of it does, and as many
    replicas as the Revision starts with."""
    own = _labels(revision)
    annotations = {
        key: value
        for key, value in kept(annotations_of(revision), _BOOKKEEPING).items()
        if not key.startswith(labels.AUTOSCALING_GROUP)
    }
    container = serving_container(revision)["name"]
    spec = {
        "selector": {"matchLabels": {labels.REVISION_UID: uid_of(revision)}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
        "revisionHistoryLimit": 0,
        "progressDeadlineSeconds": int(progress_deadline(revision, settings)),
        "template": {
            "metadata": {
                "labels": own,
                "annotations": {**annotations, labels.DEFAULT_CONTAINER: container},
            },
            "spec": pod_spec_of(revision, spread=_spread(settings)),
        },
    }
    fingerprint = hashlib.sha256(encode([spec, annotations, own])).hexdigest()[:12]
    return child(
        revision,
        DEPLOYMENT,
        names.deployment_name(name_of(revision)),
        labels={**own, labels.DEPLOYMENT_HASH: fingerprint},
        annotations=annotations,
        spec={"replicas": initial_scale(revision, settings), **spec},
    )


def deployment_update(existing: Document, wanted: Document) -> Document | None:
    """`existing` as `wanted` has it, or None when nothing of ours differs. The autoscaler's
    replicas and what others have labelled or annotated stay."""
    if labels_of(existing).get(labels.DEPLOYMENT_HASH) == labels_of(wanted)[labels.DEPLOYMENT_HASH]:
        return None
    changed = copy(existing)
    changed["metadata"]["labels"] = {**_foreign(labels_of(existing)), **labels_of(wanted)}
    changed["metadata"]["annotations"] = {
        **_foreign(annotations_of(existing)),
        **annotations_of(wanted),
    }
    template = dig(existing, "spec", "template", default={})
    changed["spec"] = copy(wanted["spec"])
    changed["spec"]["replicas"] = dig(existing, "spec", "replicas", default=0)
    changed["spec"]["selector"] = existing["spec"]["selector"]
    metadata = changed["spec"]["template"]["metadata"]
    metadata["labels"] = {**_foreign(labels_of(template)), **metadata["labels"]}
    metadata["annotations"] = {**_foreign(annotations_of(template)), **metadata["annotations"]}
    return changed


def pod_autoscaler_of(
    revision: Document, settings: Settings, deployment: Document | None = None
) -> Document:
    """The PodAutoscaler; `deployment`, as it is now, tells whether pods come up at all."""
    annotations = kept(annotations_of(revision), _BOOKKEEPING)
    class_ = annotations.setdefault(
        labels.AUTOSCALER_CLASS, settings.autoscaler.pod_autoscaler_class
    )
    if class_ in {labels.KPA, labels.HPA}:
        metric = "cpu" if class_ == labels.HPA else "concurrency"
        annotations.setdefault(labels.AUTOSCALER_METRIC, metric)
    target = {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.name,
        "name": names.deployment_name(name_of(revision)),
    }
    spec: Document = {"scaleTargetRef": target, "protocolType": protocol_of(revision)}
    if concurrency := dig(revision, "spec", "containerConcurrency", default=0):
        spec["containerConcurrency"] = concurrency
    if reachability := _reachability(revision, deployment):
        spec["reachability"] = reachability
    return child(
        revision,
        POD_AUTOSCALER,
        names.pod_autoscaler_name(name_of(revision)),
        labels=_labels(revision),
        annotations=annotations,
        spec=spec,
    )


def pod_autoscaler_update(existing: Document, wanted: Document) -> Document | None:
    """`existing` with the spec and annotations of `wanted`, or None. Autoscaling annotations that
    the Revision no longer has go, save class and metric; others' annotations stay."""
    kept_ones = {
        key: value
        for key, value in annotations_of(existing).items()
        if not key.startswith(labels.AUTOSCALING_GROUP) or key in _DEFAULTED
    }
    annotations = {**kept_ones, **annotations_of(wanted)}
    if existing.get("spec") == wanted["spec"] and annotations_of(existing) == annotations:
        return None
    changed = copy({**existing, "spec": wanted["spec"]})
    changed["metadata"]["annotations"] = annotations
    return changed


def initial_scale(revision: Document, settings: Settings) -> int:
    """How many pods a new Revision starts with: its annotation if it may be, else the setting."""
    own = autoscaling_annotations.INITIAL_SCALE.read(annotations_of(revision), parse_int)
    if own is not None and (own > 0 or (own == 0 and settings.autoscaler.allow_zero_initial_scale)):
        return own
    return settings.autoscaler.initial_scale


def progress_deadline(revision: Document, settings: Settings) -> float:
    """Seconds in which pods must become ready."""
    own = labels.PROGRESS_DEADLINE.value(annotations_of(revision))
    return parse_duration(own) if own else settings.deployment.progress_deadline


def _labels(revision: Document) -> dict[str, str]:
    own = kept(labels_of(revision), (labels.ROUTE, labels.ROUTING_STATE))
    own[labels.REVISION] = name_of(revision)
    own[labels.REVISION_UID] = uid_of(revision)
    own.setdefault(labels.APP, name_of(revision))
    return dict(sorted(own.items()))


def _foreign(values: dict[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in values.items()
        if "knative.dev/" not in key and key not in {labels.APP, labels.DEFAULT_CONTAINER}
    }


def _spread(settings: Settings) -> bool:
    return settings.deployment.default_affinity_type != "none"


def _reachability(revision: Document, deployment: Document | None) -> str:
    """`spec/reconcilers.md` §6: a Revision whose pods do not come up is as good as unreachable,
    so that no minimum keeps them trying for ever; so is one that traffic was taken back from."""
    if annotations_of(revision).get(labels.ROLLOUT_TAKEN_BACK):
        return "Unreachable"
    status = revision.get("status")
    down = FALSE in {status_of(status, "ResourcesAvailable"), status_of(status, "ContainerHealthy")}
    wanted = dig(deployment, "spec", "replicas", default=0)
    if down and wanted > 0 and not dig(deployment, "status", "readyReplicas", default=0):
        return "Unreachable"
    return _REACHABLE.get(labels_of(revision).get(labels.ROUTING_STATE, ""), "")
