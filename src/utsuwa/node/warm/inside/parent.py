"""The warm parent: imports ahead, then forks on demand; each child becomes the app."""

import contextlib
import ctypes
import gc
import json
import os
import select
import socket
import sys
from collections.abc import Iterator

from .ahead import OF_ONE_POD, Importer, Watched, read, threads
from .app import Entry

OF_THE_INTERPRETER = ("PYTHON", "LC_", "LD_", "MALLOC_", "GLIBC_")
"""Beginnings of variables that count when a process starts, read or not."""
ROOM = "UTSUWA_ROOM"
"""Holds nothing: makes room in the process for the environments of children."""
MOST_SKIPPED = 40
_NEW_MOUNTS = 0x00020000

first: dict[bytes, bytes] = {}
"""The environment as the process was given it: an interpreter may add to it."""


class Space:
    """Where the kernel shows a process's arguments and environment: written over in a child."""

    def __init__(self) -> None:
        self._move = ctypes.memmove
        libc = ctypes.CDLL(None, use_errno=True)
        self._unshare = libc.unshare
        self._errno = ctypes.get_errno
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        self._arguments = int(fields[45]), int(fields[46])
        self._environment = int(fields[47]), int(fields[48])

    def show(self, arguments: list[str], environment: dict[str, str] | None = None) -> None:
        """What `/proc/self/cmdline` and `/proc/self/environ` say from now on."""
        self._write(self._arguments, (os.fsencode(word) for word in arguments))
        if environment is not None:
            pairs = (os.fsencode(f"{name}={value}") for name, value in environment.items())
            self._write(self._environment, pairs)

    def _write(self, where: tuple[int, int], words: Iterator[bytes]) -> None:
        start, end = where
        room = end - start
        data = b"".join(word + b"\0" for word in words)[: room - 1]
        self._move(start, data.ljust(room, b"\0"), room)

    def own_files(self) -> None:
        """A mount namespace for this process alone."""
        if self._unshare(_NEW_MOUNTS) != 0:
            raise OSError(self._errno(), "unshare")


# --- the parent: forks ----------------------------------------------------------------------------


