"""The words spoken over the link between control and gateway (design: the link).

One unix socket, frames of :mod:`utsuwa.kit.framing`, each body one of the tagged structs below.
Control listens, the gateway dials and says :class:`Hello`; control answers with a
:class:`Snapshot`, then :class:`Delta`; the gateway acknowledges each version once every request
that arrives from then on is served by it. When the link is lost the gateway serves on with what
it has and dials again; the next snapshot replaces the whole table, without disturbing requests on
endpoints that are in both.
"""

import msgspec

LATENCY_BOUNDS = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""Upper bounds in seconds of the original's histograms of request times (`spec/dataplane.md` §11);
one more bucket is for all that took longer."""

RevisionName = str
"""`namespace/name` of a Revision."""


class Probe(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to see that an endpoint answers: `tcp` (connect), `http` (GET path, 200-399), or `none`
    (the gateway cannot tell, such as with an exec probe: wait until control says ready)."""

    kind: str = "tcp"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    port: int = 0
    """Port to probe; 0 is the endpoint's own."""


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pod of a revision, known by its uid for as long as it lives."""

    uid: str
    host: str
    port: int
    ready: bool = False
    """Control has seen it ready. Until then the gateway probes it itself, and uses it at once
    when it answers. One that was ready and is so no more gets no new request."""
    draining: bool = False
    """Give it no new request; say :class:`Drained` when its last one has ended."""
    decided: float = 0.0
    """Unix seconds at which it was decided that there shall be so many pods; 0 is unknown."""
    started: float = 0.0
    """Unix seconds at which its process was started; 0 is unknown."""
    failing: bool = False
    """It runs, and its readiness probe fails. One that was ready before comes back when control
    says so, and not because it accepts connections."""
    pod: str = ""
    """The Pod's name."""
    origin: str = ""
    """What its process came from, such as `warm parent`; empty: started anew."""


