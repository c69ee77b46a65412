"""A pod that may be frozen while nobody needs it: when we let it rest, and how it is woken.

Two things hold whatever happens elsewhere (a property test holds them):

* while we have anything on the pod, or may have the next moment, we have a share of its
  :class:`~utsuwa.kit.freezing.Hold`. The node freezes nothing of which somebody has a share;
* nothing is sent to a pod of which we have no share: first comes the share, then the thaw, which is
  our own to make, then the connection. Control is not asked, it may be dead.

Connections to a pod that rests are closed: its own clock goes on while it stands, and the first
thing that it would do when it runs again is to close those that have been idle for too long.
"""

import asyncio
from math import inf
from typing import TYPE_CHECKING

from utsuwa.kit.freezing import NotAloneError, Share
from utsuwa.kit.log import get_logger
from utsuwa.routing.messages import Resting, Woken

if TYPE_CHECKING:
    from utsuwa.gateway.exchange import Caller
    from utsuwa.gateway.pod import Pod

_log = get_logger(__name__)
LOOK = 1.0
"""Most seconds between two looks at whether a pod is in use."""


def let_rest(pod: "Pod", after: float) -> None:
    """`pod` may be frozen after so many seconds without a request, or never (0)."""
    if pod.rest is not None:
        pod.rest.set_after(after)
    elif after and pod.core.hold is not None and not pod.draining:
        try:
            hold = pod.core.hold(pod.uid)
        except OSError as error:
            _log.error("pod is never frozen: it has no hold", pod=pod.uid, reason=error)
        else:
            pod.rest = Rest(pod, hold, after)


class Rest:
    """Whether one pod rests.

    Mutable state: `awake` (we have a share of its hold), `_after` so many seconds without a request
    it rests; `_waking`, the waking that is under way; `_timer`, the next look; `_served` and
    `_since`: what the pod had served at the last look, and when that was seen to change; `_left`:
    the pod is gone.
    """

    def __init__(self, pod: "Pod", hold: Share, after: float) -> None:
        self.awake = False
        self._after = after
        self._pod = pod
        self._core = pod.core
        self._hold = hold
        self._waking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._served = 0
        self._since = self._core.monotonic()
        self._left = False
        self._look_later()

    def __repr__(self) -> str:
        state = "awake" if self.awake else "waking" if self._waking else "resting"
        return f"<Rest of {self._pod.uid}: {state}>"

    # --- waking ---------------------------------------------------------------------------------

    def wake_for(self, caller: "Caller") -> None:
        """Wake it, then dial for `caller`, which has a slot on it."""
        self._pod.wanting[caller] = None
        self._begin()

    async def wake(self) -> None:
        """Wake it; it is awake when this returns, and stays so for as long as it may rest."""
        if not self.awake and not self._left:
            await asyncio.shield(self._begin())

    def _begin(self) -> "asyncio.Task[None]":
        if self._waking is None:
            self._waking = self._core.tasks.start(self._wake(), name=f"wake {self._pod.uid}")
        return self._waking

    async def _wake(self) -> None:
        pod = self._pod
        said = Woken(pod.revision.name, pod.uid)
        try:
            if await self._core.aside(self._hold.use):
                said = Woken(pod.revision.name, pod.uid, frozen=True)
                pod.birth.thawed = self._core.clock.now()
        except NotAloneError:
            said = Woken(pod.revision.name, pod.uid, help=True)
        except (OSError, ValueError) as error:
            _log.warning("pod not thawed, asking control to", pod=pod.uid, reason=error)
            said = Woken(pod.revision.name, pod.uid, help=True)
        self._waking = None
        self.awake = True
        self._since = self._core.monotonic()
        self._core.send(said)
        if self._left:
            self._hold.close()
        else:
            self._look_later()
        wanting, pod.wanting = list(pod.wanting), {}
        for caller in wanting:
            pod.dial(caller)

    # --- resting --------------------------------------------------------------------------------

    def set_after(self, after: float) -> None:
        """It rests after so many seconds without a request; 0: it rests no more."""
        if self._after != (after or inf):
            self._after = after or inf
            if self._after < inf:
                self._look_later()
            elif not self.awake:
                self._begin()

    def _look_later(self) -> None:
        if self._timer is None and self._after < inf:
            delay = min(LOOK, self._after / 4)
            self._timer = self._core.loop.call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._left or self._waking is not None:
            return  # whoever wakes it looks again
        now = self._core.monotonic()
        served = self._pod.served()
        if served != self._served or not self._pod.quiet:
            self._served, self._since = served, now
        if now - self._since < self._after:
            self._look_later()
        else:
            self._rest()

    def _rest(self) -> None:
        """Nobody needs it: from here to the end of this nothing may come between."""
        self._pod.close_idle()
        self._served = self._pod.served()
        if self.awake:
            self.awake = False
            self._hold.release()
        self.tell()

    def tell(self) -> None:
        """Tell control, which may have missed it."""
        pod = self._pod
        if self.awake:
            self._core.send(Woken(pod.revision.name, pod.uid))
        elif self._timer is None and self._waking is None:
            self._core.send(Resting(pod.revision.name, pod.uid, self._after))

    # --- the end --------------------------------------------------------------------------------

    def leave(self) -> None:
        """The pod is to go, and has no request left. Whoever ends it lets it go on first, and
        freezes it no more."""
        self._left = self.awake = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waking is None:
            self._hold.close()