class Parent:
    """Answers control. Mutable state: `_children` by pidfd; `_told`, ends to be told."""

    def __init__(self, settings: dict[str, object], importer: Importer) -> None:
        self._space = Space()
        self._title = [str(settings["title"])]
        self._skipped = importer.skipped
        self._listener = socket.socket(fileno=os.dup(0))
        self._line: socket.socket | None = None
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._children: dict[int, tuple[int, int]] = {}
        self._told: list[list[int]] = []
        self._before = {os.fsdecode(name): os.fsdecode(value) for name, value in first.items()}
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)

    def serve(self) -> Entry:
        """Returns in children alone, with what they are to be."""
        self._space.show(self._title)
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        gc.freeze()
        while True:
            for number, _ in self._poll.poll():
                if number in self._children:
                    self._ended(number)
                elif number == self._listener.fileno():
                    self._accept()
                elif self._line is not None and number == self._line.fileno():
                    found = self._asked()
                    if found is not None:
                        return found

    def _accept(self) -> None:
        line, _ = self._listener.accept()
        self._hang_up()
        self._line = line
        self._poll.register(line, 1)
        self._tell({"modules": len(sys.modules), "skipped": self._skipped})
        for ended in self._told:
            self._tell({"ended": ended})
        self._told.clear()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._poll.unregister(self._line)
            self._line.close()
            self._line = None

    def _tell(self, message: dict[str, object]) -> None:
        try:
            if self._line is None:
                raise OSError
            self._line.send(json.dumps(message).encode())
        except OSError:
            if "ended" in message:
                self._told.append(message["ended"])  # type: ignore[arg-type]  # made so below

    def _ended(self, pidfd: int) -> None:
        pid, start = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._tell({"ended": [pid, start, status]})

    def _asked(self) -> "Entry | None":
        assert self._line is not None
        try:
            data, files, _, _ = socket.recv_fds(self._line, 1 << 20, 2)
        except OSError:
            data, files = b"", []
        if not data:
            self._hang_up()
            return None
        order = json.loads(data)
        if "stop" in order:
            os._exit(0)
        log, number = files
        with socket.socket(fileno=number) as line:
            refused = self._refusal(order["env"])
            if refused:
                line.send(json.dumps({"refused": refused}).encode())
                os.close(log)
                return None
            pid = os.fork()
            if pid == 0:
                return self._child(order, log, line)
        os.close(log)
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            start = int(file.read().rpartition(")")[2].split()[19])
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = (pid, start)
        self._poll.register(pidfd, 1)
        return None

    def _refusal(self, environment: dict[str, str]) -> str:
        if threads() > 1:
            return "the warm parent has a thread by now"
        for name in environment.keys() | self._before.keys():
            counts = name in read or name == "TZ" or name.startswith(OF_THE_INTERPRETER)
            differs = environment.get(name) != self._before.get(name)
            if counts and differs and name not in OF_ONE_POD:
                return f"stale: {name} has another value than when the app was imported"
        return ""

    # --- in the child ---------------------------------------------------------------------------

    def _child(self, order: dict[str, object], log: int, line: object) -> Entry:
        os.setsid()
        self._listener.close()
        self._hang_up()
        for pidfd in self._children:
            os.close(pidfd)
        environment: dict[str, str] = order["env"]  # type: ignore[assignment]  # from control
        self._become(environment)
        self._space.show(order["title"], environment)  # type: ignore[arg-type]  # from control
        self._agree(line, view=bool(order["view"]))
        for number in (1, 2):
            os.dup2(log, number)
        os.close(log)
        os.chdir(str(order["directory"]))
        entry = Entry(*order["entry"])  # type: ignore[misc]  # from control
        sys.path_importer_cache.pop(entry.directory(), None)
        sys.orig_argv[:] = order["title"]  # type: ignore[call-overload]  # from control
        if "tempfile" in sys.modules:
            sys.modules["tempfile"].tempdir = None  # type: ignore[attr-defined]  # TMPDIR is new
        gc.enable()
        return entry

    def _agree(self, line: object, *, view: bool) -> None:
        """Tell control, and wait for its word; without it there is no pod."""
        try:
            if view:
                self._space.own_files()
            line.send(json.dumps({"pid": os.getpid()}).encode())  # type: ignore[attr-defined]
            if not line.recv(16):  # type: ignore[attr-defined]  # control has given up
                os._exit(0)
        except OSError as error:
            with contextlib.suppress(OSError):
                line.send(json.dumps({"refused": str(error)}).encode())  # type: ignore[attr-defined]
            os._exit(0)

    def _become(self, environment: dict[str, str]) -> None:
        """The environment of the pod, with what imports have changed of theirs."""
        os.environ.__class__ = Watched.__mro__[1]  # nobody watches any more
        now = dict(os.environb)
        now.pop(ROOM.encode(), None)
        changed = {name: value for name, value in now.items() if first.get(name) != value}
        gone = first.keys() - now.keys()
        os.environ.clear()
        os.environ.update(environment)
        for name, value in changed.items():
            os.environb[name] = value
        for name in gone:
            os.environb.pop(name, None)


def parent(text: str, _pad: str) -> Entry:
    """Import ahead, then serve; returns in children alone."""
    settings = json.loads(text)
    gc.disable()
    Entry(*settings["entry"]).put_path()
    with open("/proc/self/environ", "rb") as environ:
        pairs = (item.partition(b"=") for item in environ.read().split(b"\0") if item)
        first.update({name: value for name, _, value in pairs})
    room = first.pop(ROOM.encode(), b"")
    os.environ.__class__ = Watched
    importer = Importer(settings["tree"], settings["everything"], settings["skipped"])
    with open(settings["record"], encoding="utf-8") as file:
        names = dict.fromkeys(file.read().split())
    # What is run as `__main__` is not imported: `-m` would warn of it, rightly.
    mains = {name for name in names if name.endswith(".__main__")} | {settings["entry"][1]}
    if not importer.load(name for name in names if name not in mains):
        if len(importer.skipped) > MOST_SKIPPED:
            sys.exit("too many modules cannot be imported ahead: " + ", ".join(importer.skipped))
        place = sys.orig_argv.index(text)
        again = [*sys.orig_argv]
        again[place] = json.dumps({**settings, "skipped": importer.skipped})
        os.execve(sys.executable, again, {**first, ROOM.encode(): room})
    Entry(*settings["entry"]).compile_ahead()
    return Parent(settings, importer).serve()
