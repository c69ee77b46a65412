"""Every metric. Names, kinds and labels are the original's where it has the metric
(`spec/dataplane.md` §11, `spec/autoscaling.md` §6); those that begin with `utsuwa_` are ours.

A revision has a fixed number of series, and they go with it: no label takes a value that a client
can make up.
"""

from utsuwa.kit.exposition import Metric
from utsuwa.routing.messages import LATENCY_BOUNDS

REVISION = (
    "k8s_namespace_name",
    "kn_service_name",
    "kn_configuration_name",
    "kn_revision_name",
)
"""The labels of everything that is a revision's."""
COLD_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
THAW_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "client_left")

# --- requests -----------------------------------------------------------------------------------
DURATION = Metric(
    "http_server_request_duration_seconds",
    "histogram",
    "Time of requests in the gateway, waiting included.",
    REVISION,
    LATENCY_BOUNDS,
)
ROUTE_DURATION = Metric(
    "utsuwa_route_request_duration_seconds",
    "histogram",
    "The same, by Route: of requests to revisions that one Route alone leads to.",
    ("k8s_namespace_name", "kn_route_name"),
    LATENCY_BOUNDS,
)
REQUESTS = Metric(
    "utsuwa_revision_requests_total",
    "counter",
    "Requests that have ended, by class of their status; client_left: the client did not wait.",
    (*REVISION, "class"),
)
PLATFORM_ERRORS = Metric(
    "utsuwa_revision_platform_errors_total",
    "counter",
    "Answers that the gateway itself made: 502, 503, 504.",
    REVISION,
)
CONCURRENCY = Metric(
    "kn_revision_request_concurrency",
    "gauge",
    "Average number of requests inside, over the last second.",
    REVISION,
)
QUEUED = Metric("kn_revision_request_queued", "gauge", "Requests that wait for a pod.", REVISION)
ACTIVE = Metric("kn_revision_request_active", "gauge", "Requests on pods.", REVISION)
WAKEUPS = Metric(
    "utsuwa_revision_wakeups_total",
    "counter",
    "First requests that came while the revision was idle.",
    REVISION,
)
COLD_START = Metric(
    "utsuwa_cold_start_duration_seconds",
    "histogram",
    "Time from the arrival of a request that found no pod to the first byte of its answer.",
    REVISION,
    COLD_BOUNDS,
)
COLD_PHASE = Metric(
    "utsuwa_cold_start_phase_duration_seconds",
    "histogram",
    "The same time, by what it was spent on.",
    (*REVISION, "phase"),
    COLD_BOUNDS,
)
THAW = Metric(
    "utsuwa_thaw_duration_seconds",
    "histogram",
    "Time from the arrival of a request whose pod was frozen to the first byte of its answer.",
    REVISION,
    THAW_BOUNDS,
)

# --- the autoscaler -----------------------------------------------------------------------------
DESIRED = Metric("kn_revision_pods_desired", "gauge", "Pods wanted by the last decision.", REVISION)
EXCESS = Metric(
    "kn_revision_capacity_excess", "gauge", "Excess burst capacity of the last decision.", REVISION
)
PANIC = Metric("kn_revision_panic_mode", "gauge", "1 in panic, else 0.", REVISION)
MEASURED = {
    (metric, value): Metric(
        f"kn_revision_{metric}_{value}",
        "gauge",
        {
            "stable": f"Average {metric} over the stable window, where that is the metric.",
            "panic": f"Average {metric} over the panic window, where that is the metric.",
            "target": f"Aimed at {metric} per pod, where that is the metric.",
        }[value],
        REVISION,
    )
    for metric in ("concurrency", "rps")
    for value in ("stable", "panic", "target")
}
REQUESTED = Metric(
    "kn_revision_pods_requested", "gauge", "Pods asked for, after the bounds.", REVISION
)
COUNT = Metric("kn_revision_pods_count", "gauge", "Pods that are ready.", REVISION)
NOT_READY = Metric(
    "kn_revision_pods_not_ready_count", "gauge", "Pods that are not ready.", REVISION
)
FROZEN = Metric(
    "utsuwa_revision_pods_frozen", "gauge", "Pods that are ready, and frozen.", REVISION
)
PENDING = Metric("kn_revision_pods_pending_count", "gauge", "Pods that start.", REVISION)
TERMINATING = Metric("kn_revision_pods_terminating_count", "gauge", "Pods that end.", REVISION)
DECISIONS = Metric(
    "utsuwa_revision_decisions_total",
    "counter",
    "Decisions of the autoscaler, by what became of the number of pods: up, down, same.",
    (*REVISION, "direction"),
)

# --- alerts ---------------------------------------------------------------------------------------
ALERT = Metric(
    "utsuwa_alert",
    "gauge",
    "1 while the alert stands: what a person should act on.",
    ("alert", "severity", "k8s_namespace_name", "kn_service_name", "about"),
)

TRACES = Metric(
    "utsuwa_traced_requests_total",
    "counter",
    "Traced requests whose spans have arrived at the collector, or were dropped.",
    ("result",),
)

# --- the control plane --------------------------------------------------------------------------
WORK_DEPTH = Metric(
    "utsuwa_workqueue_depth", "gauge", "Keys that wait for a controller.", ("name",)
)
WORK_FAILING = Metric(
    "utsuwa_workqueue_failing",
    "gauge",
    "Keys whose last pass failed, to be tried again.",
    ("name",),
)
WORK_PASSES = Metric(
    "utsuwa_workqueue_passes_total",
    "counter",
    "Looks of a controller: done, again (it waits for something else), failed.",
    ("name", "result"),
)
LOOP_LATE = Metric(
    "utsuwa_control_loop_late_seconds",
    "gauge",
    "By how much the control process was late at worst in the last minute.",
)
STORE_WRITES = Metric(
    "utsuwa_store_writes_total", "counter", "Writes of objects since the store was made."
)
STORE_COMMITS = Metric(
    "utsuwa_store_commits_total", "counter", "Commits to disk; one carries all writes that wait."
)
STORE_OBJECTS = Metric("utsuwa_store_objects", "gauge", "Objects in the store.")
GATEWAYS = Metric("utsuwa_gateways_connected", "gauge", "Gateways on the link.")
WARM_MEMORY = Metric(
    "utsuwa_warm_parent_memory_bytes",
    "gauge",
    "Memory of the warm parents of a revision; there is no series without one.",
    REVISION,
)
BUILD = Metric("utsuwa_build_info", "gauge", "1; the version is in the label.", ("version",))
CPU = Metric(
    "process_cpu_seconds_total", "counter", "Processor time of the control process in seconds."
)
MEMORY = Metric(
    "process_resident_memory_bytes", "gauge", "Resident memory of the control process in bytes."
)
START = Metric(
    "process_start_time_seconds", "gauge", "Start of the control process, in Unix seconds."
)

CATALOGUE: tuple[Metric, ...] = (
    DURATION, ROUTE_DURATION, REQUESTS, PLATFORM_ERRORS, CONCURRENCY, QUEUED, ACTIVE, WAKEUPS, COLD_START,
    COLD_PHASE, THAW, DESIRED, EXCESS, PANIC, *MEASURED.values(), REQUESTED, COUNT, NOT_READY, FROZEN,
    PENDING, TERMINATING, DECISIONS, ALERT, TRACES, WORK_DEPTH, WORK_FAILING, WORK_PASSES, LOOP_LATE, STORE_WRITES, STORE_COMMITS, STORE_OBJECTS,
    GATEWAYS, WARM_MEMORY, BUILD, CPU, MEMORY, START,
)  # fmt: skip
"""All of them, in the order of the page."""
