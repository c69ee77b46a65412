"""What a gateway and the broker of slots say to one another.

One unix socket, frames of :mod:`utsuwa.kit.framing`. The broker listens; each gateway dials, says
:class:`Join`, then :class:`Serve` for each pod it can reach and :class:`Need` for each line it
has. Only revisions with a hard limit are spoken of.
"""

import msgspec

MOST = 256
"""Places that one gateway may have in a line: all that is behind them is told when they are gone."""


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """Slots of one pod that a gateway holds."""

    revision: str
    uid: str
    count: int


# --- gateway to broker --------------------------------------------------------------------------


class Join(msgspec.Struct, tag="join", frozen=True, array_like=True):
    """First word of a gateway: what it holds, in use or not. Replaces all that was said before."""

    gateway: str
    held: tuple[Lease, ...] = ()


class Serve(msgspec.Struct, tag="serve", frozen=True, array_like=True):
    """This gateway can use the pod, which has `limit` slots; with 0 it no longer can."""

    revision: str
    uid: str
    limit: int


class Need(msgspec.Struct, tag="need", frozen=True, array_like=True):
    """How many requests wait here; of a long line, its first :data:`MOST` only."""

    revision: str
    waiting: int
    seen: int
    """Slots granted so far on this connection, of all revisions: `waiting` does not know of those
    that are still under way."""


class Return(msgspec.Struct, tag="return", frozen=True, array_like=True):
    """Slots that are free again: nothing of this gateway is on them any more."""

    revision: str
    uid: str
    count: int


# --- broker to gateway --------------------------------------------------------------------------


class Grant(msgspec.Struct, tag="grant", frozen=True, array_like=True):
    """One more slot of the pod is yours, until you return it."""

    revision: str
    uid: str


class Wanted(msgspec.Struct, tag="wanted", frozen=True, array_like=True):
    """Whether requests wait at other gateways: then a slot that is free is to be returned, at once
    if it is idle, and when its turn is over if requests wait here as well."""

    revision: str
    elsewhere: bool


ToBroker = Join | Serve | Need | Return
ToGateway = Grant | Wanted

to_broker = msgspec.msgpack.Decoder(ToBroker)
to_gateway = msgspec.msgpack.Decoder(ToGateway)
