"""The recorder on virtual time: points, marks, batches, and what is told of them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from utsuwa.app.history import Fleet, Recorder, Sinks, Told
from utsuwa.app.history.file import Asked, Batch, Kept
from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import DEPLOYMENT, POD, REVISION, SERVICE
from utsuwa.model.usage import PodUse
from utsuwa.routing.messages import RevisionStats, Stats, Wake
from utsuwa.series import MEMORY_UNIT, Block, Life, Mark
from utsuwa.testing.cluster import memory_cluster

pytestmark = pytest.mark.looptime

WEB = Key("default", "web-00001")
LABELS = {"serving.knative.dev/service": "web", "serving.knative.dev/revision": WEB.name}


@dataclass
class Memory:
    """An archive that keeps everything."""

    batches: list[Batch] = field(default_factory=list)
    reads: int = 0

    def write(self, batch: Batch) -> None:
        self.batches.append(batch)

    async def read(self, asked: Asked) -> Kept:
        self.reads += 1
        found: dict[str, list[Block]] = {}
        for batch in self.batches:
            for name, block in batch.blocks:
                if block.step == asked.step:
                    found.setdefault(name.revision, []).append(block)
        lives = [batch.life for batch in self.batches if batch.life is not None]
        return Kept(found, [mark for batch in self.batches for _, mark in batch.marks], lives)


@dataclass
class World:
    cluster: Embedded
    clock: LoopClock
    fleet: Fleet
    archive: Memory
    recorder: Recorder
    told: Told
    panic: set[Key]

    async def revision(self, name: str = WEB.name) -> None:
        document = REVISION.document("default", name, spec={})
        document["metadata"]["labels"] = {"serving.knative.dev/service": "web"}
        await self.cluster.create(document)
        deployment = DEPLOYMENT.document("default", f"{name}-deployment", spec={"replicas": 0})
        deployment["metadata"]["labels"] = {**LABELS, "serving.knative.dev/revision": name}
        await self.cluster.create(deployment)

    async def scale(self, replicas: int) -> None:
        key = Key("default", f"{WEB.name}-deployment")
        await self.cluster.merge(DEPLOYMENT, key, {"spec": {"replicas": replicas}})

    async def pod(self, name: str, *, ready: bool = True) -> Document:
        document = POD.document("default", name, spec={"containers": [{"name": "c", "image": "i"}]})
        document["metadata"]["labels"] = LABELS
        made = await self.cluster.create(document)
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        status = {"status": {"phase": "Running", "conditions": conditions}}
        await self.cluster.merge(POD, Key("default", name), status, subresource="status")
        return made

    def serve(self, requests: int, *, gateway: str = "g", **figures: Any) -> None:
        told = RevisionStats(
            revision=str(WEB), concurrency=0.0, requests=requests, completed=requests,
            status=(0, requests, 0, 0, 0, 0), latency=(0.001, 0.002, 0.003), **figures,
        )  # fmt: skip
        Sinks(self.recorder).stats(gateway, Stats(0, (told,)))

    async def column(self, name: str, **asked: int) -> list[float]:
        answer = await self.ask(**asked)
        found: list[float] = answer["series"][answer["columns"].index(name)]
        return found

    async def ask(self, step: int = 1, since: int | None = None, born: int = 0) -> Document:
        key = Key("default", "web")
        return await self.told.history(SERVICE, key, step=step, since=since, born=born, parts=True)


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    clock, tasks = LoopClock(), TaskSet()
    async with memory_cluster(clock) as cluster:
        informers = Informers(cluster)

        async def measured(uids: Sequence[str]) -> Mapping[str, PodUse]:
            return {uid: PodUse(0.25, 10 * MEMORY_UNIT, 1.0, ()) for uid in uids}

        fleet, archive, panic = Fleet(informers, measured, clock), Memory(), set[Key]()
        recorder = Recorder(
            archive, fleet, clock, panicking=lambda key: clock.now() if key in panic else None
        )
        informers.start(tasks)
        await informers.synced()
        tasks.spawn(recorder.run(), name="history")
        tasks.spawn(fleet.measure_forever(), name="use")
        told = Told(recorder, fleet)
        yield World(cluster, clock, fleet, archive, recorder, told, panic)
        await tasks.close()


async def test_each_second_has_its_requests_and_its_pods() -> None:
    """As told by the gateway, the informers and the meters."""
    async with running() as world:
        await world.revision()
        await world.scale(2)
        await world.pod("one")
        await world.pod("two", ready=False)
        await world.clock.sleep(1.1)  # figures come just after the end of their second
        for second in range(10):
            world.serve(10 + second, in_flight=4, waiting=1)
            await world.clock.sleep(1)
        assert await world.column("2xx") == list(range(10, 20))
        assert (await world.column("waiting"))[0] == 1
        assert (await world.column("desired"))[0] == 2
        assert (await world.column("ready"))[0] == 1
        assert (await world.column("total"))[0] == 2
        assert (await world.column("p99"))[0] == 3.0
        assert (await world.column("cpu"))[-1] == 500
        assert (await world.column("memory"))[-1] == 20 * MEMORY_UNIT


async def test_gateways_add_up_and_a_late_report_is_counted_in_the_next_second() -> None:
    """In flight is then the gateway's newer figure, not the sum of two."""
    async with running() as world:
        await world.revision()
        await world.clock.sleep(1.1)  # figures come just after the end of their second
        world.serve(5, gateway="a", in_flight=3)
        world.serve(5, gateway="a", in_flight=4)
        world.serve(2, gateway="b", in_flight=1)
        await world.clock.sleep(1)
        assert await world.column("2xx") == [12]
        assert await world.column("inFlight") == [5]


