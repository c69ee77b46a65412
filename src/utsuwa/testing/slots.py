"""Gateways and a broker of slots without processes: messages that travel when a test says so."""

from collections import deque
from collections.abc import Callable, Iterable

from utsuwa.gateway.admission import Backend, Requester
from utsuwa.gateway.slots.leasing import Leases, Leasing
from utsuwa.gateway.slots.ledger import Ledger
from utsuwa.gateway.slots.words import Join, ToBroker, ToGateway

REVISION = "default/hello-00001"


class Slotted(Backend):
    """A pod as one gateway sees it."""

    __slots__ = ("uid",)

    def __init__(self, uid: str) -> None:
        super().__init__()
        self.uid = uid

    def __repr__(self) -> str:
        return f"<Slotted {self.uid} own={self.own} of {self.in_flight}>"


class Request:
    """A request. Mutable state: `backend`, where it is (None while it waits or is over)."""

    def __init__(self, number: int, gateway: "PaperGateway") -> None:
        self.number = number
        self.gateway = gateway
        self.backend: Slotted | None = None

    def __repr__(self) -> str:
        return f"<Request {self.number} at {self.gateway.pid} on {self.backend}>"

    def granted(self, backend: Slotted) -> None:
        """It has a slot."""
        assert self.backend is None, "granted twice"
        self.backend = backend
        self.gateway.inside.append(self)

    def refused(self, reason: str) -> None:
        """Nobody refuses here."""
        raise AssertionError(reason)


class Line(Leasing[Slotted]):
    """One gateway's line of the one revision there is."""

    __slots__ = ("held", "leases", "pods")

    def __init__(self, limit: int, leases: Leases) -> None:
        super().__init__(0, 1_000_000)
        self.leases = leases
        self.held: dict[Slotted, int] = {}
        self.pods: dict[str, Slotted] = {}
        self.set_limit(limit)

    @property
    def known_as(self) -> str:
        """The revision."""
        return REVISION

    def backends(self) -> Iterable[tuple[str, Slotted]]:
        """All pods."""
        return self.pods.items()

    def uid_of(self, backend: Slotted) -> str:
        """Its uid."""
        return backend.uid

    def find(self, uid: str) -> Slotted | None:
        """A pod."""
        return self.pods.get(uid)

    def add(self, uid: str) -> None:
        """A new pod answers."""
        pod = self.pods[uid] = Slotted(uid)
        self.occupy(pod, self.taken(pod))
        self.open(pod)


class PaperGateway:
    """A gateway: its line, its requests, and its connection to the broker.

    Mutable state: `outbox` and `inbox`, what is under way in each direction; `seen`; `connected`;
    `inside`, requests on pods; `later`, what is to be done when the present step is over.
    """

    def __init__(self, world: "World", pid: int, limit: int) -> None:
        self.world = world
        self.pid = pid
        self.outbox: deque[ToBroker] = deque()
        self.inbox: deque[ToGateway] = deque()
        self.seen = 0
        self.connected = False
        self.inside: list[Request] = []
        self.later: deque[Callable[[], None]] = deque()
        self.line = Line(limit, Leases(self, lambda: world.now, self.later.append))

    def __repr__(self) -> str:
        return f"<PaperGateway {self.pid} {self.line!r}>"

    def send(self, message: ToBroker) -> None:
        """Put it under way; without a connection it is lost."""
        if self.connected:
            self.outbox.append(message)

    def dial(self) -> None:
        """Connect to the broker there is."""
        self.outbox.clear()
        self.inbox.clear()
        self.seen = 0
        self.connected = True
        self.send(Join(f"gateway-{self.pid}", tuple(self.line.hold())))
        self.line.introduce()

    def finish_step(self) -> None:
        """What was put off until the present step is over."""
        while self.later:
            self.later.popleft()()


