"""A rollout under a budget on virtual time: pods take time to come and to go."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from utsuwa.autoscale import budget
from utsuwa.autoscale.budget import Holder
from utsuwa.routing.rollout import SECOND, Course, Rollout, Share, advanced, begun, is_done

START = 1_700_000_000


@dataclass
class Pods:
    """One Revision's pods: those that run, the moments at which others come and go."""

    starting: int
    stopping: int
    replicas: int = 0
    ready: int = 0
    coming: list[int] = field(default_factory=list)
    going: list[int] = field(default_factory=list)

    @property
    def alive(self) -> int:
        return self.ready + len(self.coming) + len(self.going)

    def pass_to(self, now: int) -> None:
        self.ready += sum(at <= now for at in self.coming)
        self.coming = [at for at in self.coming if at > now]
        self.going = [at for at in self.going if at > now]

    def scale(self, replicas: int, now: int) -> None:
        self.replicas = replicas
        while self.ready + len(self.coming) > replicas:
            if self.coming:
                self.coming.pop()
            else:
                self.ready -= 1
                self.going.append(now + self.stopping)
        while self.ready + len(self.coming) < replicas:
            self.coming.append(now + self.starting)


@given(
    need=st.integers(1, 12),
    surge=st.integers(1, 4),
    duration=st.integers(1, 120),
    starting=st.integers(0, 20),
    stopping=st.integers(0, 40),
    minimum=st.booleans(),
    first=st.booleans(),
)
def test_old_and_new_never_exceed_the_need_and_the_surge(
    *,
    need: int,
    surge: int,
    duration: int,
    starting: int,
    stopping: int,
    minimum: bool,
    first: bool,
) -> None:
    """Whoever is looked at first, with a minimum of pods or with load alone. Traffic never goes
    beyond the ready pods, and in the end the new Revision has everything."""
    pods = {"a": Pods(starting, stopping, need, need), "b": Pods(starting, stopping)}
    state: Rollout = (Course("hello", "", 100, (Share("a", 100),)),)
    goal: Rollout = (Course("hello", "", 100, (Share("b", 100),)),)
    known: int | None = None

    def holders() -> dict[str, Holder]:
        shares = {share.revision: share.percent for share in state[0].shares}
        return {
            name: Holder(
                shares.get(name, 0),
                max(one.alive, one.replicas),
                budget.carrying(shares.get(name, 0), need),
                name == "b",
            )
            for name, one in pods.items()
        }

    for second in range(4000):
        now = START + second
        for one in pods.values():
            one.pass_to(now)
        for name in ("a", "b") if first else ("b", "a"):
            seen = holders()
            known = budget.needed(
                seen.values(), known, minimum=need if minimum else 0, maximum=0, surge=surge
            )
            own = seen.pop(name)
            limits = budget.bounds(own, seen.values(), need=known, surge=surge)
            low = max(limits.low, need if minimum else 0)
            pods[name].scale(min(max(own.wanted, low), limits.high), now)
            assert sum(one.alive for one in pods.values()) <= need + surge
        if not second and not first:
            continue
        if pods["b"].ready:
            before = begun(state, now * SECOND, duration)
            can = budget.room(pods["b"].ready, known or need)
            was = state[0].shares[-1] if state[0].newest == "b" else Share("b", 0)
            state, _ = advanced(goal, before, now * SECOND, room={"b": can}.__getitem__)
            assert state[0].shares[-1].percent <= max(was.percent, can, 1)
        if state == goal:
            break
    assert is_done(state)
    assert state == goal
