"""The steps of the experiment, one after another. Blocking; the load runs on a loop of its own."""

import asyncio
import signal
import sys
from typing import Any

from utsuwa.app.api import ApiRefusedError, Client, NoServerError, Resource, read
from utsuwa.app.demo import screen
from utsuwa.app.demo.cluster import Cluster, DemoError, samples
from utsuwa.app.demo.plan import (
    CONCURRENCIES,
    CONNECTIONS,
    DOMAIN,
    IMAGE,
    NAME,
    NAMESPACE,
    SLEEP_MS,
    DemoOptions,
    Figures,
    Outcome,
    complaints,
    service,
)
from utsuwa.app.demo.scale import Scale
from utsuwa.kit.clock import SystemClock
from utsuwa.model.kinds import CONFIG_MAP, POD, SERVICE

_SERVICES = Resource(SERVICE.api_version, SERVICE.plural)
_PODS = Resource(POD.api_version, POD.plural)
_CONFIG_MAPS = Resource(CONFIG_MAP.api_version, CONFIG_MAP.plural)
_READY_WITHIN = 60.0
_ZERO_BEYOND_WINDOW = 60.0
"""Seconds after the stable window within which the last pod must have gone."""
_LOOK_EVERY = 0.05

Document = dict[str, Any]


def run(options: DemoOptions) -> int:
    """Do it all. Returns 0 when no request failed and the pods were as many as they should; else
    1, with a line on stderr that says why. Ctrl-C and SIGTERM clean up, and raise
    KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    clock = SystemClock()
    try:
        _say(screen.introduction(options))
        with Cluster(clock) as cluster:
            try:
                return Demo(options, cluster, clock).run()
            except (NoServerError, ApiRefusedError) as error:
                raise DemoError(str(error)) from error
    except DemoError as error:
        _say_error(f"utsuwa demo: {error}")
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)


class Demo:
    """One experiment on a running cluster."""

    def __init__(self, options: DemoOptions, cluster: Cluster, clock: SystemClock) -> None:
        self._options = options
        self._cluster = cluster
        self._clock = clock
        self._client = Client(read(cluster.layout.kubeconfig))
        self._scale = Scale(self._client, clock.pause)

    def __repr__(self) -> str:
        return f"<Demo on {self._cluster}>"

    def run(self) -> int:
        """Prepare, both runs, and the verdict."""
        _say(f"A cluster of its own runs in {self._cluster.directory}.")
        self._prepare()
        self._scale.start()
        outcomes = []
        for concurrency in CONCURRENCIES:
            revision = self._deploy(concurrency)
            self._wait_for_zero()
            outcomes.append(self._load(revision, concurrency))
        self._wait_for_zero()
        self._scale.stop()
        _say("\n" + screen.comparison(outcomes) + "\n")
        found = complaints(self._options, outcomes)
        if self._options.keep:
            self._stay()
        if found:
            raise DemoError("; ".join(found))
        pods = " and ".join(str(outcome.ready) for outcome in outcomes)
        _say(f"As it should be: no request failed, {pods} pods, and back to zero.")
        return 0

    # --- steps ----------------------------------------------------------------------------------

    def _prepare(self) -> None:
        from utsuwa.node.images import BuildError, ImageStore

        try:
            ImageStore(self._cluster.layout.images).build(samples() / "autoscale", IMAGE)
        except BuildError as error:
            raise DemoError(f"samples/autoscale cannot be built: {error}") from error
        settings = {"data": self._options.settings}
        self._client.patch(_CONFIG_MAPS, "knative-serving", "config-autoscaler", settings)

    def _deploy(self, concurrency: int) -> str:
        """Create or update the service; answers the revision that is ready then."""
        _say(f"Deploying {NAME} with containerConcurrency {concurrency}.")
        wanted = service(concurrency)
        try:
            stored = self._client.create(_SERVICES, wanted)
        except ApiRefusedError as error:
            if error.reason != "AlreadyExists":
                raise
            stored = self._client.patch(_SERVICES, NAMESPACE, NAME, {"spec": wanted["spec"]})
        generation = stored["metadata"]["generation"]
        deadline = self._clock.monotonic() + _READY_WITHIN
        condition: Document = {}
        while self._clock.monotonic() < deadline:
            status = self._client.get(_SERVICES, NAMESPACE, NAME).get("status") or {}
            condition = _ready_condition(status)
            fresh = status.get("observedGeneration") == generation
            if fresh and condition.get("status") == "True":
                return str(status["latestReadyRevisionName"])
            if fresh and condition.get("status") == "False":
                break
            self._clock.pause(_LOOK_EVERY)
        raise DemoError(f"{NAME} did not become ready: {condition.get('message') or condition}")

    def _wait_for_zero(self) -> None:
        window = self._options.stable_window
        _say(f"Waiting until it is at zero (the stable window of {window} s must pass).")
        started = self._clock.monotonic()
        deadline = started + window + _ZERO_BEYOND_WINDOW
        while self._scale.pods() or self._pods_listed():
            if self._clock.monotonic() > deadline:
                raise DemoError(
                    f"{self._scale.pods()} pods are still there "
                    f"{window + _ZERO_BEYOND_WINDOW:g} s after the last request"
                )
            if not self._cluster.alive():
                raise DemoError("the cluster has ended in the middle of the demo")
            self._clock.pause(_LOOK_EVERY)
        _say(f"At zero after {self._clock.monotonic() - started:.0f} s.")

    def _pods_listed(self) -> int:
        """Asked for once the watch knows of none: it may not have begun to tell yet."""
        return len(self._client.list(_PODS, NAMESPACE)["items"])

    def _load(self, revision: str, concurrency: int) -> Outcome:
        from utsuwa.app.load import Load, Progress, render

        load = Load(
            url=f"http://127.0.0.1:{self._cluster.gateway_port}/?sleep={SLEEP_MS}",
            host=f"{NAME}.{NAMESPACE}.{DOMAIN}",
            requests=self._options.requests,
            connections=CONNECTIONS,
        )
        _say(f"Load on {revision}, from zero.\n\n{screen.LIVE_HEAD}")

        def show(progress: Progress) -> None:
            live = screen.Live(
                second=round(progress.elapsed),
                answered=progress.second,
                outstanding=progress.in_flight,
                desired=self._scale.desired(revision),
                ready=self._scale.ready(revision),
                concurrency=concurrency,
            )
            _say(screen.live_line(live))

        results = _run_load(load, self._clock, show)
        _say(render(results))
        desired, ready = self._scale.peaks(revision)
        figures = Figures(
            requests=results.done,
            rate=results.rate,
            slowest=results.slowest,
            errors=results.failures,
            pods=ready,
        )
        return Outcome(concurrency, figures, desired, ready)

    def _stay(self) -> None:
        _say(f"The cluster stays: export KUBECONFIG={self._cluster.layout.kubeconfig}")
        _say(f"The gateway is at http://127.0.0.1:{self._cluster.gateway_port}. Ctrl-C ends it.")
        while self._cluster.alive():
            self._clock.pause(0.5)


def _run_load(load: Any, clock: SystemClock, show: Any) -> Any:
    import uvloop

    from utsuwa.app.load import run as send

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(send(load, clock, show))


def _ready_condition(status: Document) -> Document:
    conditions: list[Document] = status.get("conditions") or []
    return next((c for c in conditions if c["type"] == "Ready"), {})


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  (a demo speaks to people)


def _say_error(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  (as above)
