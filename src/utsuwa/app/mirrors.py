"""Our own processes, seen as Pods: the gateway in `istio-system`, control in `knative-serving`.

As a kubelet shows its static Pods: a mirror is written, and written again when somebody deletes
it; that neither starts nor stops anything. All it says is read from the record that the supervisor
keeps (`run/processes.json`) and from the kernel: one Pod for each process it watches over, named
anew with each `up`, restarts counted. A gateway that is to replace another has a Pod of its own.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utsuwa import __version__
from utsuwa.app.options import LOOPBACK, Layout
from utsuwa.app.processes import Identity
from utsuwa.cluster.errors import ApiError, NotFoundError
from utsuwa.cluster.port import Cluster, DeleteOptions, Key
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model.kinds import POD
from utsuwa.model.labels import MIRROR

_log = get_logger(__name__)

LOOK_EVERY = 1.0
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Role:
    """What a process is shown as."""

    namespace: str
    pod: str
    labels: tuple[tuple[str, str], ...]


ROLES = {
    "gateway": Role(
        "istio-system",
        "istio-ingressgateway",
        (("app", "istio-ingressgateway"), ("istio", "ingressgateway")),
    ),
    "control": Role("knative-serving", "control", (("app", "control"),)),
    "slots": Role("knative-serving", "slots", (("app", "slots"),)),
}
NAMESPACES = tuple(sorted({role.namespace for role in ROLES.values()}))


@dataclass(frozen=True, slots=True)
class Process:
    """One process as the supervisor tells of it. `life` is its former one: when it began and
    ended, and the exit code, negative for a signal."""

    name: str
    identity: Identity
    child: str
    restarts: int
    life: tuple[float, float, int] | None
    ends: tuple[float, ...] = ()
    """When it ended unasked, the newest last."""

    @property
    def base(self) -> str:
        """`gateway-1 (new)` writes the log of, and is to become, `gateway-1`."""
        return self.name.partition(" ")[0]

    @property
    def role(self) -> Role:
        """`gateway-1` has the role of `gateway`."""
        return ROLES[self.base.partition("-")[0]]


class Mirrors:
    """Keeps the mirrors true. `serving` says whether the gateway is connected."""

    def __init__(
        self,
        cluster: Cluster,
        layout: Layout,
        clock: Clock,
        *,
        node_name: str,
        serving: Callable[[], bool],
    ) -> None:
        self._cluster = cluster
        self._layout = layout
        self._clock = clock
        self._node_name = node_name
        self._serving = serving

    def __repr__(self) -> str:
        return f"<Mirrors of {self._layout.run}>"

    async def run(self) -> None:
        """Look once a second, for ever."""
        while True:
            try:
                await self.look()
            except ApiError as error:
                # A namespace is being deleted, or somebody else wrote: the next look settles it.
                _log.debug("mirror not written", reason=error)
            await self._clock.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Make the Pods say what is so now."""
        wanted = {}
        for process in read(self._layout.run):
            pod = self._document(process)
            wanted[Key(pod["metadata"]["namespace"], pod["metadata"]["name"])] = pod
        for namespace in NAMESPACES:
            for pod in (await self._cluster.list(POD, namespace)).items:
                key = Key(namespace, pod["metadata"]["name"])
                if is_mirror(pod) and (key not in wanted or _is_deleted(pod)):
                    await self._cluster.delete(POD, key, DeleteOptions(grace_seconds=0))
        for key, pod in wanted.items():
            await self._put(key, pod)

    async def _put(self, key: Key, pod: Document) -> None:
        try:
            found = await self._cluster.get(POD, key)
        except NotFoundError:
            found = await self._cluster.create(pod)
        if found.get("status") != pod["status"]:
            await self._cluster.update_status({**found, "status": pod["status"]})

    def log_path(self, pod: Document, previous: bool) -> Path | None:
        """The log of a mirrored process; all its lives write into one."""
        if previous:
            return None
        name = str(dig(pod, "spec", "containers", 0, "name", default=""))
        return self._layout.logs / f"{name}.log"

    def _document(self, process: Process) -> Document:
        running = process.identity.alive
        serves = process.name == "control" or self._serving()
        return document(process, node_name=self._node_name, running=running, serves=serves)


def is_mirror(pod: Document) -> bool:
    """Whether a Pod is one that no node runs."""
    return dig(pod, "metadata", "annotations", MIRROR) is not None


def _is_deleted(pod: Document) -> bool:
    return dig(pod, "metadata", "deletionTimestamp") is not None


def read(run: Path) -> Sequence[Process]:
    """The processes in the supervisor's record."""
    try:
        records = json.loads((run / "processes.json").read_text())
    except FileNotFoundError:
        return ()
    return [
        Process(
            name=record["name"],
            identity=Identity(record["pid"], record["start"]),
            child=record["child"],
            restarts=record["restarts"],
            life=tuple(record["life"]) if record["life"] else None,
            ends=tuple(record.get("ends", ())),
        )
        for record in records
    ]


def document(process: Process, *, node_name: str, running: bool, serves: bool) -> Document:
    """The Pod that mirrors a process."""
    role = process.role
    started = rfc3339(process.identity.started_at())
    name = f"{role.pod}-{_suffix(process.child)}"
    image = f"utsuwa:{__version__}"
    container = {"name": process.base, "image": image, "resources": {}}
    spec = {
        "containers": [container],
        "nodeName": node_name,
        "hostNetwork": True,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 5,
    }
    ready = running and serves
    status = {
        "phase": "Running",
        "hostIP": LOOPBACK,
        "podIP": LOOPBACK,
        "podIPs": [{"ip": LOOPBACK}],
        "startTime": started,
        "conditions": [
            {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": started}
            for kind, holds in (
                ("PodScheduled", True),
                ("Initialized", True),
                ("ContainersReady", ready),
                ("Ready", ready),
            )
        ],
        "containerStatuses": [
            {
                "name": process.base,
                "image": image,
                "imageID": image,
                "containerID": f"process://{process.identity.pid}",
                "ready": ready,
                "started": running,
                "restartCount": process.restarts,
                "state": {"running": {"startedAt": started}}
                if running
                else {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": _last(process.life),
            }
        ],
    }
    pod = POD.document(role.namespace, name, spec=spec, status=status)
    pod["metadata"]["labels"] = dict(role.labels)
    pod["metadata"]["annotations"] = {MIRROR: process.child}
    return pod


def _last(life: tuple[float, float, int] | None) -> Document:
    if life is None:
        return {}
    began, ended, code = life
    told = {
        "exitCode": 128 - code if code < 0 else code,  # as a kubelet tells of a signal
        "reason": "Completed" if code == 0 else "Error",
        "startedAt": rfc3339(began),
        "finishedAt": rfc3339(ended),
    }
    return {"terminated": told}


def _suffix(child: str) -> str:
    """Five characters, always the same ones for a child."""
    digest: Iterable[int] = hashlib.sha256(child.encode()).digest()[:5]
    return "".join(_SUFFIX[byte % len(_SUFFIX)] for byte in digest)
