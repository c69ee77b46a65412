"""Decisions as documents, for whoever asks over the API why there are so many pods."""

from collections.abc import Iterable, Sequence

from utsuwa.autoscale.decider import Decision
from utsuwa.autoscale.horizontal import HorizontalDecision
from utsuwa.autoscale.parameters import Parameters
from utsuwa.autoscale.reasons import Reason
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler.history import Entry
from utsuwa.controllers.podautoscaler.hpa import HorizontalHistory
from utsuwa.controllers.podautoscaler.scaler import Scaler
from utsuwa.kit.clock import rfc3339_micro
from utsuwa.kit.documents import Document
from utsuwa.model.config_autoscaler import HPA_CLASS, KPA_CLASS
from utsuwa.routing.messages import ColdStart
from utsuwa.routing.receipts import milliseconds, phases, total


class Decisions:
    """The last hour of decisions on every revision, of either class."""

    def __init__(self, scaler: Scaler, horizontal: HorizontalHistory) -> None:
        self._scaler = scaler
        self._horizontal = horizontal

    def __repr__(self) -> str:
        return f"<Decisions of {self._scaler!r} and {self._horizontal!r}>"

    def decisions(self, autoscaler: Key) -> Sequence[Document]:
        """What was decided on the PodAutoscaler `autoscaler`, oldest first."""
        found = [
            *((entry.time, document_of(entry)) for entry in self._scaler.history(autoscaler)),
            *((one.time, horizontal_of(one)) for one in self._horizontal.of(autoscaler)),
        ]
        return [document for _, document in sorted(found, key=lambda pair: pair[0])]

    def present(self, autoscaler: Key) -> Document:
        """What holds now for the PodAutoscaler `autoscaler`: the newest decision (null before the
        first, and for class HPA, whose newest is the last of its list), its pods, and what
        steers it (null for class HPA)."""
        current = self._scaler.current(autoscaler)
        parameters = self._scaler.parameters(autoscaler)
        counts = self._scaler.counts(autoscaler)
        return {
            "current": None if current is None else document_of(current),
            "pods": {
                "ready": counts.ready,
                "notReady": counts.not_ready,
                "pending": counts.pending,
                "terminating": counts.terminating,
                "frozen": counts.frozen,
            },
            "parameters": None if parameters is None else _parameters(parameters),
            "coldStarts": [
                document_of_start(one) for one in self._scaler.last_cold_starts(autoscaler)
            ],
        }


def document_of(entry: Entry) -> Document:
    """One decision of class KPA, and what the bounds and the way to zero made of it.

    `desired` is the decider's number of pods, `want` the one after bounds (null where nobody has
    looked yet), `applied` whether the Deployment was set to it.
    """
    decision, scaling = entry.decision, entry.scaling
    return {
        "time": rfc3339_micro(entry.time),
        "decidedAt": None if decision is None else rfc3339_micro(decision.time),
        "class": KPA_CLASS,
        **_decided(decision),
        "reasons": _told(() if decision is None else decision.reasons),
        "want": None if scaling is None else scaling.want,
        "applied": None if scaling is None else scaling.apply,
        "scaleReasons": _told(() if scaling is None else scaling.reasons),
        "changesAt": None if entry.changes_at is None else rfc3339_micro(entry.changes_at),
    }


def _decided(decision: Decision | None) -> Document:
    if decision is None:
        return {"desired": None, "mode": "unknown"}
    return {
        "desired": decision.desired,
        "mode": "panic" if decision.panicking else "stable",
        "panicSince": None if decision.panic_since is None else rfc3339_micro(decision.panic_since),
        "metric": decision.metric,
        "stable": decision.stable,
        "panic": decision.panic,
        "target": decision.target,
        "ready": decision.ready,
        "excessBurstCapacity": decision.excess_burst_capacity,
    }


def horizontal_of(decision: HorizontalDecision) -> Document:
    """One decision of class HPA; `ratio` is use over target, null where nothing was measured."""
    return {
        "time": rfc3339_micro(decision.time),
        "class": HPA_CLASS,
        "desired": decision.desired,
        "mode": "stable",
        "metric": decision.metric,
        "ratio": decision.ratio,
        "ready": decision.ready,
        "reasons": _told(decision.reasons),
        "want": decision.desired,
        "applied": True,
        "scaleReasons": [],
        "changesAt": None,
    }


def document_of_start(start: ColdStart) -> Document:
    """What a request waited for: milliseconds, as a whole and by phase."""
    return {
        "time": rfc3339_micro(start.queued),
        "pod": start.uid,
        "method": start.method,
        "path": start.path,
        "status": start.status,
        "total": milliseconds(total(start)),
        "phases": {name: milliseconds(part) for name, part in phases(start).items()},
    }


def _parameters(parameters: Parameters) -> Document:
    """In the words of the annotations and of `config-autoscaler`, in camel case; seconds."""
    return {
        "metric": parameters.metric,
        "target": parameters.target,
        "minScale": parameters.min_scale,
        "maxScale": parameters.max_scale,
        "initialScale": parameters.initial_scale,
        "activationScale": parameters.activation_scale,
        "stableWindow": parameters.stable_window,
        "panicWindow": parameters.panic_window,
        "panicThreshold": parameters.panic_threshold,
        "maxScaleUpRate": parameters.max_scale_up_rate,
        "maxScaleDownRate": parameters.max_scale_down_rate,
        "scaleDownDelay": parameters.scale_down_delay,
        "scaleToZero": parameters.enable_scale_to_zero,
        "gracePeriod": parameters.grace_period,
        "podRetention": parameters.pod_retention,
        "reachable": parameters.reachable,
    }


def _told(reasons: Iterable[Reason]) -> list[Document]:
    return [
        {"code": reason.code, "sentence": reason.sentence, "numbers": dict(reason.numbers)}
        for reason in reasons
    ]
