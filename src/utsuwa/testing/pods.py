"""A node that runs no process: pods fare as their images are said to, on virtual time."""

import asyncio
import contextlib
from enum import Enum

from utsuwa.cluster.errors import ConflictError, NotFoundError
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Cluster, DeleteOptions, Key, Preconditions
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.images import parse_reference
from utsuwa.model.kinds import POD
from utsuwa.node.pods import bound

NODE = "fake-node"
START = 0.05
"""Seconds until a container is ready, or has ended."""
AGAIN = 10.0
"""Seconds after which a container that failed is tried again."""


class Fate(Enum):
    """How the containers of an image fare."""

    WORKS = "works"
    CRASHES = "crashes"
    NEVER_READY = "never ready"
    GONE = "gone"
    """The image is no longer in the store of the node."""


class FakeNode:
    """Binds every Pod, lets it fare by its image's repository, and removes it when it is deleted.

    Mutable state: `fates` by repository (those not named work), which a test may change at any
    time; `_lives`, the pods at work by uid.
    """

    def __init__(self, cluster: Cluster, informers: Informers, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._pods = informers.of(POD)
        self._tasks: TaskSet | None = None
        self._lives: dict[str, asyncio.Event] = {}
        self._port = 20000
        self.fates: dict[str, Fate] = {}

    def __repr__(self) -> str:
        return f"<FakeNode {len(self._lives)} pods>"

    def start(self, tasks: TaskSet) -> None:
        """Follow the pods."""
        self._tasks = tasks
        self._pods.on_change(self._changed)

    def set_fate(self, repository: str, fate: Fate) -> None:
        """From now on the containers of `repository` fare so, also those that run."""
        self.fates[repository] = fate
        for event in self._lives.values():
            event.set()

    def _changed(self, old: Document | None, new: Document | None) -> None:
        present = new or old
        if present is None or self._tasks is None:
            return
        uid = present["metadata"]["uid"]
        if uid in self._lives:
            if new is None or dig(new, "metadata", "deletionTimestamp"):
                self._lives[uid].set()
        elif new is not None:
            self._lives[uid] = asyncio.Event()
            self._tasks.start(self._live(new), name=f"pod {key_of(new)}")

    async def _live(self, pod: Document) -> None:
        uid, key = pod["metadata"]["uid"], key_of(pod)
        self._port += 1
        with contextlib.suppress(NotFoundError, ConflictError):
            patch = {**bound(pod, NODE, self._port), "metadata": {"uid": uid}}
            await self._cluster.merge(POD, key, patch)
            await self._run(uid, key)
        del self._lives[uid]

    async def _run(self, uid: str, key: Key) -> None:
        restarts, last = 0, None
        while True:
            self._lives[uid].clear()
            pod = await self._cluster.get(POD, key)
            if pod["metadata"]["uid"] != uid:
                return
            if dig(pod, "metadata", "deletionTimestamp"):
                await self._clock.sleep(START)
                gone = DeleteOptions(grace_seconds=0, preconditions=Preconditions(uid))
                await self._cluster.delete(POD, key, gone)
                return
            await self._clock.sleep(START)
            fate = self._fate(pod)
            if fate is Fate.CRASHES:
                restarts += 1
                last = {"exitCode": 1, "message": "no database", "reason": "Error"}
            status = _status(pod, fate, restarts, last, rfc3339(self._clock.now()))
            patch = {"metadata": {"uid": uid}, "status": status}
            await self._cluster.merge(POD, key, patch, subresource="status")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if fate is Fate.WORKS else AGAIN):
                    await self._lives[uid].wait()

    def _fate(self, pod: Document) -> Fate:
        image = pod["spec"]["containers"][0]["image"]
        return self.fates.get(parse_reference(image).repository, Fate.WORKS)


def _status(pod: Document, fate: Fate, restarts: int, last: Document | None, now: str) -> Document:
    ready = fate is Fate.WORKS
    container: Document = {
        "name": pod["spec"]["containers"][0]["name"],
        "ready": ready,
        "restartCount": restarts,
        "lastState": {"terminated": last} if last else {},
        "state": _state(fate),
    }
    why: Document = {}
    if not ready:
        why = {"reason": "ContainersNotReady", "message": "containers with unready status"}
    if fate is Fate.NEVER_READY:
        why = {"reason": "ReadinessProbeFailed", "message": "connection refused"}
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
        {"type": "Initialized", "status": "True", "lastTransitionTime": now},
        *(
            {"type": kind, "status": str(ready), "lastTransitionTime": now, **why}
            for kind in ("ContainersReady", "Ready")
        ),
    ]
    phase = "Pending" if fate is Fate.GONE else "Running"
    return {
        "phase": phase,
        "podIP": "127.0.0.1",
        "conditions": conditions,
        "containerStatuses": [container],
    }


def _state(fate: Fate) -> Document:
    if fate is Fate.GONE:
        return {"waiting": {"reason": "ImagePullBackOff", "message": "the image is not there"}}
    if fate is Fate.CRASHES:
        return {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    return {"running": {}}
