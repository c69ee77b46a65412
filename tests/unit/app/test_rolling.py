"""The replacement of a gateway, with processes that exist on paper only."""

import signal
from pathlib import Path

from utsuwa.app.child import Child
from utsuwa.app.processes import Identity
from utsuwa.app.rolling import PATIENCE, Rolling


class Paper(Child):
    """A child that is never spawned; `signals` are those it was sent."""

    def __init__(self, pid: int) -> None:
        super().__init__("gateway", [], {}, Path("gateway.log"))
        self.signals: list[int] = []
        self.next_pid = pid

    def start(self, now: float) -> None:
        self.identity = Identity(self.next_pid, 1)
        self.started, self.due = now, None

    def signal(self, number: int) -> None:
        self.signals.append(number)


class World:
    def __init__(self) -> None:
        self.made: list[Paper] = []
        self.said: list[str] = []
        self.rolling = Rolling(self._make, self.said.append)
        self.made[0].start(0.0)

    def _make(self) -> Paper:
        self.made.append(Paper(100 + len(self.made)))
        return self.made[-1]

    def replace(self) -> Paper:
        """Ask for a replacement and start it."""
        self.rolling.asked = True
        self.rolling.begin()
        self.made[-1].start(1.0)
        return self.made[-1]


def test_the_old_one_is_told_to_leave_only_when_the_new_one_serves() -> None:
    world = World()
    old, new = world.made[0], world.replace()
    assert (world.rolling.current, old.signals) == (old, [])
    world.rolling.serving(new.pid)
    assert (world.rolling.current, old.signals) == (new, [signal.SIGHUP])
    assert [child.name for child in world.rolling.all] == ["gateway", "gateway (leaving)"]


def test_a_gateway_that_serves_without_being_a_replacement_changes_nothing() -> None:
    world = World()
    world.rolling.serving(100)
    assert (world.rolling.kept, world.made[0].signals) == ([world.made[0]], [])


def test_a_second_wish_waits_for_the_first_and_is_not_lost() -> None:
    world = World()
    first = world.replace()
    world.rolling.asked = True
    world.rolling.begin()
    assert len(world.made) == 2
    world.rolling.serving(first.pid)
    world.rolling.begin()
    assert world.rolling.successor is world.made[2]
    assert not world.rolling.asked


def test_a_replacement_that_dies_is_given_up_and_the_old_one_serves_on() -> None:
    world = World()
    new = world.replace()
    assert new.identity is not None
    assert world.rolling.exited(new.identity, "exit code 2")
    assert world.rolling.kept == [world.made[0]]
    assert "exit code 2" in world.said[0]
    assert "the old one serves on" in world.said[0]


def test_an_old_one_that_dies_meanwhile_is_followed_by_its_replacement() -> None:
    """And is not started again beside it."""
    world = World()
    new = world.replace()
    assert world.rolling.exited(Identity(100, 1), "signal SIGKILL")
    assert world.rolling.kept == [new]
    assert new.name == "gateway"


def test_one_that_has_left_is_forgotten() -> None:
    world = World()
    new = world.replace()
    world.rolling.serving(new.pid)
    assert world.rolling.exited(Identity(100, 1), "exit code 0")
    assert world.rolling.all == [new]


def test_the_end_of_the_only_gateway_is_its_owners_to_mend() -> None:
    world = World()
    assert not world.rolling.exited(Identity(100, 1), "signal SIGKILL")


def test_a_replacement_that_does_not_serve_in_time_is_killed() -> None:
    world = World()
    assert world.rolling.overdue(1.0) is None
    new = world.replace()
    assert world.rolling.overdue(1.0 + PATIENCE - 5) == 5
    assert new.signals == []
    world.rolling.overdue(1.0 + PATIENCE)
    assert new.signals == [signal.SIGKILL]
