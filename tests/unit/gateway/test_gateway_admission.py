"""One revision's line before its pods."""

import pytest

from utsuwa.gateway.admission import Admission, Backend, QueueFullError


class Waiter:
    def __init__(self, name: str) -> None:
        self.name = name
        self.backend: Backend | None = None
        self.refusal = ""

    def granted(self, backend: Backend) -> None:
        self.backend = backend

    def refused(self, reason: str) -> None:
        self.refusal = reason


def line(limit: int, pods: int, queue: int = 1000) -> tuple[Admission[Backend], list[Backend]]:
    admission: Admission[Backend] = Admission(limit, queue)
    backends = [Backend() for _ in range(pods)]
    for backend in backends:
        admission.open(backend)
    return admission, backends


def test_a_request_goes_to_the_pod_with_the_fewest_requests() -> None:
    admission, (first, second) = line(0, 2)
    assert admission.arrive(Waiter("a")) is first
    assert admission.arrive(Waiter("b")) is second
    admission.end(first)
    assert admission.arrive(Waiter("c")) is first


def test_ties_are_taken_in_turn() -> None:
    admission, pods = line(0, 3)
    picked = []
    for _ in range(6):
        backend = admission.arrive(Waiter("x"))
        assert backend is not None
        picked.append(pods.index(backend))
        admission.end(backend)
    assert picked == [0, 1, 2, 0, 1, 2]


def test_no_pod_ever_holds_more_than_the_limit() -> None:
    admission, (pod,) = line(2, 1)
    assert [admission.arrive(Waiter("x")) for _ in range(3)] == [pod, pod, None]
    assert pod.in_flight == 2


def test_those_who_wait_are_served_in_the_order_of_their_arrival() -> None:
    admission, (pod,) = line(1, 1)
    admission.arrive(Waiter("running"))
    waiters = [Waiter("a"), Waiter("b"), Waiter("c")]
    for waiter in waiters:
        assert admission.arrive(waiter) is None
    served = []
    for _ in waiters:
        admission.end(pod)
        served.append([waiter.name for waiter in waiters if waiter.backend is not None])
    assert served == [["a"], ["a", "b"], ["a", "b", "c"]]


def test_a_pod_that_appears_takes_what_waits() -> None:
    """Requests that wait for a busy pod move to a new one (`spec/users` A2)."""
    admission, _ = line(1, 1)
    admission.arrive(Waiter("running"))
    waiters = [Waiter(str(n)) for n in range(3)]
    for waiter in waiters:
        admission.arrive(waiter)
    fresh = [Backend(), Backend()]
    for backend in fresh:
        admission.open(backend)
    assert [waiter.backend for waiter in waiters] == [*fresh, None]


def test_without_a_limit_the_first_pod_takes_all_that_wait() -> None:
    admission, _ = line(0, 0)
    waiters = [Waiter(str(n)) for n in range(50)]
    for waiter in waiters:
        assert admission.arrive(waiter) is None
    pod = Backend()
    admission.open(pod)
    assert all(waiter.backend is pod for waiter in waiters)
    assert pod.in_flight == 50


def test_who_leaves_the_line_is_never_granted() -> None:
    admission, (pod,) = line(1, 1)
    admission.arrive(Waiter("running"))
    leaver, patient = Waiter("leaver"), Waiter("patient")
    admission.arrive(leaver)
    admission.arrive(patient)
    assert admission.abandon(leaver)
    assert not admission.abandon(leaver)
    admission.end(pod)
    assert leaver.backend is None
    assert patient.backend is pod


def test_a_closed_pod_gets_nothing_and_says_when_its_last_request_ended() -> None:
    class Telling(Backend):
        empty = False

        def lessened(self) -> None:
            self.empty = self.own == 0

    admission: Admission[Telling] = Admission(1, 1000)
    pod = Telling()
    admission.open(pod)
    admission.arrive(Waiter("running"))
    admission.close(pod)
    waiter = Waiter("x")
    assert admission.arrive(waiter) is None
    admission.end(pod)
    assert pod.empty
    assert waiter.backend is None


def test_requests_given_back_stand_in_front_in_their_own_order() -> None:
    admission, (pod,) = line(2, 1)
    first, second, third = Waiter("1"), Waiter("2"), Waiter("3")
    admission.arrive(first)
    admission.arrive(second)
    admission.arrive(third)
    admission.close(pod)
    admission.give_back(pod, [first, second])
    assert list(admission.waiting) == [first, second, third]
    assert pod.in_flight == 0


def test_a_higher_limit_lets_those_who_wait_go_at_once() -> None:
    admission, (pod,) = line(1, 1)
    admission.arrive(Waiter("running"))
    waiter = Waiter("x")
    admission.arrive(waiter)
    admission.set_limit(2)
    assert waiter.backend is pod


def test_a_lower_limit_holds_back_until_enough_have_ended() -> None:
    admission, (pod,) = line(3, 1)
    for _ in range(3):
        admission.arrive(Waiter("running"))
    waiter = Waiter("x")
    admission.arrive(waiter)
    admission.set_limit(1)
    admission.end(pod)
    admission.end(pod)
    assert waiter.backend is None
    admission.end(pod)
    assert waiter.backend is pod


def test_a_full_queue_refuses() -> None:
    admission, _ = line(1, 0, queue=1)
    admission.arrive(Waiter("a"))
    with pytest.raises(QueueFullError):
        admission.arrive(Waiter("b"))


def test_those_who_wait_in_vain_are_told_why() -> None:
    admission, _ = line(1, 0)
    waiter = Waiter("a")
    admission.arrive(waiter)
    admission.refuse_waiting("image not found")
    assert waiter.refusal == "image not found"
    assert not admission.waiting


def test_repr_shows_what_is_held() -> None:
    admission, _ = line(2, 2)
    admission.arrive(Waiter("a"))
    assert repr(admission) == "<Admission limit=2 held=[0,1] waiting=0>"


def test_what_another_gateway_holds_is_room_that_is_not_there() -> None:
    admission, (pod,) = line(3, 1)
    admission.occupy(pod, 2)
    assert admission.arrive(Waiter("1")) is pod
    waiter = Waiter("2")
    assert admission.arrive(waiter) is None
    admission.occupy(pod, 1)
    assert waiter.backend is pod
    assert (pod.in_flight, pod.own) == (3, 2)


def test_another_gateways_share_may_grow_over_our_heads_and_nothing_new_goes_there() -> None:
    admission, (pod,) = line(2, 1)
    admission.arrive(Waiter("1"))
    admission.arrive(Waiter("2"))
    admission.occupy(pod, 2)
    waiter = Waiter("3")
    assert admission.arrive(waiter) is None
    admission.end(pod)
    admission.end(pod)
    assert (pod.own, waiter.backend) == (0, None)
    admission.occupy(pod, 0)
    assert waiter.backend is pod
