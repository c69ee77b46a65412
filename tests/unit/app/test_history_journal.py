"""The journal: what was decided, and what cold starts cost, is told again after a restart."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from utsuwa.app.history.file import MOST_NOTES, Batch, HistoryFile, Name, Note
from utsuwa.app.history.journal import EVERY, HOUR, Item, Journal, item_of, note_of
from utsuwa.autoscale.decider import Decision
from utsuwa.autoscale.horizontal import HorizontalDecision
from utsuwa.autoscale.reasons import because
from utsuwa.autoscale.scaling import Scaling
from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler import Entry, HorizontalHistory, Memory
from utsuwa.controllers.podautoscaler.history import WHOLE_BUDGET
from utsuwa.kit.clock import LoopClock, SystemClock
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import REVISION
from utsuwa.routing.messages import ColdStart
from utsuwa.testing.autoscaling import autoscaling, revision
from utsuwa.testing.cluster import memory_cluster

WEB = Key("default", "web")
NAME = Name("default", "web", "web")


def decision(time: float, desired: int = 1) -> Decision:
    reasons = (because("stable-load", metric="concurrency", average=0.5, pods=desired),)
    return Decision(
        time=time, metric="concurrency", stable=0.5, panic=0.5, target=70.0, ready=1,
        desired=desired, excess_burst_capacity=-3, panicking=False, max_panic_pods=0,
        panic_since=None, changes_at=None, reasons=reasons,
    )  # fmt: skip


def entry(time: float, desired: int = 1) -> Entry:
    scaling = Scaling(desired, apply=True, reasons=(because("max-scale", wanted=9, cap=desired),))
    return Entry(time, decision(time, desired), scaling)


def start(time: float) -> ColdStart:
    return ColdStart("default/web", "uid", queued=time, first_byte=time + 0.1, method="GET")


@pytest.mark.parametrize(
    "item",
    [
        entry(5.0),
        Entry(6.0, None, None),
        Entry(6.0, decision(6.0), None),
        HorizontalDecision(7.0, "cpu", None, 1, 2, (because("use-unknown", metric="cpu"),)),
        start(8.0),
    ],
)
def test_every_kind_of_note_is_read_as_it_was_written(item: Item) -> None:
    assert item_of(note_of(item)) == item


@pytest.mark.parametrize("note", [Note("nonsense", 1.0, b""), Note("decision", 1.0, b"\x00")])
def test_what_another_version_wrote_is_no_surprise(note: Note) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        item_of(note)


class Life:
    """One run of control: who remembers, the file, and the journal between them."""

    def __init__(self, path: Path, cluster: Embedded, informers: Informers) -> None:
        self.file = HistoryFile(path)
        self.memory = Memory()
        self.horizontal = HorizontalHistory()
        self.journal = Journal(
            self.file, self.memory, self.horizontal, informers.of(REVISION), SystemClock()
        )

    async def end(self, *, orderly: bool = True) -> None:
        self.journal.flush(all_of_it=orderly)
        await self.file.close()


Lives = Callable[[], "Life"]


@pytest.fixture
async def lives(tmp_path: Path) -> AsyncIterator[Lives]:
    """Makes one run after another, over one cluster with a revision and one file."""
    async with memory_cluster(clock=SystemClock()) as cluster:
        await cluster.create(REVISION.document("default", "web", spec={}))
        tasks = TaskSet()
        informers = Informers(cluster)
        informers.of(REVISION)
        informers.start(tasks)
        await informers.synced()

        def make() -> Life:
            life = Life(tmp_path / "history.db", cluster, informers)
            life.file.start()
            return life

        yield make
        await tasks.close()


def now() -> float:
    return SystemClock().now()


async def test_decisions_and_cold_starts_are_there_after_a_restart(lives: Lives) -> None:
    """Of both classes, in order, and nothing is current before the first new decision."""
    life = lives()
    began = now() + 1  # the creation of the revision has no fractions of a second
    first, second, third = entry(began, 1), entry(began + 1, 2), entry(began + 2, 3)
    horizontal = HorizontalDecision(began, "cpu", 1.5, 1, 2, ())
    for one in (first, second):
        life.memory.note(WEB, one, WHOLE_BUDGET)
    life.memory.started(WEB, start(began))
    life.horizontal.add(WEB, horizontal)
    life.journal.flush()
    life.memory.note(WEB, third, WHOLE_BUDGET)
    await life.end()

    again = lives()
    again.journal._clock = Later(10.0)  # type: ignore[assignment]  # only `now` is asked for
    await again.journal.restore()
    past = again.memory.of(WEB)
    assert past.history.entries() == [first, second, third]
    assert past.history.current is None
    assert list(past.starts) == [start(began)]
    assert again.horizontal.of(WEB) == [horizontal]
    assert again.memory.take(all_of_it=True) == []
    fourth = entry(began + 20, 4)
    again.memory.note(WEB, fourth, WHOLE_BUDGET)
    assert again.memory.take() == [(WEB, fourth)]
    await again.end()


class Later:
    """The time, and some more."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return now() + self._seconds


