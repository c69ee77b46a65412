"""Runs the recorded traces of the original autoscaler against ours.

One public function, :func:`run`, takes a golden case of one of :data:`KINDS` and answers what
differs: integers, truth values and strings must be equal, floats to one in a million.
"""

import math
from collections.abc import Callable
from typing import Any

from utsuwa.autoscale.burst import Mode, activators, initial_burst_capacity, mode_for
from utsuwa.autoscale.collector import Collector
from utsuwa.autoscale.decider import Decider
from utsuwa.autoscale.parameters import UNKNOWN_SCALE, Parameters, Reachability, resolve
from utsuwa.autoscale.request_stats import ActivatorStats, RequestStats, Stat, Ticket
from utsuwa.autoscale.sampling import sample_size
from utsuwa.autoscale.scaling import Active, Activity, Situation, judge, scale
from utsuwa.autoscale.windows import DelayWindow, make_window
from utsuwa.model.autoscaling_annotations import GROUP, validate_annotations
from utsuwa.model.config_autoscaler import AutoscalerConfig
from utsuwa.routing.balancing import Balancer, Pick, assign_slice, throttler_capacity
from utsuwa.routing.forwarded import forwarded

Case = dict[str, Any]
Mismatches = list[str]

TOLERANCE = 1e-6
MICROSECOND = 1e-6


def run(kind: str, case: Case) -> Mismatches:
    """What our code answers differently from the recorded `case`; empty when all is equal.

    Raises:
        ValueError: `kind` is none of :data:`KINDS`.
    """
    if kind not in KINDS:
        raise ValueError(f"golden kind {kind!r}: expected one of {', '.join(sorted(KINDS))}")
    return KINDS[kind](case)


