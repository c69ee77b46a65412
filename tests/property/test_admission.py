"""Admission under anything that can happen to it, checked against a model after each step."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from utsuwa.gateway.admission import Admission, Backend


class Request:
    def __init__(self, number: int) -> None:
        self.number = number
        self.backend: Backend | None = None
        self.refused_with = ""
        self.grants = 0

    def granted(self, backend: Backend) -> None:
        assert self.backend is None, "granted twice"
        self.backend = backend
        self.grants += 1

    def refused(self, reason: str) -> None:
        assert self.backend is None, "refused while on a pod"
        self.refused_with = reason

    def __repr__(self) -> str:
        return f"<Request {self.number}>"


class AdmissionMachine(RuleBasedStateMachine):
    """Arrivals, endings, departures, pods that come, fail, drain and go, limits that change."""

    def __init__(self) -> None:
        super().__init__()
        self.admission: Admission[Backend] = Admission(1, 10_000)
        self.numbers = 0
        self.pods: list[Backend] = []
        self.inside: list[Request] = []
        """On a pod, in no order."""
        self.line: list[Request] = []
        """Waiting, in the order in which they must be served."""

    @initialize(limit=st.integers(0, 4), pods=st.integers(0, 3))
    def start(self, limit: int, pods: int) -> None:
        self.admission = Admission(limit, 10_000)
        for _ in range(pods):
            self.add_pod()

    def _settle(self) -> None:
        """Move to `inside` whoever was granted: it must be the front of the line."""
        granted = [request for request in self.line if request.backend is not None]
        assert granted == self.line[: len(granted)], "not first in, first out"
        self.inside += granted
        del self.line[: len(granted)]

    @rule()
    def arrive(self) -> None:
        request = Request(self.numbers)
        self.numbers += 1
        backend = self.admission.arrive(request)
        if backend is not None:
            assert not self.line, "overtook those who wait"
            loads = [pod.in_flight for pod in self.pods if pod.usable]
            assert backend.in_flight - 1 <= min(loads), "not the least loaded"
            request.backend = backend
            self.inside.append(request)
        else:
            self.line.append(request)
        self._settle()

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """A request that would rather go to one pod: it does unless that is full, and overtakes nobody."""
        pod = data.draw(st.sampled_from(self.pods))
        limit = self.admission.limit
        welcome = pod.usable and not self.line and not pod.in_flight >= limit > 0
        request = Request(self.numbers)
        self.numbers += 1
        backend = self.admission.arrive_at(pod, request)
        assert not welcome or backend is pod
        if backend is not None:
            assert not self.line, "overtook those who wait"
            request.backend = backend
            self.inside.append(request)
        else:
            self.line.append(request)
        self._settle()

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        request = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        assert request.backend is not None
        self.admission.end(request.backend)
        self._settle()

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        request = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        assert self.admission.abandon(request)
        self._settle()

    @rule()
    def add_pod(self) -> None:
        pod = Backend()
        self.pods.append(pod)
        self.admission.open(pod)
        self._settle()

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def reopen_or_close(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(self.pods))
        if pod.usable:
            self.admission.close(pod)
        else:
            self.admission.open(pod)
        self._settle()

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """A pod refuses connections: some of its requests go back."""
        pod = data.draw(st.sampled_from(self.pods))
        own = sorted((r for r in self.inside if r.backend is pod), key=lambda r: r.number)
        back = own[: data.draw(st.integers(0, len(own)))]
        self.admission.close(pod)
        for request in back:
            self.inside.remove(request)
            request.backend = None
        self.line[:0] = back
        self.admission.give_back(pod, back)
        self._settle()

    @precondition(lambda self: self.pods)
    @rule(data=st.data(), count=st.integers(0, 3))
    def occupy(self, data: st.DataObject, count: int) -> None:
        """Another gateway takes or leaves slots."""
        self.admission.occupy(data.draw(st.sampled_from(self.pods)), count)
        self._settle()

    @rule(limit=st.integers(0, 4))
    def change_limit(self, limit: int) -> None:
        self.admission.set_limit(limit)
        self._settle()

    @rule()
    def refuse(self) -> None:
        self.admission.refuse_waiting("no")
        assert all(request.refused_with == "no" for request in self.line)
        self.line.clear()

    @invariant()
    def counts_agree(self) -> None:
        for pod in self.pods:
            assert pod.own == sum(1 for r in self.inside if r.backend is pod)
        assert list(self.admission.waiting) == self.line, "a request was lost or invented"

    @invariant()
    def no_free_slot_beside_a_waiting_request(self) -> None:
        limit = self.admission.limit
        if self.line:
            for pod in self.pods:
                assert not pod.usable or (limit and pod.in_flight >= limit)


class NeverAboveTheLimit(RuleBasedStateMachine):
    """With a limit that stays, no pod ever holds more: not even for the blink of a callback."""

    def __init__(self) -> None:
        super().__init__()
        self.pods = [Backend() for _ in range(3)]
        self.admission: Admission[Backend] = Admission(2, 10_000)
        for pod in self.pods:
            self.admission.open(pod)
        self.inside: list[Backend] = []

    def granted(self, backend: Backend) -> None:
        assert backend.in_flight <= 2
        self.inside.append(backend)

    def refused(self, reason: str) -> None:
        raise AssertionError(reason)

    @rule()
    def arrive(self) -> None:
        machine = self

        class One:
            def granted(self, backend: Backend) -> None:
                machine.granted(backend)

            def refused(self, reason: str) -> None:
                machine.refused(reason)

        backend = self.admission.arrive(One())
        if backend is not None:
            self.granted(backend)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.admission.end(self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1))))

    @rule(data=st.data())
    def flap(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(self.pods))
        if pod.usable:
            self.admission.close(pod)
        else:
            self.admission.open(pod)


TestAdmission = AdmissionMachine.TestCase
TestAdmission.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestNeverAboveTheLimit = NeverAboveTheLimit.TestCase
TestNeverAboveTheLimit.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