async def test_nothing_is_told_of_another_object_of_that_name_nor_of_long_ago(lives: Lives) -> None:
    """A revision that was deleted and made anew has its own past; a decision counts for an hour."""
    life = lives()
    life.memory.note(WEB, entry(now() - 60), WHOLE_BUDGET)
    life.memory.note(Key("default", "gone"), entry(now() + 1), WHOLE_BUDGET)
    life.memory.note(Key("default", "gone"), entry(now() + 2, 2), WHOLE_BUDGET)
    await life.end()
    again = lives()
    await again.journal.restore()
    assert again.memory.known(WEB) is None
    assert again.memory.known(Key("default", "gone")) is None
    again.memory.note(WEB, entry(now() + 1), WHOLE_BUDGET)
    again.memory.started(WEB, start(now() + 1))
    await again.end()
    later = lives()
    later.journal._clock = Later(HOUR + 100)  # type: ignore[assignment]  # only `now` is asked for
    await later.journal.restore()
    assert later.memory.of(WEB).history.entries() == []
    assert len(later.memory.of(WEB).starts) == 1
    await later.end()


async def test_an_entry_that_may_be_replaced_waits_until_it_is_settled() -> None:
    """What the bounds make of a decision takes its place; both at once would be told twice."""
    memory = Memory()
    open_one = Entry(5.0, decision(5.0), None)
    memory.note(WEB, open_one, WHOLE_BUDGET)
    assert memory.take() == []
    settled = Entry(5.1, open_one.decision, Scaling(1, apply=True))
    memory.note(WEB, settled, WHOLE_BUDGET)
    assert memory.take() == [(WEB, settled)]
    assert memory.take() == []
    memory.forget(WEB)
    assert memory.take(all_of_it=True) == []


async def test_the_file_keeps_only_so_many_notes(tmp_path: Path) -> None:
    """The newest, and none for more than a day."""
    file = HistoryFile(tmp_path / "history.db")
    file.start()
    for first in range(0, MOST_NOTES + 2_000, 1_000):
        notes = [(NAME, Note("decision", float(first + n), b"x" * 300)) for n in range(1_000)]
        file.write(Batch(float(first), notes=notes))
    found = await file.notes(0.0)
    assert len(found) == MOST_NOTES
    assert found[-1][1].time == MOST_NOTES + 1_999
    file.write(Batch(200_000.0))
    assert await file.notes(0.0) == []
    await file.close()
    assert (tmp_path / "history.db").stat().st_size < 12 * 1024 * 1024


@pytest.mark.looptime
async def test_a_running_autoscaler_hands_over_what_it_decides() -> None:
    """In batches, as it happens; a revision that rests costs nothing."""
    written: list[Batch] = []

    class Kept:
        def write(self, batch: Batch) -> None:
            written.append(batch)

        async def notes(self, since: float) -> list[tuple[Name, Note]]:
            return [note for batch in written for note in batch.notes]

    async with autoscaling(revision("web")) as world:
        informer = world.controllers.context.informers.of(REVISION)
        journal = Journal(Kept(), world.scaler.memory, world.horizontal, informer, LoopClock())
        world.controllers.tasks.spawn(journal.run(), name="journal")
        world.load("web", 3)
        await world.run(30)
        world.load("web", 0)
        await world.run(200)
        told = [item_of(note) for batch in written for _, note in batch.notes]
        assert told == world.scaler.history(WEB)[: len(told)]
        assert len(told) >= len(world.scaler.history(WEB)) - 1
        batches = len(written)
        await world.run(20 * EVERY)
        assert len(written) == batches
