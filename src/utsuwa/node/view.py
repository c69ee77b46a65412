"""A container's own view of its image: copy on write, by an overlay in a mount namespace.

A thread takes a mount namespace of its own, lays a writable layer over the bundle there, and
starts the process, which inherits the namespace; then the thread ends. So nothing is mounted in
the machine's own namespace, nothing is left to unmount, and a container may write next to its
files without another one ever seeing it. Costs less than a millisecond. Needs the right to mount
(root, usually); where it is missing, containers share the bundle, which is read-only then.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from utsuwa.kit.log import get_logger

_log = get_logger(__name__)

_NEW_MOUNTS = 0x00020000
_OWN_DIRECTORY = 0x00000200
_RECURSIVE = 0x4000
_PRIVATE = 1 << 18

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


class _Answer(Generic[T]):
    """The result of a thread, handed over before the thread ends: ending it takes longer, for
    its namespace is taken down."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:
            self._error = error
        self._done.set()

    def get(self) -> T:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result[0]


def _apart(work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own, whose namespaces it may change."""
    answer = _Answer(work)
    threading.Thread(target=answer.run, name="view", daemon=True).start()
    return answer.get()


def with_layer(tree: Path, layer: Path, work: Callable[[], T]) -> T:
    """Do `work` where `tree` can be written, with what is written kept in `layer`.

    Raises:
        OSError: the machine does not allow it; and whatever `work` raises.
    """

    def inside() -> T:
        upper, scratch = layer / "upper", layer / "work"
        upper.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(exist_ok=True)
        _call("unshare", _NEW_MOUNTS)
        _call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
        options = f"lowerdir={_quoted(tree)},upperdir={_quoted(upper)},workdir={_quoted(scratch)}"
        _call("mount", b"overlay", os.fsencode(tree), b"overlay", 0, os.fsencode(options))
        upper.chmod(0o755)
        return work()

    return _apart(inside)


def with_view_of(pid: int, work: Callable[[], T]) -> T:
    """Do `work` where the files are as process `pid` sees them.

    Raises:
        OSError: the process is gone, or this is not allowed; and whatever `work` raises.
    """
    theirs = f"/proc/{pid}/ns/mnt"
    if os.readlink(theirs) == os.readlink("/proc/self/ns/mnt"):
        return work()

    def inside() -> T:
        fd = os.open(theirs, os.O_RDONLY)
        try:
            _call("unshare", _OWN_DIRECTORY)
            _call("setns", fd, _NEW_MOUNTS)
        finally:
            os.close(fd)
        return work()

    return _apart(inside)


def is_possible(directory: Path) -> bool:
    """Whether containers whose layers lie below `directory` can have views of their own."""
    tree = directory / ".view"
    try:
        tree.mkdir(parents=True, exist_ok=True)
        with_layer(tree, directory / ".layer", lambda: (tree / "probe").write_text(""))
    except OSError as error:
        _log.info("containers share their bundle, read-only", reason=error.strerror)
        return False
    finally:
        tree.rmdir()
    return True


def _quoted(path: Path) -> str:
    """As overlay options want it."""
    return str(path).replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
