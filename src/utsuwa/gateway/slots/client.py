"""A gateway's end of its connection to the broker of slots: dials, introduces itself, for ever."""

import asyncio
from collections.abc import Iterable
from typing import Protocol, cast

import msgspec

from utsuwa.gateway.slots.words import Grant, Join, Lease, Return, ToBroker, ToGateway, to_gateway
from utsuwa.kit.clock import Clock
from utsuwa.kit.framing import FrameDecoder, FrameError, encode_frame
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


class _Protocol(asyncio.Protocol):
    """One connection to the broker."""

    def __init__(self, client: "SlotClient") -> None:
        self._client = client
        self._decoder = FrameDecoder()
        self.transport: asyncio.WriteTransport | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's are none by class

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._decoder.feed(data):
                self._client.heard(to_gateway.decode(body))
        except (FrameError, msgspec.MsgspecError) as error:
            _log.error("the broker of slots sent what is no message: dialling anew", error=error)
            if self.transport is not None:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.lost.set()


class SlotClient:
    """Keeps a connection to the broker, whatever happens to it.

    Mutable state: `_tenants` by the name of their revision, `_former` ones that end their last
    requests, `seen` grants on this connection, and `_protocol` (None while there is none).
    """

    def __init__(self, path: str, gateway: str, clock: Clock) -> None:
        self._path = path
        self._gateway = gateway
        self._clock = clock
        self._tenants: dict[str, Tenant] = {}
        self._former: list[Tenant] = []
        self.seen = 0
        self._protocol: _Protocol | None = None

    def __repr__(self) -> str:
        return f"<SlotClient {self._path} {'up' if self._protocol else 'down'}>"

    def adopt(self, name: str, tenant: Tenant) -> None:
        """`tenant` hears of the revision `name` from now on."""
        self._tenants[name] = tenant

    def dismiss(self, name: str) -> None:
        """Nobody asks for the revision `name` any more; what is in flight ends."""
        self._former.append(self._tenants.pop(name))

    def send(self, message: ToBroker) -> None:
        """Tell the broker; while there is none it is lost (all is told anew)."""
        if self._protocol is not None and self._protocol.transport is not None:
            self._protocol.transport.write(encode_frame(message))

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

    async def run(self) -> None:
        """Dial, serve until the connection is lost, again."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, protocol = await loop.create_unix_connection(lambda: _Protocol(self), self._path)
            except OSError:
                await self._clock.sleep(RETRY)
                continue
            self._begin(protocol)
            await protocol.lost.wait()
            self._protocol = None
            _log.warning("the broker of slots is gone: using the slots that we hold")
            for tenant in self._tenants.values():
                tenant.lost_broker()
            await self._clock.sleep(RETRY)

    def _begin(self, protocol: _Protocol) -> None:
        self._protocol = protocol
        self.seen = 0
        self._former = [tenant for tenant in self._former if tenant.hold()]
        self.send(Join(self._gateway, tuple(_all((*self._tenants.values(), *self._former)))))
        for tenant in self._tenants.values():
            tenant.introduce()


def _all(tenants: Iterable[Tenant]) -> list[Lease]:
    return [lease for tenant in tenants for lease in tenant.hold()]
