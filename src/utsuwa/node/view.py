"""A container's own view of the files: its image copy on write, and its volumes, in a mount
namespace.

A thread takes a mount namespace of its own, lays a writable layer over the bundle there, binds the
volumes to their places, and starts the process, which inherits the namespace; then the thread
ends. So nothing is mounted in
the machine's own namespace, nothing is left to unmount, and a container may write next to its
files without another one ever seeing it. Costs less than a millisecond. Needs the right to mount
(root, usually); where it is missing, containers share the bundle, which is read-only then.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from utsuwa.kit.log import get_logger
from utsuwa.node import kernel
from utsuwa.node.kernel import Rights, apart
from utsuwa.node.runtime import Mount

_log = get_logger(__name__)

_MIRROR = ".utsuwa-mirror"
"""A file that tells a mirror from what it mirrors."""

_NAMESPACES = {"ipc": kernel.NEW_IPC, "pid": kernel.NEW_PIDS, "mnt": kernel.NEW_MOUNTS}
"""The files last: what the others are is found among ours."""

T = TypeVar("T")


def with_layer(tree: Path, layer: Path, work: Callable[[], T], mounts: Sequence[Mount] = ()) -> T:
    """Do `work` where `tree` can be written, with what is written kept in `layer`, and where
    `mounts` are in their places.

    Raises:
        OSError: the machine does not allow it; and whatever `work` raises.
    """

    def inside() -> T:
        kernel.call("unshare", kernel.NEW_MOUNTS)
        kernel.call("mount", None, b"/", None, kernel.RECURSIVE | kernel.PRIVATE, None)
        lay(tree, layer, mounts)
        return work()

    return apart(inside)


def lay(tree: Path, layer: Path, mounts: Sequence[Mount] = ()) -> None:
    """Let `tree` be writable and `mounts` be in their places, in this thread's namespace."""
    upper, scratch = layer / "upper", layer / "work"
    upper.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(exist_ok=True)
    options = f"lowerdir={_quoted(tree)},upperdir={_quoted(upper)},workdir={_quoted(scratch)}"
    kernel.call("mount", b"overlay", os.fsencode(tree), b"overlay", 0, os.fsencode(options))
    upper.chmod(0o755)
    for mount in mounts:
        _bind(mount, layer)


def with_layer_anew(
    pid: int, tree: Path, layer: Path, mounts: Sequence[Mount], work: Callable[[], T]
) -> T:
    """Give process `pid`, which has taken a namespace of its own from one made by
    :func:`with_layer`, its own layer in place of that one, and `mounts`; then do `work`.

    Raises:
        OSError: the process is gone, or this is not allowed; and whatever `work` raises.
    """

    def inside() -> T:
        before = layer / "before"
        before.mkdir(parents=True, exist_ok=True)
        # To unmount it waits for every processor: 1 to 20 ms.
        kernel.mount(str(tree), before, kernel.MOVE)
        lay(tree, layer, mounts)
        return work()

    return with_view_of(pid, inside)


def with_view_of(pid: int, work: Callable[[], T], rights: Rights | None = None) -> T:
    """Do `work` in the namespaces of process `pid`, where the files are as it sees them; what is
    started there is one of its tree of processes. `rights`: those to do it with, if not ours.

    Raises:
        OSError: the process is gone, or this is not allowed; and whatever `work` raises.
    """
    kinds = [kind for kind in _NAMESPACES if _namespace(pid, kind) != _namespace("self", kind)]
    if not kinds and rights is None:
        return work()

    def inside() -> T:
        with contextlib.ExitStack() as opened:
            theirs = []
            for kind in kinds:
                fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
                opened.callback(os.close, fd)
                theirs.append((fd, _NAMESPACES[kind]))
            kernel.call("unshare", kernel.OWN_DIRECTORY)
            for fd, number in theirs:
                kernel.call("setns", fd, number)
        if rights is not None:
            rights.take()
        return work()

    return apart(inside)


def _namespace(pid: int | str, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")


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


# --- volumes --------------------------------------------------------------------------------------


def _bind(mount: Mount, layer: Path) -> None:
    """Let `mount.target` show `mount.source`, in this thread's namespace."""
    make_place(mount.target, layer, directory=mount.source.is_dir())
    kernel.mount(str(mount.source), mount.target, kernel.BIND)
    if mount.read_only:
        kernel.mount("none", mount.target, kernel.BIND | kernel.REMOUNT | kernel.READ_ONLY)


def make_place(target: Path, stage: Path, *, directory: bool, anew: Collection[Path] = ()) -> None:
    """See that there is something at `target` to mount over, without changing the machine's
    files: the nearest directory that exists is replaced by a mirror of itself first, unless it is
    one of those that are not the machine's, or beneath. `stage`: where mirrors are made."""
    if target.exists():
        return
    parent = next(path for path in target.parents if path.is_dir())
    own = any(path in anew for path in target.parents)
    if not own and not _is_mirror(parent):
        _mirror(parent, stage)
    (target if directory else target.parent).mkdir(parents=True, exist_ok=True)
    if not directory:
        target.touch()


def _is_mirror(directory: Path) -> bool:
    return (directory / _MIRROR).exists()


def _mirror(directory: Path, layer: Path) -> None:
    """Lay a directory of our own over `directory`, in which each entry is the one beneath."""
    stage = layer / "mirror"
    stage.mkdir(exist_ok=True)
    kernel.call("mount", b"tmpfs", os.fsencode(stage), b"tmpfs", 0, b"mode=755,size=1m")
    kernel.mount("none", stage, kernel.UNBINDABLE)  # or else it would mirror itself
    (stage / _MIRROR).touch(0o400)
    for entry in os.scandir(directory):
        here = stage / entry.name
        if entry.is_symlink():
            here.symlink_to(os.readlink(entry.path))
            continue
        if entry.is_dir(follow_symlinks=False):
            here.mkdir()
        else:
            here.touch()
        kernel.mount(entry.path, here, kernel.BIND | kernel.RECURSIVE)
    if directory == Path("/"):
        os.chdir(stage)
        kernel.pivot_root()
    else:
        kernel.mount(str(stage), directory, kernel.MOVE)


def _quoted(path: Path) -> str:
    """As overlay options want it."""
    return str(path).replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")