class World:
    """One revision, its pods, several gateways, one broker, and what travels between them.

    Mutable state: all of it. `dead` are gateways whose process has ended and whose connections
    are still open, with the requests they had.
    """

    def __init__(self, limit: int, gateways: int) -> None:
        self.limit = limit
        self.now = 0.0
        self.numbers = 0
        self.pods: list[str] = []
        self.dead: list[PaperGateway] = []
        self.gateways: dict[int, PaperGateway] = {}
        self.ledger = Ledger(self._tell)
        for _ in range(gateways):
            self.start()

    def __repr__(self) -> str:
        return f"<World limit={self.limit} {list(self.gateways.values())}>"

    def _tell(self, pid: int, message: ToGateway) -> None:
        gateway = self.gateways.get(pid)
        if gateway is not None and gateway.connected:
            gateway.inbox.append(message)

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    # --- what can happen ----------------------------------------------------------------------

    def start(self) -> PaperGateway:
        """A new gateway."""
        pid = self._number()
        gateway = self.gateways[pid] = PaperGateway(self, pid, self.limit)
        gateway.dial()
        for uid in self.pods:
            gateway.line.add(uid)
        gateway.finish_step()
        return gateway

    def kill(self, gateway: PaperGateway) -> None:
        """The process is killed: what it had said still arrives, its connections are still open."""
        del self.gateways[gateway.pid]
        self.dead.append(gateway)

    def bury(self, gateway: PaperGateway) -> None:
        """The kernel has closed everything that a killed gateway had."""
        self.dead.remove(gateway)
        while gateway.connected and gateway.outbox:
            self.ledger.heard(gateway.pid, gateway.outbox.popleft())
        self.ledger.lost(gateway.pid)
        self.ledger.gone(gateway.pid)

    def restart_broker(self) -> None:
        """A new broker that knows who lives, and not what they hold."""
        everyone = [*self.gateways.values(), *self.dead]
        self.ledger = Ledger(self._tell, [one.pid for one in everyone])
        for gateway in everyone:
            gateway.connected = False
            gateway.outbox.clear()
            gateway.inbox.clear()
            gateway.line.lost_broker()
            gateway.finish_step()

    def hang_up(self, gateway: PaperGateway) -> None:
        """The connection breaks, both sides live."""
        gateway.connected = False
        gateway.outbox.clear()
        gateway.inbox.clear()
        self.ledger.lost(gateway.pid)
        gateway.line.lost_broker()
        gateway.finish_step()

    def arrive(self, gateway: PaperGateway) -> Request:
        """A request comes."""
        request = Request(self._number(), gateway)
        line: Requester[Slotted] = request
        backend = gateway.line.arrive(line)
        if backend is not None:
            request.granted(backend)
        gateway.finish_step()
        return request

    def end(self, request: Request) -> None:
        """A request on a pod is over."""
        request.gateway.inside.remove(request)
        assert request.backend is not None
        request.gateway.line.end(request.backend)
        request.gateway.finish_step()

    def carry(self, gateway: PaperGateway, *, to_broker: bool) -> None:
        """One message arrives."""
        if to_broker:
            self.ledger.heard(gateway.pid, gateway.outbox.popleft())
            return
        message = gateway.inbox.popleft()
        if hasattr(message, "uid"):
            gateway.seen += 1
            gateway.line.granted(message.uid)
        else:
            gateway.line.wanted(message.elsewhere)
        gateway.finish_step()

    def carry_all(self, most: int = 100_000) -> int:
        """Every message arrives, those that follow too; answers how many that were."""
        count = 0
        while busy := [one for one in self.gateways.values() if one.outbox or one.inbox]:
            for gateway in busy:
                if gateway.outbox:
                    self.carry(gateway, to_broker=True)
                    count += 1
                if gateway.inbox:
                    self.carry(gateway, to_broker=False)
                    count += 1
            assert count <= most, f"{count} messages and no end"
        return count

    def in_flight(self, uid: str) -> int:
        """Requests on the pod, of the living and of the dead whose connections are open."""
        everyone = [*self.gateways.values(), *self.dead]
        return sum(1 for one in everyone for r in one.inside if r.backend and r.backend.uid == uid)
