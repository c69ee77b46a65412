"""Tells when files of a directory change: by the kernel (watchfiles), else by looking."""

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

from utsuwa.kit.clock import SystemClock
from utsuwa.node.images.ignore import (
    DOCKER,
    GCLOUD,
    OWN,
    PODMAN,
    of_bundle,
    of_context,
)

STEP, MOST = 0.02, 0.2
"""Seconds without a change after which changes are told, and after which they are told anyway."""
LOOK_EVERY = 0.25
_SHARE = 10.0
"""Looking takes at most this part of the time."""
_DECIDES = (OWN, GCLOUD, DOCKER, PODMAN)


class Counting:
    """Whether a file of `directory` counts. Mutable state: the rules, read anew when an ignore
    file has changed. `dockerfile`: its name where the engine builds, else ""."""

    def __init__(self, directory: Path, dockerfile: str = "") -> None:
        self.directory = directory
        self._dockerfile = dockerfile
        self._left_out: Callable[[str], bool] = lambda _: False
        self._pruned: Callable[[str], bool] = lambda _: False
        self.read()

    def __repr__(self) -> str:
        return f"<Counting {self.directory}>"

    def read(self) -> None:
        """Read the ignore files."""
        rules = of_bundle(self.directory)
        self._pruned = rules.prunes
        self._left_out = (
            of_context(self.directory, self._dockerfile) if self._dockerfile else rules.covers
        )

    def counts(self, path: str) -> bool:
        """Whether a change of `path`, relative, makes a difference."""
        if os.path.basename(path).endswith(_DECIDES):
            self.read()
            return True
        return not self._left_out(path)

    def prunes(self, path: str) -> bool:
        """Whether nothing below `path` counts."""
        return self._pruned(path)


def kernel(counting: Counting, stop: Event) -> Iterator[list[str]]:
    """What was changed, some paths at a time, until `stop`.

    Raises:
        ModuleNotFoundError: watchfiles is not installed.
        OSError: the kernel watches no more files.
    """
    watchfiles = import_module("watchfiles")
    top = counting.directory.resolve()

    def relative(path: str) -> str:
        return os.path.relpath(path, top)

    def filtered(_: Any, path: str) -> bool:
        return counting.counts(relative(path))

    for changes in watchfiles.watch(
        top,
        watch_filter=filtered,
        debounce=int(MOST * 1000),
        step=int(STEP * 1000),
        stop_event=stop,
        rust_timeout=500,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        yield sorted({relative(path) for _, path in changes})


Look = dict[str, tuple[int, int, int]]


def look(counting: Counting) -> Look:
    """Every file that counts, with what tells that it has changed."""
    return dict(_look(counting, ""))


def _look(counting: Counting, below: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    try:
        items = list(os.scandir(counting.directory / below))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # has just gone, or is nobody's business
    for item in items:
        path = f"{below}/{item.name}" if below else item.name
        try:
            if item.is_dir(follow_symlinks=False):
                if not counting.prunes(path):
                    yield from _look(counting, path)
            elif counting.counts(path):
                status = item.stat(follow_symlinks=False)
                yield path, (status.st_mtime_ns, status.st_size, status.st_mode)
        except FileNotFoundError:
            continue


def polling(counting: Counting, stop: Event, clock: SystemClock) -> Iterator[list[str]]:
    """As :func:`kernel`, by looking."""
    before = look(counting)
    while not stop.wait(LOOK_EVERY):
        begun = clock.monotonic()
        now = look(counting)
        changed = sorted(
            path for path in before.keys() | now.keys() if before.get(path) != now.get(path)
        )
        before = now
        if changed:
            yield changed
        stop.wait(_SHARE * (clock.monotonic() - begun))


def changes(
    counting: Counting, stop: Event, clock: SystemClock, say: Callable[[str], None]
) -> Iterator[list[str]]:
    """What was changed, some paths at a time, until `stop`. `say` is told where it costs time."""
    try:
        yield from kernel(counting, stop)
    except ModuleNotFoundError:
        why = "watchfiles is not installed (pip install 'utsuwa[dev]')"
    except OSError as error:
        why = f"the kernel does not watch them ({error})"
    else:
        return
    say(f"looking for changed files every {LOOK_EVERY:g} s, for {why}")
    yield from polling(counting, stop, clock)
