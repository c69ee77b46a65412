"""A revision as the gateway serves it: its line of requests, its books and its pods.

What control says of it is laid over what is there: a pod known by its uid keeps its connections and
requests, whatever else changes around it.
"""

from collections.abc import Callable, Iterable
from math import inf

from utsuwa.gateway.accounting import Usage
from utsuwa.gateway.admission import Admission
from utsuwa.gateway.core import Core
from utsuwa.gateway.exchange import Caller
from utsuwa.gateway.http1.request import Peer
from utsuwa.gateway.http2.upstream import Http2Pod
from utsuwa.gateway.pod import Pod
from utsuwa.gateway.resting import let_rest
from utsuwa.kit.log import get_logger
from utsuwa.routing.messages import (
    Drained,
    Draining,
    Elsewhere,
    Endpoint,
    EndpointUp,
    Probe,
    RevisionTable,
    Wake,
)

_log = get_logger(__name__)
_SUCCESSOR = ""
"""The uid under which the gateway that replaces us stands among the pods."""
_SUCCESSOR_RETRY = 0.1

Prove = Callable[[Pod], None]
"""Starts to probe a pod until it answers, then calls its revision's `proven`."""


class Revision(Admission[Pod]):
    """A revision as the gateway serves it.

    Mutable state: that of :class:`Admission`, `pods` by uid, `usage` (None while it is idle), and
    what control says of it.
    """

    __slots__ = (
        "_declared", "configuration", "core", "freeze_after", "http2", "idle_timeout", "name", "patience", "pods", "prepares", "probe", "prove",
        "receipts", "response_start_timeout", "service", "sticky", "successor", "timeout", "unavailable",
        "undecided", "usage",
    )  # fmt: skip

    def __init__(self, core: Core, name: str, prove: Prove) -> None:
        super().__init__(0, core.limits.queue)
        self.core = core
        self.name = name
        self.prove = prove
        self.pods: dict[str, Pod] = {}
        self.usage: Usage | None = None
        self.successor: Pod | None = None
        self.prepares = core.tracer is not None
        """Requests to it are changed: by their split, or because they may be traced."""
        self.sticky = False
        self.receipts = False
        self.freeze_after = 0.0
        self.http2 = self.undecided = False
        self._declared = self.service = self.configuration = ""
        self.unavailable = ""
        self.probe = Probe()
        self.timeout = self.response_start_timeout = self.idle_timeout = 0.0
        self.patience = inf

    # --- requests -------------------------------------------------------------------------------

    def first_request(self, now: float, method: bytes, target: bytes, peer: Peer) -> Usage:
        """The revision was idle: open its books and wake it (`spec/autoscaling.md` §2.3)."""
        usage = self.usage = self.core.accounts.open(
            self.name, now, waiting=self._count_waiting, forgotten=self._forgotten
        )
        self.wake(method, target, peer.address)
        return usage

    def wake(self, method: bytes = b"", target: bytes = b"", client: bytes = b"") -> None:
        """Tell control that a request has come."""
        told = (text.decode("latin-1") for text in (target[:1024], client, method))
        self.core.send(Wake(self.name, self.core.clock.now(), *told))

    def _count_waiting(self) -> int:
        # A request that has a slot but no connection yet is on its pod.
        return len(self.waiting)

    def _forgotten(self) -> None:
        self.usage = None

    def deadline(self, arrival: float, *, last_write: float, started: bool) -> float:
        """When a request that arrived at `arrival` must end (`spec/dataplane.md` §5).

        `started`: its answer has begun; `last_write` is when more of it was last written, or
        `arrival`.
        """
        due = arrival + self.timeout if self.timeout else inf
        if self.response_start_timeout and not started:
            due = min(due, arrival + self.response_start_timeout)
        if self.idle_timeout:
            due = min(due, last_write + self.idle_timeout)
        return due

    def refuse_if_hopeless(self) -> None:
        """Send away who waits when control says that no pod can come."""
        if self.unavailable and not any(pod.usable for pod in self.pods.values()):
            self.refuse_waiting(f"revision {self.name} is unavailable: {self.unavailable}")

    # --- pods -----------------------------------------------------------------------------------

    def proven(self, pod: Pod) -> None:
        """Our own probe saw `pod` answer."""
        if self.pods.get(pod.uid) is pod and not pod.draining:
            pod.proven = True
            self.core.send(EndpointUp(self.name, pod.uid))
            self.open(pod)

    def unreachable(self, pod: Pod, requests: Iterable[Caller]) -> None:
        """`pod` does not accept connections: `requests` go back to the line, it must prove itself."""
        was_usable = pod.usable
        self.close(pod)
        if pod is self.successor:
            was_usable = False
            self.core.loop.call_later(_SUCCESSOR_RETRY, self.open, pod)
        pod.proven = False
        pod.birth.again()
        returned = list(requests)
        for request in returned:
            request.disconnected()
        if was_usable and not pod.draining and self.pods.get(pod.uid) is pod:
            self.prove(pod)
        self.give_back(pod, returned)

    def lessened(self, pod: Pod) -> None:
        """A request of an unusable pod has ended."""
        if pod.draining and pod.own == 0:
            self.retire(pod)
        if self.successor is not None:
            self.core.lessened()

    def leave(self, host: str, port: int) -> None:
        """Another gateway, at `host` and `port`, has the slots that we do not use: what waits and
        what still comes over our connections goes to it, and it queues it with its own."""
        for pod in self.pods.values():
            self.close(pod)
        self.successor = Pod(self.core, self, _SUCCESSOR, host, port)
        self.successor.told_ready = True
        self.pods[_SUCCESSOR] = self.successor
        self.set_limit(0)
        self.open(self.successor)

    def open(self, backend: Pod) -> None:
        """`backend` may get requests, unless they all go to our successor."""
        backend.birth.used(self.core.clock.now())
        if self.successor in {None, backend}:
            super().open(backend)

    @property
    def handed_on(self) -> int:
        """Requests that are in our successor's books as well."""
        return self.successor.in_flight if self.successor is not None else 0

    def occupied(self, elsewhere: Elsewhere) -> None:
        """What other gateways hold of our pods."""
        for pod in self.pods.values():
            self.occupy(pod, self._held(pod, elsewhere))

    def _held(self, pod: Pod, elsewhere: Elsewhere) -> int:
        if not self.limit:
            return 0
        return self.limit if elsewhere.all else elsewhere.held_of(pod.uid)

    def spare(self, pod: Pod) -> None:
        """`pod` has a connection that nobody uses yet: it is kept for the next request."""

    def retire(self, pod: Pod) -> None:
        """Give `pod` no new request; say so once it holds none."""
        pod.draining = True
        self._stop_proving(pod)
        self.close(pod)
        if pod.own == 0:
            pod.close_idle()
            if pod.rest is not None:
                pod.rest.leave()
            self.core.drains.pop(pod, None)
            self.core.send(Drained(self.name, pod.uid))
        else:
            self.core.drains[pod] = None
            pod.leave()

    def tell_left(self, pod: Pod) -> None:
        """Tell control what is left on `pod`, if it was not told so and this is not the first time
        of asking: most pods are drained before the second."""
        left = pod.left()
        if pod.told_left is None:
            pod.told_left = Draining(self.name, pod.uid)
        elif pod.told_left != left:
            pod.told_left = left
            self.core.send(left)

    # --- control --------------------------------------------------------------------------------

    def update(self, table: RevisionTable) -> None:
        """What control says now."""
        self.timeout = table.timeout
        self.response_start_timeout = table.response_start_timeout
        self.idle_timeout = table.idle_timeout
        self.patience = self.deadline(0.0, last_write=0.0, started=False)
        if table.protocol != "auto":
            self.http2, self.undecided = table.protocol == "h2c", False
        elif self._declared != "auto":
            self.http2, self.undecided = False, True
        self._declared = table.protocol
        self.sticky = table.session_affinity
        self.receipts = table.receipts
        self.service, self.configuration = table.service, table.configuration
        self.probe = table.probe
        self.unavailable = table.unavailable
        self.freeze_after = table.freeze_after
        self.packs = table.freeze_after > 0  # else each gets its turn, and none ever rests
        if self.successor is None and table.concurrency != self.limit:
            self.set_limit(table.concurrency)
            self.occupied(self.core.elsewhere)
            if self.limit and self.core.successor is not None:
                self.leave(*self.core.successor)
        gone = self.pods.keys() - {endpoint.uid for endpoint in table.endpoints} - {_SUCCESSOR}
        for endpoint in table.endpoints:
            self._endpoint(endpoint)
        for uid in gone:
            self.retire(self.pods.pop(uid))
        self.refuse_if_hopeless()

    def _endpoint(self, endpoint: Endpoint) -> None:
        pod = self.pods.get(endpoint.uid)
        if pod is not None and (pod.host, pod.port) != (endpoint.host, endpoint.port):
            self.retire(self.pods.pop(endpoint.uid))
            pod = None
        fresh = pod is None
        if pod is None:
            made = Http2Pod if self.http2 else Pod
            pod = made(self.core, self, endpoint.uid, endpoint.host, endpoint.port)
            self.pods[endpoint.uid] = pod
            self.occupy(pod, self._held(pod, self.core.elsewhere))
        pod.name = endpoint.pod
        let_rest(pod, self.freeze_after)
        pod.birth.told(endpoint)
        was_ready, pod.told_ready = pod.told_ready, endpoint.ready
        if endpoint.draining:
            if not pod.draining:
                self.retire(pod)
        elif pod.draining:
            pass  # it was given up; a pod does not come back
        elif not endpoint.ready:
            self._not_ready(pod, endpoint, asked=fresh, lost=was_ready)
        elif not was_ready:
            pod.withdrawn = False
            if self.undecided:
                self.prove(pod)
            else:
                self._trust(pod)  # but not again one that has refused us since

    def _not_ready(self, pod: Pod, endpoint: Endpoint, *, asked: bool, lost: bool) -> None:
        """Control does not call `pod` ready: it is new (`asked`), or was ready (`lost`)."""
        if lost:
            _log.info("pod is not ready any more", revision=self.name, pod=pod.uid)
            self.close(pod)
            pod.proven = False
            self._stop_proving(pod)
            pod.withdrawn = endpoint.failing
        released = pod.withdrawn and not endpoint.failing
        pod.withdrawn = pod.withdrawn and endpoint.failing
        if (asked or lost or released) and not pod.withdrawn:
            self._prove_alone(pod)

    def _prove_alone(self, pod: Pod) -> None:
        """Find out ourselves whether `pod` answers, if we can tell."""
        if self.probe.kind != "none" or pod.told_ready:
            self.prove(pod)

    def _stop_proving(self, pod: Pod) -> None:
        if pod.prober is not None:
            pod.prober.cancel()
            pod.prober = None

    def decide(self, http2: bool) -> None:
        """A pod has shown what they all speak: use them as such from now on."""
        self.http2, self.undecided = http2, False
        for uid, pod in list(self.pods.items()):
            self._stop_proving(pod)
            if uid == _SUCCESSOR or pod.draining or pod.withdrawn:
                continue
            if not http2:
                self._prove_alone(pod)
                continue
            fresh = self.pods[uid] = Http2Pod(self.core, self, uid, pod.host, pod.port)
            fresh.told_ready = pod.told_ready
            fresh.name, fresh.birth = pod.name, pod.birth
            if pod.rest is not None:
                pod.rest.leave()
            let_rest(fresh, self.freeze_after)
            self.occupy(fresh, pod.elsewhere)
            self._prove_alone(fresh)

    def _trust(self, pod: Pod) -> None:
        self._stop_proving(pod)
        pod.proven = True
        self.open(pod)

    def remove(self) -> None:
        """Control knows the revision no more."""
        for pod in self.pods.values():
            self.retire(pod)
        self.pods.clear()
        self.refuse_waiting(f"revision {self.name} is gone: see `utsuwa revisions`")

    def resend(self) -> None:
        """Tell a control that has just connected what it may have missed."""
        if self.waiting:
            self.wake()
        for pod in self.pods.values():
            if pod.draining and pod.own == 0:
                self.core.send(Drained(self.name, pod.uid))
            elif pod.draining:
                pod.told_left = None
            elif pod.usable and not pod.told_ready:
                self.core.send(EndpointUp(self.name, pod.uid))
            if pod.rest is not None:
                pod.rest.tell()
