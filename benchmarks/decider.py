"""What a tick of the autoscaler costs with thousands of active revisions."""

import asyncio
import statistics
import time

from utsuwa.autoscale.parameters import resolve
from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.controllers.podautoscaler import Scaler
from utsuwa.controllers.podautoscaler.scaler import Target
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model import labels
from utsuwa.model.config_autoscaler import AutoscalerConfig
from utsuwa.model.kinds import POD
from utsuwa.routing.messages import RevisionStats, Stats
from utsuwa.testing.cluster import memory_cluster

REVISIONS = 5000
TICKS = 40
WARM_UP = 5


class Driven:
    """A clock that stands still until it is pushed; `sleeping` is set while the ticker waits."""

    def __init__(self) -> None:
        self._now = 1_700_000_000.0
        self._waiting: asyncio.Future[None] | None = None
        self._due = 0.0
        self.sleeping = asyncio.Event()

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def monotonic(self) -> float:
        """The same."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Until pushed there; a breath does not count."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._due = self._now + seconds
        self._waiting = asyncio.get_running_loop().create_future()
        self.sleeping.set()
        await self._waiting

    def push(self) -> None:
        """To when the sleeper wants to wake."""
        assert self._waiting is not None
        self.sleeping.clear()
        self._now = self._due
        self._waiting.set_result(None)


async def _ready_pod(cluster: Embedded, revision: str) -> None:
    pod = POD.document("default", f"{revision}-p", spec={"containers": []})
    pod["metadata"]["labels"] = {labels.REVISION: revision}
    await cluster.create(pod)
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await cluster.update_status({**pod, "status": ready})


async def measure(revisions: int, ticks: int) -> list[float]:
    """Seconds of CPU of each tick over that many revisions, each with load and a ready pod."""
    clock = Driven()
    tasks = TaskSet()
    async with memory_cluster() as cluster:
        context = Context(
            cluster=cluster, informers=Informers(cluster), clock=clock, ids=Ids(),
            settings=LiveSettings(), events=EventRecorder(cluster, clock),
        )  # fmt: skip
        scaler = Scaler(context)
        parameters = resolve({}, AutoscalerConfig())
        context.informers.start(tasks)
        await context.informers.synced()
        names = [f"default/r{number:05}" for number in range(revisions)]
        for name in names:
            target = Target(Key("default", name), parameters, initialized=True)
            scaler.track(Key(*name.split("/")), target)
            await _ready_pod(cluster, name.removeprefix("default/"))
        scaler.start(tasks)
        taken = []
        for _ in range(ticks):
            await clock.sleeping.wait()
            second = int(clock.now())
            for ahead in (0, 1):  # what the gateway tells until the tick, 2 s on
                figures = tuple(RevisionStats(name, 7.5, 30.0) for name in names)
                scaler.stats("gateway-0", Stats(second + ahead, figures))
            started = time.process_time()
            clock.push()
            await clock.sleeping.wait()
            taken.append(time.process_time() - started)
        await tasks.close()
    return taken


def main() -> None:
    """Print the row."""
    taken = sorted(asyncio.run(measure(REVISIONS, TICKS))[WARM_UP:])
    middle, worst = statistics.median(taken), taken[-1]
    print(f"{REVISIONS:,} active revisions, one tick       CPU {middle * 1e3:5.1f} ms   "
          f"worst {worst * 1e3:5.1f} ms   aim 100 ms")  # fmt: skip


if __name__ == "__main__":
    main()
