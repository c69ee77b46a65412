"""Importing ahead, without what must not happen before a fork.

A module that starts a thread, leaves a file open, or reads what differs from pod to pod while it
is imported is named, and the parent begins anew without it (one `exec`), until what is left is
harmless.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable

OF_ONE_POD = frozenset({"PORT", "HOSTNAME", "HOME", "TMPDIR", "UTSUWA_POD"})
"""Variables that differ from pod to pod, always."""


class Watched(type(os.environ)):  # type: ignore[misc]  # the class has no public name
    """The environment, which remembers who has read what."""

    def __getitem__(self, key: str) -> str:
        read.setdefault(key, importing())
        value: str = super().__getitem__(key)
        return value


read: dict[str, list[str]] = {}
"""Modules that were being imported when a variable was first read, innermost first."""


def importing() -> list[str]:
    """The modules whose import is under way, innermost first."""
    frame = sys._getframe(1)  # noqa: SLF001  (it has no other name)
    found = []
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "<module>" and name != "__main__":
            found.append(str(name))
        frame = frame.f_back  # type: ignore[assignment]  # None ends it
    return found


def open_files() -> dict[int, str]:
    """What is open, by descriptor; what cannot do harm is left out."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if target not in {"/dev/null", "/dev/urandom"} and not target.endswith("/fd"):
                found[int(name)] = target
    return found


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))


class Importer:
    """Imports ahead. Mutable state: `skipped`, by name the reason why not."""

    def __init__(self, tree: str, everything: bool, skipped: dict[str, str]) -> None:
        self._tree = os.path.realpath(tree) + os.sep
        self._everything = everything
        self.skipped = skipped
        self._files = open_files()
        self._own: dict[str, bool] = {}

    def load(self, names: Iterable[str]) -> bool:
        """Whether all is well; False when something is to be left out, and all begun anew."""
        for name in names:
            if name in sys.modules or name == "__main__" or self._is_skipped(name):
                continue
            # What fails ahead fails, or not, in each child as well: there it is told.
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(name)
            if blamed := self._harm(name):
                self.skipped.update(blamed)
                return False
        return True

    def _is_skipped(self, name: str) -> bool:
        parts = name.split(".")
        if any(".".join(parts[:end]) in self.skipped for end in range(1, len(parts) + 1)):
            return True
        return not self._everything and self._is_own(parts[0])

    def _is_own(self, top: str) -> bool:
        """Whether it is the app's own code."""
        if top not in self._own:
            spec = None
            with contextlib.suppress(Exception):
                spec = importlib.util.find_spec(top)
            places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
            self._own[top] = any(self._inside(place) for place in places)
        return self._own[top]

    def _inside(self, place: str | None) -> bool:
        return bool(place) and os.path.realpath(str(place)).startswith(self._tree)

    def _harm(self, name: str) -> dict[str, str]:
        """Modules to be left out, and why, after `name` was imported."""
        for variable in sorted(OF_ONE_POD & read.keys()):
            why = f"{variable} was read while it was imported"
            return dict.fromkeys(read[variable] or [name], why)
        if threads() > 1:
            return {name: "it starts a thread"}
        for number, target in open_files().items():
            if self._files.get(number) != target:
                what = "a connection" if target.startswith("socket:") else target
                return {name: f"it leaves {what} open"}
        if not self._everything:
            for module in list(sys.modules.values()):
                place = getattr(module, "__file__", None)
                if self._inside(place) and getattr(module, "__name__", "") != "__main__":
                    return {name: "it imports a module of the app"}
        return {}
