"""How a process is started: isolated, else with a view of the files of its own, else as it is.

What the machine allows is tried once, when it is first needed, and said once in the log.
"""

from collections.abc import Sequence
from pathlib import Path

from utsuwa.kit.log import get_logger
from utsuwa.node import enclosure, view
from utsuwa.node.enclosure import First
from utsuwa.node.runtime import Launch, LaunchError
from utsuwa.node.spawn import Process, layer_of, mounts_of, opened_log, spawn

_log = get_logger(__name__)

_NO_MOUNTS = (
    "volumes cannot be mounted: that takes the right to mount; run `utsuwa up` as root, or pass "
    "configuration through env and envFrom"
)


class Starter:
    """Starts processes. `hidden`: what those must not see that are isolated. Mutable state: what
    the machine allows, once that is known."""

    def __init__(self, hidden: Sequence[Path], *, isolation: bool) -> None:
        self._hidden = tuple(hidden)
        self._views: bool | None = None
        self._isolates: bool | None = None if isolation else False

    def __repr__(self) -> str:
        return f"<Starter: views {self._views}, isolates {self._isolates}>"

    def has_views(self, launch: Launch) -> bool:
        """Whether the process of `launch` gets a view of the files of its own."""
        if launch.tree is None or launch.scratch is None:
            return False
        if self._views is None:
            self._views = view.is_possible(launch.scratch.parent)
        return self._views

    def isolates(self, launch: Launch) -> bool:
        """Whether the process of `launch` is isolated."""
        if launch.isolation is None or launch.tree is None or launch.scratch is None:
            return False
        if self._isolates is None:
            why = enclosure.is_possible(launch.scratch.parent, self._hidden)
            self._isolates = not why
            if why:
                _log.info("processes are not isolated", reason=why)
        return self._isolates

    def start(self, launch: Launch) -> tuple[Process, First | None]:
        """The process of `launch`, and the first one of its tree where it has one of its own.

        Raises:
            LaunchError: it cannot be started; the message says why.
        """
        if launch.isolation is not None and self.isolates(launch):
            try:
                return enclosure.start(launch, launch.isolation, self._hidden)
            except OSError as error:
                raise LaunchError(f"cannot be isolated: {error.strerror}") from error
        with opened_log(launch) as log:
            return self._plainly(launch, log), None

    def _plainly(self, launch: Launch, log: int) -> Process:
        if launch.tree is None or not self.has_views(launch):
            if launch.mounts and launch.tree is not None:
                raise LaunchError(_NO_MOUNTS)
            return spawn(launch, log)
        try:
            layer, mounts = layer_of(launch), mounts_of(launch)
            return view.with_layer(launch.tree, layer, lambda: spawn(launch, log), mounts)
        except OSError as error:
            raise LaunchError(f"volumes cannot be mounted: {error.strerror}") from error
