"""Several gateways and one hard limit, under anything that can happen, messages in any order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from utsuwa.gateway.slots.leasing import TURN
from utsuwa.gateway.slots.words import Grant
from utsuwa.testing.slots import REVISION, PaperGateway, Request, World


class SharedSlots(RuleBasedStateMachine):
    """Arrivals, endings, departures, pods that come, fail and go, gateways that are killed and
    started, broken connections, other brokers; each message arrives late, in the order sent."""

    world: World

    @initialize(limit=st.integers(1, 5), gateways=st.integers(1, 4), pods=st.integers(0, 2))
    def start(self, limit: int, gateways: int, pods: int) -> None:
        self.world = World(limit, gateways)
        for _ in range(pods):
            self.add_pod()

    def some(self, data: st.DataObject) -> PaperGateway:
        return data.draw(st.sampled_from(list(self.world.gateways.values())))

    def waiting(self) -> int:
        return sum(len(one.line.waiting) for one in self.world.gateways.values())

    # --- requests -------------------------------------------------------------------------------

    @precondition(lambda self: self.world.gateways)
    @rule(data=st.data(), count=st.integers(1, 4))
    def arrive(self, data: st.DataObject, count: int) -> None:
        gateway = self.some(data)
        for _ in range(count):
            self.world.arrive(gateway)

    @precondition(lambda self: any(one.inside for one in self.world.gateways.values()))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        inside = [r for one in self.world.gateways.values() for r in one.inside]
        self.world.end(data.draw(st.sampled_from(inside)))

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        gateway = self.some(data)
        if gateway.line.waiting:
            request = data.draw(st.sampled_from(list(gateway.line.waiting)))
            assert gateway.line.abandon(request)
            gateway.finish_step()

    @rule(seconds=st.sampled_from([TURN / 3, TURN, 1.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.now += seconds

    # --- pods -----------------------------------------------------------------------------------

    @rule()
    def add_pod(self) -> None:
        uid = f"pod-{len(self.world.pods)}"
        self.world.pods.append(uid)
        for gateway in self.world.gateways.values():
            gateway.line.add(uid)
            gateway.finish_step()

    @precondition(lambda self: self.world.pods and self.world.gateways)
    @rule(data=st.data())
    def one_gateway_loses_or_finds_a_pod(self, data: st.DataObject) -> None:
        """It refuses connections: some requests go back to the line."""
        gateway = self.some(data)
        pod = gateway.line.pods[data.draw(st.sampled_from(self.world.pods))]
        if not pod.usable:
            gateway.line.open(pod)
        else:
            own = [r for r in gateway.inside if r.backend is pod]
            back = own[: data.draw(st.integers(0, len(own)))]
            gateway.line.close(pod)
            for request in back:
                gateway.inside.remove(request)
                request.backend = None
            gateway.line.give_back(pod, back)
        gateway.finish_step()

    # --- processes and connections --------------------------------------------------------------

    @precondition(lambda self: self.world.gateways)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        self.world.kill(self.some(data))

    @precondition(lambda self: self.world.dead)
    @rule(data=st.data())
    def bury(self, data: st.DataObject) -> None:
        self.world.bury(data.draw(st.sampled_from(self.world.dead)))

    @precondition(lambda self: len(self.world.gateways) < 4)
    @rule()
    def start_another(self) -> None:
        self.world.start()

    @precondition(lambda self: self.world.gateways)
    @rule(data=st.data())
    def hang_up_or_dial(self, data: st.DataObject) -> None:
        gateway = self.some(data)
        if gateway.connected:
            self.world.hang_up(gateway)
        else:
            gateway.dial()
            gateway.finish_step()

    @rule()
    def restart_broker(self) -> None:
        self.world.restart_broker()

    # --- messages -------------------------------------------------------------------------------

    @precondition(lambda self: any(g.outbox or g.inbox for g in self.world.gateways.values()))
    @rule(data=st.data(), count=st.integers(1, 6))
    def carry(self, data: st.DataObject, count: int) -> None:
        for _ in range(count):
            ways = [
                (gateway, to_broker)
                for gateway in self.world.gateways.values()
                for to_broker in (True, False)
                if (gateway.outbox if to_broker else gateway.inbox)
            ]
            if not ways:
                return
            gateway, to_broker = data.draw(st.sampled_from(ways))
            self.world.carry(gateway, to_broker=to_broker)

    @rule()
    def come_to_rest(self) -> None:
        """Everybody is connected, the dead are buried, every message has arrived."""
        world = self.world
        for dead in list(world.dead):
            world.bury(dead)
        for gateway in world.gateways.values():
            if not gateway.connected:
                gateway.dial()
                gateway.finish_step()
        requests = self.waiting()
        slots = world.limit * len(world.pods)
        most = 60 * (1 + len(world.gateways)) * (1 + requests + slots + len(world.pods))
        world.carry_all(most)
        for gateway in world.gateways.values():
            if gateway.line.waiting:
                for uid, pod in gateway.line.pods.items():
                    assert not pod.usable or world.in_flight(uid) == world.limit, "unused slot"

    # --- what holds always ----------------------------------------------------------------------

    @invariant()
    def never_above_the_limit(self) -> None:
        for uid in self.world.pods:
            assert self.world.in_flight(uid) <= self.world.limit

    @invariant()
    def held_covers_what_is_in_use(self) -> None:
        for gateway in self.world.gateways.values():
            for pod in gateway.line.pods.values():
                own = sum(1 for r in gateway.inside if r.backend is pod)
                assert own == pod.own, "a request was lost or invented"
                assert gateway.line.held.get(pod, 0) >= own

    @invariant()
    def the_living_hold_no_more_than_there_is(self) -> None:
        everyone = [*self.world.gateways.values(), *self.world.dead]
        for uid in self.world.pods:
            leases = [lease for one in everyone for lease in one.line.hold()]
            held = sum(lease.count for lease in leases if lease.uid == uid)
            assert held <= self.world.limit


def test_a_gateway_that_waits_gets_the_idle_slot_of_another_in_four_messages() -> None:
    world = World(1, 2)
    world.pods.append("pod")
    first, second = world.gateways.values()
    for gateway in (first, second):
        gateway.line.add("pod")
    request = world.arrive(first)
    world.carry_all()
    world.end(request)
    assert first.line.hold()
    waiting = world.arrive(second)
    assert world.carry_all() == 5  # need; wanted; return; grant; wanted no longer
    assert waiting.backend is not None
    assert not first.line.hold()


def test_an_idle_slot_that_is_held_costs_no_message() -> None:
    world = World(2, 2)
    world.pods.append("pod")
    first = next(iter(world.gateways.values()))
    first.line.add("pod")
    request = world.arrive(first)
    world.carry_all()
    for _ in range(3):
        world.end(request)
        request = world.arrive(first)
        assert request.backend is not None
        assert world.carry_all() == 0


def test_a_wish_that_crosses_a_grant_is_not_counted_twice() -> None:
    world = World(3, 1)
    world.pods.append("pod")
    (gateway,) = world.gateways.values()
    gateway.line.add("pod")
    world.arrive(gateway)
    while gateway.outbox:
        world.carry(gateway, to_broker=True)
    assert gateway.inbox, "the grant is under way"
    world.arrive(gateway)
    world.carry_all()
    assert len(gateway.inside) == world.ledger.held(REVISION, "pod") == 2


def test_while_others_wait_a_slot_serves_its_own_line_for_a_turn_and_moves_on_then() -> None:
    world = World(1, 2)
    world.pods.append("pod")
    first, second = world.gateways.values()
    for gateway in (first, second):
        gateway.line.add("pod")
    mine = [world.arrive(first) for _ in range(3)]
    world.carry_all()
    other = world.arrive(second)
    world.carry_all()
    world.end(mine[0])
    assert mine[1].backend is not None
    world.now += TURN
    world.end(mine[1])
    assert mine[2].backend is None
    world.carry_all()
    assert other.backend is None, "the first gateway had asked for its third before"
    assert mine[2].backend is not None
    world.now += TURN
    world.end(mine[2])
    world.carry_all()
    assert other.backend is not None


def test_a_new_broker_grants_nothing_before_everybody_has_said_what_he_holds() -> None:
    world = World(1, 2)
    world.pods.append("pod")
    first, second = world.gateways.values()
    for gateway in (first, second):
        gateway.line.add("pod")
    inside = world.arrive(first)
    world.carry_all()
    world.restart_broker()
    waiting = world.arrive(second)
    second.dial()
    second.finish_step()
    world.carry_all()
    assert waiting.backend is None
    first.dial()
    first.finish_step()
    world.carry_all()
    assert waiting.backend is None
    world.end(inside)
    world.carry_all()
    assert waiting.backend is not None


def test_the_slots_of_the_dead_are_free_only_when_their_connections_are_closed() -> None:
    world = World(1, 2)
    world.pods.append("pod")
    first, second = world.gateways.values()
    for gateway in (first, second):
        gateway.line.add("pod")
    world.arrive(first)
    world.carry_all()
    waiting: Request = world.arrive(second)
    world.kill(first)
    world.ledger.lost(first.pid)
    world.carry_all()
    assert waiting.backend is None
    world.bury(first)
    assert Grant in map(type, second.inbox)
    world.carry_all()
    assert waiting.backend is not None


TestSharedSlots = SharedSlots.TestCase
TestSharedSlots.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
