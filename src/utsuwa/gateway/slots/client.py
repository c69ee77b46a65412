"""A gateway's end of its connection to the broker of slots: dials, introduces itself, for ever."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from utsuwa.gateway.line import Line
from utsuwa.gateway.slots.words import Grant, Join, Lease, Return, ToBroker, ToGateway, to_gateway
from utsuwa.kit.clock import Clock
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)
RETRY = 0.02
"""Seconds between two attempts to reach the broker: requests may wait for it."""


class Tenant(Protocol):
    """A revision that leases slots, as :class:`leasing.Leasing` does."""

    def granted(self, uid: str) -> None:
        """One more slot is ours."""
        ...

    def wanted(self, elsewhere: bool) -> None:
        """Requests wait at other gateways, or no longer."""
        ...

    def hold(self) -> list[Lease]:
        """What we hold."""
        ...

    def introduce(self) -> None:
        """Say what we can use, and who waits."""
        ...

    def lost_broker(self) -> None:
        """Nobody hears us."""
        ...


class SlotClient:
    """Keeps a connection to the broker, whatever happens to it.

    Mutable state: `_tenants` by the name of their revision, `_former` ones that end their last
    requests, `seen` grants on this connection, and `_line` (None while there is none).
    """

    def __init__(self, path: str, gateway: str, clock: Clock) -> None:
        self._path = path
        self._gateway = gateway
        self._clock = clock
        self._tenants: dict[str, Tenant] = {}
        self._former: list[Tenant] = []
        self.seen = 0
        self._line: Line | None = None

    def __repr__(self) -> str:
        return f"<SlotClient {self._path} {'up' if self._line else 'down'}>"

    def adopt(self, name: str, tenant: Tenant) -> None:
        """`tenant` hears of the revision `name` from now on."""
        self._tenants[name] = tenant

    def dismiss(self, name: str) -> None:
        """Nobody asks for the revision `name` any more; what is in flight ends."""
        self._former.append(self._tenants.pop(name))

    def send(self, message: ToBroker) -> None:
        """Tell the broker; while there is none it is lost (all is told anew)."""
        if self._line is not None:
            self._line.send(message)

    def heard(self, message: ToGateway) -> None:
        """The broker says something."""
        if isinstance(message, Grant):
            self.seen += 1
            tenant = self._tenants.get(message.revision)
            if tenant is not None:
                tenant.granted(message.uid)
            else:
                self.send(Return(message.revision, message.uid, 1))
        elif (tenant := self._tenants.get(message.revision)) is not None:
            tenant.wanted(message.elsewhere)

    def _told(self, _: Line, body: bytes) -> None:
        self.heard(to_gateway.decode(body))

    async def run(self) -> None:
        """Dial, serve until the connection is lost, again."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, line = await loop.create_unix_connection(
                    lambda: Line("the broker of slots", self._told), self._path
                )
            except OSError:
                await self._clock.sleep(RETRY)
                continue
            self._begin(line)
            await line.lost.wait()
            self._line = None
            _log.warning("the broker of slots is gone: using the slots that we hold")
            for tenant in self._tenants.values():
                tenant.lost_broker()
            await self._clock.sleep(RETRY)

    def _begin(self, line: Line) -> None:
        self._line = line
        self.seen = 0
        self._former = [tenant for tenant in self._former if tenant.hold()]
        self.send(Join(self._gateway, tuple(_all((*self._tenants.values(), *self._former)))))
        for tenant in self._tenants.values():
            tenant.introduce()


def _all(tenants: Iterable[Tenant]) -> list[Lease]:
    return [lease for tenant in tenants for lease in tenant.hold()]