class RevisionTable(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the gateway must know of a revision. Times in seconds, 0 is off."""

    name: RevisionName
    concurrency: int = 0
    """containerConcurrency: hard limit of requests in flight per endpoint; 0 is none."""
    timeout: float = 300.0
    response_start_timeout: float = 0.0
    idle_timeout: float = 0.0
    protocol: str = "http1"
    probe: Probe = Probe()
    endpoints: tuple[Endpoint, ...] = ()
    session_affinity: bool = False
    """A client's further requests go to the pod that answered its first, as long as that can."""
    receipts: bool = False
    """Answers to requests that waited for a cold start say what it cost (`Server-Timing`), whether
    or not their clients ask for it."""
    service: str = ""
    """The Service that it belongs to."""
    configuration: str = ""
    """The Configuration that it belongs to."""
    freeze_after: float = 0.0
    """A pod without a request for so long may be frozen; 0 is never."""
    unavailable: str = ""
    """When not empty: no pod of this revision can start, and why. Requests that wait get 503."""


class Split(msgspec.Struct, frozen=True, omit_defaults=True):
    """A share of a host's requests. Percents of one host add up to 100."""

    revision: RevisionName
    percent: int = 100
    headers: tuple[tuple[str, str], ...] = ()
    """Set on the request to the pod."""


class TaggedSplits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where requests of a host go that name `tag` in `Knative-Serving-Tag`."""

    tag: str
    splits: tuple[Split, ...]


class HostTable(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where requests of one host (lower case, no port) go."""

    host: str
    splits: tuple[Split, ...]
    route: str = ""
    """`namespace/name` of the Route."""
    tag: str = ""
    tagged: tuple[TaggedSplits, ...] = ()
    """Exceptions to `splits`; none unless tag header routing is on (`spec/dataplane.md` §10)."""
    follows: str = ""
    """The host whose splits these are to be, whatever they are. Gateways are told the splits."""
    certificate: str = ""
    """`namespace/name` of the :class:`Certificate` that TLS for this host is served with."""
    redirect: bool = False
    """Requests that come without TLS are sent to https."""
    inside: bool = False
    """A name inside the cluster: not for who comes from outside."""


class Certificate(msgspec.Struct, frozen=True):
    """A certificate with its chain, and its key, both PEM. It lives in memory alone: never log
    it, never put it into an error."""

    name: str
    """`namespace/name` of the Secret."""
    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"<Certificate {self.name}>"


class RequestLog(msgspec.Struct, frozen=True, omit_defaults=True):
    """How requests are logged (`spec/dataplane.md` §12)."""

    template: str = ""
    """Of each line; none while nothing is logged."""
    probes: bool = False
    """Also those that the platform answers itself."""


# --- control to gateway -------------------------------------------------------------------------


class Snapshot(msgspec.Struct, tag="snapshot", frozen=True):
    """The whole table. `epoch` names this run of control: versions count within it."""

    epoch: str
    version: int
    hosts: tuple[HostTable, ...]
    revisions: tuple[RevisionTable, ...]
    certificates: tuple[Certificate, ...] = ()
    request_log: RequestLog = RequestLog()


class Delta(msgspec.Struct, tag="delta", frozen=True, omit_defaults=True):
    """What changed since `version - 1`: whole entries replace those of the same name."""

    version: int
    hosts: tuple[HostTable, ...] = ()
    revisions: tuple[RevisionTable, ...] = ()
    removed_hosts: tuple[str, ...] = ()
    removed_revisions: tuple[RevisionName, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    removed_certificates: tuple[str, ...] = ()
    request_log: RequestLog | None = None
    """None: as it was."""


class Elsewhere(msgspec.Struct, tag="elsewhere", frozen=True, omit_defaults=True):
    """What other gateways hold of the hard limits, as a whole: it replaces what was said before.

    Without a word of this kind since the link is up, nothing is held elsewhere.
    """

    held: tuple[tuple[str, int], ...] = ()
    """Requests by endpoint uid; those not named hold none."""
    all: bool = False
    """Another gateway serves, and has not begun to leave: every limited endpoint is full."""

    def held_of(self, uid: str) -> int:
        """Requests that others have on the endpoint `uid`."""
        return sum(count for other, count in self.held if other == uid)


class Tracing(msgspec.Struct, tag="tracing", frozen=True):
    """Which requests are to be traced. Without a word of this kind since the link is up: none."""

    rate: float
    """Of those that say nothing of a trace, this share; below 0: trace none at all."""


# --- gateway to control -------------------------------------------------------------------------


class Hello(msgspec.Struct, tag="hello", frozen=True, omit_defaults=True):
    """First word of a gateway."""

    gateway: str
    """Unique per gateway process, such as `gateway-0-4711`."""
    pid: int = 0


class Ack(msgspec.Struct, tag="ack", frozen=True):
    """Every request from now on is served by the table of `epoch` at `version`."""

    epoch: str
    version: int


class Wake(msgspec.Struct, tag="wake", frozen=True):
    """A first request came for a revision that was idle (`spec/autoscaling.md` §2.3): sent at
    once. Stands for a statistic of concurrency 1, count 1 at `time`."""

    revision: RevisionName
    time: float
    path: str = ""
    client: str = ""
    method: str = ""


class RevisionStats(msgspec.Struct, frozen=True, omit_defaults=True):
    """One revision's figures for one whole second of wall time, exact and time-weighted."""

    revision: RevisionName
    concurrency: float
    """Average number of requests inside (in flight and waiting), over the part of the second for
    which the revision was in use; the request told by :class:`Wake` is deducted once."""
    requests: float
    """Requests that arrived, likewise deducted."""
    in_flight: int = 0
    """At the end of the second, on pods."""
    waiting: int = 0
    """At the end of the second, held."""
    tunnels: int = 0
    """At the end of the second, open WebSockets among those in flight."""
    completed: int = 0
    """Answers that ended in this second, by class below."""
    status: tuple[int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0)
    """Ended in this second with 1xx, 2xx, 3xx, 4xx, 5xx, and by the client leaving (499)."""
    platform_errors: int = 0
    """Answers made by the gateway itself (502, 503, 504) among them."""
    latency: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """p50, p95 and p99 in seconds of those that ended."""
    buckets: tuple[int, ...] = ()
    """How many of those that ended fall into each bucket of :data:`LATENCY_BOUNDS`; none told where
    none ended."""
    latency_sum: float = 0.0
    """Seconds of those that ended, all together."""


class ColdStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a request that found no pod waited for, and until when; Unix seconds, 0 is unknown."""

    revision: RevisionName
    uid: str
    """The pod that answered."""
    queued: float
    decided: float = 0.0
    started: float = 0.0
    listening: float = 0.0
    """When a connection to the pod first succeeded."""
    ready: float = 0.0
    """When the gateway gave it requests."""
    first_byte: float = 0.0
    """When its answer began."""
    method: str = ""
    path: str = ""
    status: int = 0
    origin: str = ""
    """As :attr:`Endpoint.origin`."""
    thawed: float = 0.0
    """When its pod, which was frozen, ran again; all moments of a start are 0 then."""


class ColdStarts(msgspec.Struct, tag="cold-starts", frozen=True):
    """Every cold start whose answer has begun since the last word of this kind; once a second."""

    starts: tuple[ColdStart, ...]


class Stats(msgspec.Struct, tag="stats", frozen=True):
    """Once a second, just after the second `second` (Unix, whole) has ended; only revisions in
    use, and each once more with 0 when it has become idle (`spec/autoscaling.md` §2.3)."""

    second: int
    revisions: tuple[RevisionStats, ...]


class EndpointUp(msgspec.Struct, tag="up", frozen=True):
    """The gateway's own probe found the endpoint answering."""

    revision: RevisionName
    uid: str


class Drained(msgspec.Struct, tag="drained", frozen=True):
    """No request is left on a draining endpoint, and none will come."""

    revision: RevisionName
    uid: str


class Draining(msgspec.Struct, tag="draining", frozen=True, omit_defaults=True):
    """What is left on a draining endpoint that has drained for more than a second; said again
    when that has changed, once a second at most."""

    revision: RevisionName
    uid: str
    requests: int = 0
    """Under way, tunnels not counted."""
    tunnels: int = 0
    """WebSockets and the like."""
    tunnel_seconds: float = 0.0
    """How long after the beginning of the drain tunnels are ended."""


class Resting(msgspec.Struct, tag="resting", frozen=True):
    """An endpoint had no request from this gateway for `idle` seconds, and gets none before it has
    been woken: as far as this gateway is concerned it may be frozen."""

    revision: RevisionName
    uid: str
    idle: float


class Woken(msgspec.Struct, tag="woken", frozen=True, omit_defaults=True):
    """An endpoint is in use again, and may not be frozen before :class:`Resting`."""

    revision: RevisionName
    uid: str
    frozen: bool = False
    """It was frozen, and the gateway has thawed it."""
    help: bool = False
    """The gateway could not thaw it: whoever froze it has to."""


class Traced(msgspec.Struct, frozen=True, omit_defaults=True):
    """One traced request, with its moments in Unix seconds, 0 where there was none."""

    revision: RevisionName
    uid: str
    """The pod that it went to; "" is none."""
    trace: bytes
    parent: bytes
    """The caller's span; empty where the trace begins here."""
    span: bytes
    """Of the request."""
    upstream: bytes
    """The span that the pod was told."""
    arrived: float
    ended: float
    granted: float = 0.0
    """When it got its place on a pod."""
    first_byte: float = 0.0
    """When its answer began."""
    waited: bool = False
    """It had to wait for its place."""
    method: str = ""
    path: str = ""
    host: str = ""
    client: str = ""
    scheme: str = ""
    status: int = 0
    decided: float = 0.0
    """This and the next three: of the pod, where the request found none (:class:`ColdStart`)."""
    started: float = 0.0
    listening: float = 0.0
    ready: float = 0.0


class Traces(msgspec.Struct, tag="traces", frozen=True):
    """Traced requests that have ended since the last word of this kind; once a second."""

    requests: tuple[Traced, ...]
    dropped: int
    """Others that there was no room for."""


class Leaving(msgspec.Struct, tag="leaving", frozen=True, omit_defaults=True):
    """The gateway takes no new request for a revision with a hard limit; said at first when its
    successor serves, and again as requests end."""

    held: tuple[tuple[str, int], ...] = ()
    """Requests that it still has, by endpoint uid, of revisions with a hard limit."""


ToGateway = Snapshot | Delta | Elsewhere | Tracing
Said = EndpointUp | Drained | Draining | Resting | Woken
"""Of one endpoint."""
ToControl = Hello | Ack | Wake | Stats | ColdStarts | Traces | Said | Leaving

to_gateway = msgspec.msgpack.Decoder(ToGateway)
to_control = msgspec.msgpack.Decoder(ToControl)