async def test_who_does_nothing_costs_nothing() -> None:
    """No point, no block, no read of the file; and the line lies on the ground between."""
    async with running() as world:
        await world.revision()
        await world.clock.sleep(30.1)
        assert await world.column("time") == []
        world.serve(1)
        await world.clock.sleep(300)
        assert repr(world.recorder).startswith("<Recorder 0 revisions")
        world.serve(2)
        await world.clock.sleep(2)
        assert await world.column("2xx") == [0, 1, 0, 0, 2, 0]
        reads = world.archive.reads
        answer = await world.ask(since=world.recorder.second - 100)
        assert world.archive.reads == reads
        assert answer["until"] == world.recorder.second


async def test_older_seconds_come_from_the_file_and_minutes_add_up() -> None:
    """What is in memory and in the file is told once."""
    async with running() as world:
        await world.revision()
        await world.clock.sleep(1.1)  # figures come just after the end of their second
        for _ in range(400):
            world.serve(1)
            await world.clock.sleep(1)
        assert sum(await world.column("2xx")) == 400
        assert world.archive.reads > 0
        assert sum(await world.column("2xx", step=60)) == 400
        newest = await world.column("2xx", since=world.recorder.second - 9)
        assert newest == [1] * 10


async def test_what_happens_leaves_a_mark() -> None:
    """A deploy, a first request, panic and its end, the step to zero; and each is written once."""
    async with running() as world:
        await world.revision()
        await world.clock.sleep(1.1)
        world.recorder.wake(Wake(str(WEB), world.clock.now(), "/hi", "10.0.0.1"))
        await world.scale(1)
        world.panic.add(WEB)
        world.serve(1)
        await world.clock.sleep(2)
        world.panic.clear()
        await world.clock.sleep(2)
        await world.scale(0)
        await world.clock.sleep(30)
        marks = (await world.ask())["marks"]
        assert [kind for _, kind, _, _ in marks] == ["deploy", "woken", "panic", "calm", "zero"]
        assert marks[1][3] == "/hi from 10.0.0.1"
        assert all(revision == WEB.name for _, _, revision, _ in marks)
        written = [mark for batch in world.archive.batches for _, mark in batch.marks]
        assert [Mark(*mark) for mark in marks] == written


async def test_what_an_object_of_the_same_name_did_before_is_not_told() -> None:
    """A service that is made anew begins anew."""
    async with running() as world:
        await world.revision()
        await world.clock.sleep(1.1)  # figures come just after the end of their second
        for _ in range(5):
            world.serve(1)
            await world.clock.sleep(1)
        assert len(await world.column("time", born=world.recorder.second - 1)) == 2


async def test_the_revisions_of_a_service_are_told_apart_and_together() -> None:
    """Both have pods; the service has the sum."""
    async with running() as world:
        await world.revision()
        await world.revision("web-00002")
        await world.pod("one")
        await world.clock.sleep(1.6)
        world.serve(3)
        other = RevisionStats("default/web-00002", 0.0, 4, status=(0, 4, 0, 0, 0, 0))
        world.recorder.stats("g", Stats(0, (other,)))
        await world.clock.sleep(1)
        answer = await world.ask()
        assert set(answer["revisions"]) == {"web-00001", "web-00002"}
        assert answer["series"][2][-1] == 7
        told = await world.told.history(REVISION, WEB, step=1, since=None, born=0, parts=False)
        assert told["series"][2][-1] == 3
        assert "revisions" not in told


async def test_the_end_hands_over_everything() -> None:
    """The minute that runs as well."""
    async with running() as world:
        await world.revision()
        await world.clock.sleep(1.1)  # figures come just after the end of their second
        world.serve(3)
        await world.clock.sleep(1)
        world.recorder.seal()
        steps = {block.step for batch in world.archive.batches for _, block in batch.blocks}
        assert steps == {1, 60}


async def test_a_time_without_a_recorder_is_told_as_such() -> None:
    """Between two lives, and only there."""
    async with running() as world:
        await world.revision()
        born = int(world.clock.now())
        world.archive.write(Batch(0.0, life=Life(born - 50, born - 21)))
        await world.clock.sleep(5)
        assert (await world.ask(since=born - 40))["away"] == [[born - 20, born - 1]]
        assert (await world.ask(since=born - 10))["away"] == [[born - 10, born - 1]]
        assert (await world.ask(since=born + 1))["away"] == []


async def test_a_quiet_recorder_says_now_and_then_that_it_is_there() -> None:
    """Once a minute, and at its end."""
    async with running() as world:
        await world.clock.sleep(200)
        assert 3 <= len(world.archive.batches) <= 5
        world.recorder.seal()
        last = world.archive.batches[-1].life
        assert last is not None
        assert last.until == world.recorder.second