def differences(where: str, expected: Any, found: Any) -> Mismatches:
    """How two JSON-like values differ, with the path of each difference."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = sorted({*expected, *found})
        return [
            line
            for key in keys
            for line in differences(f"{where}.{key}", expected.get(key), found.get(key))
        ]
    if isinstance(expected, list) and isinstance(found, list | tuple):
        if len(expected) == len(found):
            pairs = zip(expected, found, strict=True)
            return [
                line
                for index, (one, other) in enumerate(pairs)
                for line in differences(f"{where}[{index}]", one, other)
            ]
    elif _equal(expected, found):
        return []
    return [f"{where}: expected {expected!r}, found {found!r}"]


def _equal(expected: Any, found: Any) -> bool:
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(expected == found)


# --- decider ------------------------------------------------------------------------------------


class _DeciderReplay:
    """One revision driven by the events of a decider trace."""

    def __init__(self, case: Case) -> None:
        self._start: int = case["t0UnixMs"]
        parameters = _parameters(case["spec"], case["windows"])
        self._ready: Any = case["readyAtStart"]
        self._collector = Collector(parameters)
        self._decider = Decider(parameters, now=self._start / 1000, ready=self._ready)

    def handle(self, event: list[Any]) -> Mismatches:
        now = (self._start + event[0]) / 1000
        match event[1:]:
            case ["p", ready]:
                self._ready = ready
            case ["s", stamp, concurrency, proxied, count, proxied_count]:
                time = (self._start + stamp) / 1000
                self._collector.record(time, concurrency - proxied, count - proxied_count)
            case ["u", spec, windows]:
                self._decider.parameters = _parameters(spec, windows)
                self._collector.resize(self._decider.parameters, now)
            case ["k", _, *expected]:
                return differences(f"tick at {event[0]} ms", expected, self._tick(now))
            case _:
                return [f"event {event!r}: unknown"]
        return []

    def _tick(self, now: float) -> list[Any]:
        decision = None
        if self._ready != "error":
            ready = 0 if self._ready == "notfound" else self._ready
            decision = self._decider.tick(self._collector, now=now, ready=ready)
        since = self._decider.panic_since
        return [
            0 if decision is None else 1,
            None if decision is None else decision.desired,
            None if decision is None else decision.excess_burst_capacity,
            0 if since is None else 1,
            self._decider.max_panic_pods,
            -1 if since is None else round(since * 1000) - self._start,
            None if decision is None else decision.stable,
            None if decision is None else decision.panic,
        ]


def _parameters(spec: Case, windows: Case) -> Parameters:
    return Parameters(
        metric=spec["metric"],
        target=spec["target"],
        total=spec["total"],
        target_burst_capacity=spec["tbc"],
        activator_capacity=spec["activatorCapacity"],
        panic_threshold=spec["panicThreshold"],
        max_scale_up_rate=spec["maxScaleUpRate"],
        max_scale_down_rate=spec["maxScaleDownRate"],
        stable_window=windows["stableWindowS"],
        panic_window=windows["panicWindowS"],
        algorithm=windows["algorithm"],
        scale_down_delay=spec["scaleDownDelayS"],
        reachable=spec["reachable"],
        activation_scale=spec["activationScale"],
        initial_scale=spec["initialScale"],
    )


def _decider(case: Case) -> Mismatches:
    replay = _DeciderReplay(case)
    found = [line for event in case["events"] for line in replay.handle(event)]
    return found + differences("parameters", *_resolved_head(case))


def _resolved_head(case: Case) -> tuple[Any, Any]:
    """The parameters at the head of a decider trace, recorded and resolved."""
    spec, windows = _shown(_resolve(case))
    return [case["spec"], case["windows"]], [spec, windows]


# --- resolve and annotations --------------------------------------------------------------------


def _resolve(case: Case) -> Parameters:
    return resolve(
        {f"{GROUP}/{key}": value for key, value in case["annotations"].items()},
        AutoscalerConfig.parse(case["cm"]),
        container_concurrency=case["containerConcurrency"],
        reachability=Reachability.of(case["reachability"]),
        progress_deadline=case.get("progressDeadlineS", 600.0),
    )


def _shown(parameters: Parameters) -> tuple[Case, Case]:
    spec = {
        "activationScale": parameters.activation_scale,
        "activatorCapacity": parameters.activator_capacity,
        "initialScale": parameters.initial_scale,
        "maxScaleDownRate": parameters.max_scale_down_rate,
        "maxScaleUpRate": parameters.max_scale_up_rate,
        "metric": parameters.metric,
        "panicThreshold": parameters.panic_threshold,
        "reachable": parameters.reachable,
        "scaleDownDelayS": parameters.scale_down_delay,
        "stableWindowS": parameters.stable_window,
        "target": parameters.target,
        "tbc": parameters.target_burst_capacity,
        "total": parameters.total,
    }
    windows = {
        "algorithm": parameters.algorithm,
        "panicWindowS": parameters.panic_window,
        "scrape": parameters.scraped,
        "stableWindowS": parameters.stable_window,
    }
    return spec, windows


def _resolve_case(case: Case) -> Mismatches:
    try:
        config = AutoscalerConfig.parse(case["cm"])
    except ValueError as error:
        return [f"cm: expected to be accepted, found {error}"] if case["cmValid"] else []
    if not case["cmValid"]:
        return [f"cm {case['cm']}: expected to be refused, found accepted"]
    parameters = _resolve(case)
    spec, windows = _shown(parameters)
    counts = [
        [ready, activators(parameters, ready)] for ready, _ in case["numActivatorsByReadyPods"]
    ]
    initial = {
        "desiredScale": UNKNOWN_SCALE,
        "excessBurstCapacity": initial_burst_capacity(parameters),
    }
    annotations = {f"{GROUP}/{key}": value for key, value in case["annotations"].items()}
    return [
        *differences("spec", case["spec"], spec),
        *differences("windows", case["windows"], windows),
        *differences("numActivators", case["numActivatorsByReadyPods"], counts),
        *differences("initialStatus", case["initialStatus"], initial),
        *differences(
            "annotationFields",
            sorted(case.get("annotationFields") or []),
            _fields_at_fault(annotations, config),
        ),
    ]


def _fields_at_fault(annotations: dict[str, str], config: AutoscalerConfig) -> list[str]:
    """The keys that validation names; a path may go on after the key (`…=0 not allowed`)."""
    problems = validate_annotations(annotations, config)
    paths = {path for problem in problems for path in problem.paths}
    return sorted({path.split(" ")[0].split("=")[0] for path in paths})


def _annotation_validation(case: Case) -> Mismatches:
    config = AutoscalerConfig.parse(case["cm"])
    fields = _fields_at_fault(case["annotations"], config)
    return [
        *differences("valid", case["valid"], not fields),
        *differences("fields", sorted(case["fields"]), fields),
    ]


# --- reconciler ---------------------------------------------------------------------------------


def _kpa_reconcile(case: Case) -> Mismatches:
    parameters = _resolve(case)
    activity, initialized = Activity(Active.UNKNOWN, "", 0.0), False
    mismatches: Mismatches = []
    for step in case["steps"]:
        time, desired, excess, replicas, ready, mode, proxied, answers, before = step[:9]
        name = f"step at {time} ms"
        mismatches += differences(f"{name} before", before, _conditions(activity, initialized))
        done = scale(
            parameters,
            Situation(
                now=time / 1000,
                desired=desired,
                activity=activity,
                initialized=initialized,
                mode=Mode(mode),
                proxied_for=proxied / 1000,
                activator_answers=answers,
            ),
        )
        verdict = judge(
            parameters,
            want=done.want,
            ready=ready,
            active=activity.status,
            initialized=initialized,
        )
        initialized = verdict.initialized
        if verdict.active is not None and verdict.active != (activity.status, activity.reason):
            activity = Activity(*verdict.active, time / 1000)
        found = [
            done.want,
            done.apply and done.want != replicas,
            [] if done.again is None else [round(done.again * 1000)],
            int(done.probed),
            int(done.watch_probe),
            mode_for(done.want, excess).value,
            activators(parameters, ready),
            _conditions(activity, initialized),
        ]
        mismatches += differences(name, step[9:], found)
    return mismatches


def _conditions(activity: Activity, initialized: bool) -> list[str]:
    return [activity.status.value, activity.reason, "True" if initialized else "Unknown"]


# --- windows and request statistics -------------------------------------------------------------


def _aggregation(case: Case) -> Mismatches:
    if case["kind"] == "max":
        return _maximum(case)
    start: int = case["t0UnixMs"]
    window = make_window(case["kind"], case["windowS"], case["granularityS"])
    mismatches: Mismatches = []
    for time, operation, *rest in case["ops"]:
        now, name = (start + time) / 1000, f"{operation} at {time} ms"
        if operation == "rec":
            window.record((start + rest[1]) / 1000, rest[0])
        elif operation == "avg":
            mismatches += differences(name, rest[0], window.average(now))
        elif operation == "empty":
            mismatches += differences(name, rest[0], window.empty(now))
        elif operation == "resize":
            window.resize(rest[0], now)
        else:
            mismatches.append(f"{name}: unknown operation")
    return mismatches


def _maximum(case: Case) -> Mismatches:
    window = DelayWindow(case["windowS"], case["granularityS"])
    mismatches: Mismatches = []
    for time, operation, value, *_ in case["ops"]:
        if operation == "rec":
            window.record((case["t0UnixMs"] + time) / 1000, value)
        else:
            mismatches += differences(f"{operation} at {time} ms", value, window.current)
    return mismatches


def _request_stats(case: Case) -> Mismatches:
    stats = RequestStats(0.0)
    mismatches: Mismatches = []
    for time, event, *expected in case["events"]:
        now = time * MICROSECOND
        if event == "report":
            mismatches += differences(f"report at {time} us", expected, list(stats.report(now)))
        elif event.endswith("in"):
            stats.arrive(now, proxied=event == "pin")
        else:
            stats.leave(now, proxied=event == "pout")
    return mismatches


def _activator_stats(case: Case) -> Mismatches:
    stats = ActivatorStats()
    in_flight: dict[str, list[Ticket]] = {}
    mismatches: Mismatches = []
    for time, event, *rest in case["events"]:
        now, name = time * MICROSECOND, f"{event} at {time} us"
        if event == "report":
            found = [list(stat) for stat in stats.report(now)]
            mismatches += differences(name, rest[0], found)
        elif event == "in":
            ticket, told = stats.arrive(rest[0], now)
            in_flight.setdefault(rest[0], []).append(ticket)
            mismatches += differences(name, rest[1], _pushed(told))
        else:
            stats.leave(in_flight[rest[0]].pop(0), now)
    return mismatches


def _pushed(told: Stat | None) -> list[list[Any]]:
    return [] if told is None else [list(told)]


# --- small functions ----------------------------------------------------------------------------


def _misc(case: Case) -> Mismatches:
    name = case["fn"]
    if name == "lb":
        return _load_balancing(case)
    if name not in _FUNCTIONS:
        return [f"fn {name!r}: unknown"]
    return differences(name, case["out"], _FUNCTIONS[name](case))


_FUNCTIONS: dict[str, Callable[[Case], Any]] = {
    "sampleSize": lambda case: sample_size(case["pods"]),
    "assignSlice": lambda case: assign_slice(range(case["pods"]), case["self"], case["activators"]),
    "throttlerCapacity": lambda case: throttler_capacity(
        case["cc"],
        backends=case["backends"],
        assigned_pods=case["assignedPods"],
        activators=case["activators"],
    ),
    "forwarded": lambda case: forwarded(case["xff"], case["xfproto"], case["xfhost"]),
}


def _load_balancing(case: Case) -> Mismatches:
    balancer = Balancer(case["cc"])
    picks: dict[int, Pick] = {}
    mismatches: Mismatches = []
    for number, (operation, *rest) in enumerate(case["ops"]):
        if operation == "pods":
            balancer.set_pods(rest[0])
        elif operation == "done":
            balancer.done(picks.pop(rest[1]))
        else:
            pick = balancer.pick()
            found = None if pick is None else pick.address
            mismatches += differences(f"op {number}", rest[0], found)
            if pick is not None and len(rest) > 1:
                picks[rest[1]] = pick
    return mismatches


KINDS: dict[str, Callable[[Case], Mismatches]] = {
    "decider": _decider,
    "resolve": _resolve_case,
    "annotation_validation": _annotation_validation,
    "kpa_reconcile": _kpa_reconcile,
    "aggregation": _aggregation,
    "request_stats": _request_stats,
    "activator_stats": _activator_stats,
    "misc": _misc,
}
