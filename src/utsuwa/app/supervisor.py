"""The supervisor: owns the listening sockets; starts, watches and restarts gateway and control.

Little more than the standard library, and nothing that can go wrong: whatever dies below is
started again behind the same sockets, so nobody is refused. Orders of things:

* start: lock the data directory, end what an earlier run left, bind, start gateway and control;
* SIGHUP: a new gateway starts on the same sockets, with the code and the interpreter that are on
  disk now; when it serves, the old one ends its last requests and goes. Nobody sees it;
* where several gateways share the sockets, each is a worker with a socket of its own, and a
  broker shares the slots of hard limits out among them;
* end: the gateway stops taking requests and ends those it has, control stops the pods and closes
  the store, leftovers are killed. All within ten seconds; a second Ctrl-C skips the waiting.
"""

import contextlib
import fcntl
import json
import os
import selectors
import shlex
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import IO

from utsuwa.app import processes, serving
from utsuwa.app.child import Child
from utsuwa.app.options import (
    READY_LINE,
    USER_MISTAKE,
    ControlOptions,
    Layout,
    UpOptions,
    usual_data_dir,
)
from utsuwa.app.rolling import Rolling
from utsuwa.app.sockets import Listeners, PortInUseError, bind_all
from utsuwa.kit.wall import WallClock
from utsuwa.node.engine.door import NoEngineError, advice, sockets

GATEWAY_DRAIN = 4.0
"""Seconds that requests in flight get when everything ends."""
CONTROL_STOP = 4.5
"""Seconds in which control must have stopped the pods and closed the store."""
STARTS_BEFORE_GIVING_UP = 3

_SIGNALS = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartError(Exception):
    """`up` cannot run as asked; the message is one line for the user."""


class Supervisor:
    """Runs until it is told to end. Mutable state: the gateways with their replacements, the
    broker of slots (None where one gateway runs; `_renew` when it is to be replaced, too), control,
    `_serving`, the pids of gateways that have said so, `_notes` from control once it is ready,
    `_ready`, `_ending`, and `_asked_to_end`, how often it was asked."""

    def __init__(self, options: UpOptions, listeners: Listeners, clock: WallClock) -> None:
        self._options = options
        self._layout = Layout(options.data_dir)
        self._listeners = listeners
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._ready_in, ready_out = os.pipe()
        os.set_inheritable(ready_out, True)
        self._ready_out = ready_out
        self._ready = False
        self._asked_to_end = 0
        self._ending = False
        self._in_terminal = os.isatty(0)
        self._start = processes.start_time(os.getpid())
        self._made = 0
        self._gateways = [
            Rolling(partial(self._gateway_child, number), lambda line: _say(line, sys.stderr))
            for number in range(options.gateway_workers)
        ]
        self._slots = self._slots_child() if options.gateway_workers > 1 else None
        self._renew = False
        self._serving: set[int] = set()
        self._notes: list[str] | None = None
        self._control = self._control_child()
        self._report = b""

    def __repr__(self) -> str:
        return f"<Supervisor {self._gateways!r} {self._control!r}>"

    @property
    def _brokers(self) -> list[Child]:
        return [self._slots] if self._slots is not None else []

    @property
    def _kept(self) -> list[Child]:
        """Those that are to run, in the order of their start."""
        kept = (child for gateway in self._gateways for child in gateway.kept)
        return [*self._brokers, *kept, self._control]

    @property
    def _gateway_processes(self) -> list[Child]:
        return [child for gateway in self._gateways for child in gateway.all]

    # --- lifecycle --------------------------------------------------------------------------

    def run(self) -> int:
        """Start, watch, end. Returns the exit code."""
        self._listen_to_signals()
        self._selector.register(self._ready_in, selectors.EVENT_READ, self._read_report)
        try:
            while not self._asked_to_end:
                self._start_due()
                self._wait(self._until_next_start())
        finally:
            self._end()
        return 0

    def _start_due(self) -> None:
        now = self._clock.monotonic()
        if self._ready:
            for gateway in self._gateways:
                gateway.begin()
        for child in self._kept:
            if child.due is not None and child.due <= now:
                if child is self._slots:
                    living = [str(one.pid) for one in self._gateway_processes if one.pid]
                    child.environment["UTSUWA_GATEWAYS"] = ",".join(living)
                child.start(now)
                self._write_record()

    def _until_next_start(self) -> float | None:
        now = self._clock.monotonic()
        due = [child.due - now for child in self._kept if child.due is not None]
        overdue = (gateway.overdue(now) for gateway in self._gateways)
        due += [left for left in overdue if left is not None]
        return max(0.0, min(due)) if due else None

    def _wait(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            key.data()

    # --- signals and endings ----------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        receive, send = socket.socketpair()
        receive.setblocking(False)
        send.setblocking(False)
        signal.set_wakeup_fd(send.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        self._signal_sockets = (receive, send)
        self._selector.register(receive, selectors.EVENT_READ, self._read_signals)

    def _read_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in self._signal_sockets[0].recv(4096):
                if number in {signal.SIGINT, signal.SIGTERM}:
                    self._asked_to_end += 1
                elif number == signal.SIGHUP:
                    self._hung_up()
        processes.reap(self._exited)

    def _hung_up(self) -> None:
        # The terminal that we ran in was closed, or somebody wants a new gateway.
        if self._in_terminal and not os.isatty(0):
            self._asked_to_end += 1
        else:
            for gateway in self._gateways:
                gateway.asked = True
            self._renew = self._slots is not None

    def _exited(self, identity: processes.Identity, status: int) -> None:
        self._serving.discard(identity.pid)
        if not self._ending:
            for gateway in self._gateways:
                if gateway.exited(identity, _how(status)):
                    self._write_record()
                    return
        for child in (*self._gateway_processes, *self._brokers, self._control):
            if child.identity == identity:
                self._child_exited(child, status)
                return
        processes.record_exit(self._layout.exits, identity, status)

    def _child_exited(self, child: Child, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        if child.identity is not None:
            child.life = (child.identity.started_at(), self._clock.now(), code)
        child.ended(self._clock.monotonic())
        if self._ending:
            child.due = None
            return
        if code == USER_MISTAKE:
            raise StartError(child.last_line())
        if not self._ready and child.failures >= STARTS_BEFORE_GIVING_UP:
            raise StartError(
                f"{child.name} does not start (exit code {code}): {child.last_line()}; "
                f"its log is {child.log}"
            )
        _say(f"{child.name} ended ({_how(status)}), starting it again", sys.stderr)

    # --- readiness --------------------------------------------------------------------------

    def _read_report(self) -> None:
        self._report += os.read(self._ready_in, 65536)
        *lines, self._report = self._report.split(b"\n")
        for line in lines:
            report = json.loads(line)
            if "serving" in report:
                self._gateway_serves(report["serving"])
            else:
                self._notes = report["notes"]
                for note in report["notes"]:
                    _say(note, sys.stderr)
        currents = [gateway.current.pid for gateway in self._gateways]
        if not self._ready and self._notes is not None and self._serving.issuperset(currents):
            self._ready = True
            self._announce()

    def _gateway_serves(self, pid: int) -> None:
        self._serving.add(pid)
        for gateway in self._gateways:
            gateway.serving(pid)
        self._write_record()
        if self._renew and not any(one.asked or one.successor for one in self._gateways):
            self._renew = False
            for broker in self._brokers:  # gateways go on with what they hold until the next one
                broker.signal(signal.SIGTERM)

    def _announce(self) -> None:
        options = self._options
        has_api, has_gke = self._listeners.address_has_api, bool(self._listeners.gke)
        serving.Serving(
            domain=options.domain,
            gateway_port=options.gateway_port,
            api_port=options.api_port,
            address=options.address if has_api else "",
            gke_port=options.gke_port if has_gke else 0,
        ).write(self._layout)
        _say(READY_LINE, sys.stdout)
        _say(
            f"  apps        http://NAME.NAMESPACE.{options.domain}:{options.gateway_port}"
            + (f"  (and http://{options.address})" if self._listeners.address_has_gateway else ""),
            sys.stdout,
        )
        _say(
            f"  kubernetes  https://127.0.0.1:{options.api_port}"
            + (f"  (and https://{options.address})" if self._listeners.address_has_api else ""),
            sys.stdout,
        )
        for listener in self._listeners.exposition:
            port = listener.getsockname()[1]
            _say(f"  metrics     http://127.0.0.1:{port}/metrics", sys.stdout)
        _say(f"  clients     export KUBECONFIG={self._layout.kubeconfig}", sys.stdout)
        _say(f"              or, for gcloud too: {self._env_command()}", sys.stdout)
        if port := self._listeners.https_port:
            ca = self._layout.services_pki / "ca.crt"
            _say(f"  https       port {port}; our own certificates: --cacert {ca}", sys.stdout)

    def _env_command(self) -> str:
        root = self._layout.root
        option = (
            "" if root == usual_data_dir().absolute() else f" --data-dir {shlex.quote(str(root))}"
        )
        return f'eval "$(utsuwa env{option})"'

    # --- the children -----------------------------------------------------------------------

    def _gateway_child(self, number: int) -> Child:
        fds = [listener.fileno() for listener in self._listeners.worker(number)]
        tls_fds = [listener.fileno() for listener in self._listeners.worker_tls(number)]
        environment = {
            "UTSUWA_GATEWAY_FDS": ",".join(map(str, fds)),
            "UTSUWA_GATEWAY_TLS_FDS": ",".join(map(str, tls_fds)),
            "UTSUWA_LINK": str(self._layout.link),
            "UTSUWA_GATEWAY_NAME": f"gateway-{number}",
            "UTSUWA_LOG_LEVEL": self._options.log_level,
            "UTSUWA_DRAIN_SECONDS": str(GATEWAY_DRAIN),
            "UTSUWA_SERVING_FD": str(self._ready_out),
        }
        name = "gateway"
        if self._options.gateway_workers > 1:
            name = f"gateway-{number}"
            environment["UTSUWA_SLOTS"] = str(self._layout.slots)
        return self._child(name, ["-m", "utsuwa.gateway"], environment, fds + tls_fds)

    def _slots_child(self) -> Child:
        environment = {
            "UTSUWA_SLOTS": str(self._layout.slots),
            "UTSUWA_LOG_LEVEL": self._options.log_level,
        }
        return self._child("slots", ["-m", "utsuwa.gateway.slots"], environment, [])

    def _control_child(self) -> Child:
        fds = [listener.fileno() for listener in self._listeners.api]
        gke_fds = [listener.fileno() for listener in self._listeners.gke]
        metrics_fds = [listener.fileno() for listener in self._listeners.exposition]
        options = ControlOptions(
            data_dir=self._options.data_dir,
            domain=self._options.domain,
            gateway_port=self._options.gateway_port,
            https_port=self._listeners.https_port,
            api_port=self._options.api_port,
            runtime=self._options.runtime,
            log_level=self._options.log_level,
            address="" if self._options.address == "off" else self._options.address,
            address_has_api=self._listeners.address_has_api,
            address_has_gateway=self._listeners.address_has_gateway,
            api_fds=tuple(fds),
            gke_fds=tuple(gke_fds),
            metrics_fds=tuple(metrics_fds),
            ready_fd=self._ready_out,
            anonymous=self._options.anonymous,
        )
        environment = {"UTSUWA_CONTROL": options.to_environment()}
        return self._child(
            "control", ["-m", "utsuwa.app.control"], environment, fds + gke_fds + metrics_fds
        )

    def _child(self, name: str, arguments: list[str], environment: dict[str, str],
               fds: list[int]) -> Child:  # fmt: skip
        for fd in fds:
            os.set_inheritable(fd, True)
        self._made += 1
        number = f"{self._start}-{self._made}"
        log = self._layout.logs / f"{name}.log"
        return Child(name, arguments, environment, log, number)

    def _write_record(self) -> None:
        """What the next `up` must look for if this process is killed."""
        running = [
            {
                "name": child.name,
                "pid": child.identity.pid,
                "start": child.identity.start,
                "child": child.number,
                "restarts": child.restarts,
                "life": child.life,
            }
            for child in (*self._gateway_processes, *self._brokers, self._control)
            if child.identity is not None
        ]
        _write_whole(self._layout.run / "processes.json", json.dumps(running))

    # --- the end ----------------------------------------------------------------------------

    def _end(self) -> None:
        self._ending = True
        self._listeners.close()
        gateways = self._gateway_processes
        for gateway in gateways:
            gateway.signal(signal.SIGTERM)
        patience = self._clock.monotonic() + GATEWAY_DRAIN + 0.5
        for gateway in gateways:
            self._stop(gateway, patience - self._clock.monotonic())
        for broker in self._brokers:
            self._stop(broker, 1.0)
        self._stop(self._control, CONTROL_STOP)
        for pid in processes.children():  # orphans that control could not end
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        (self._layout.run / "processes.json").unlink(missing_ok=True)
        serving.forget(self._layout)

    def _stop(self, child: Child, patience: float) -> None:
        identity = child.identity
        if identity is None:
            return
        identity.signal(signal.SIGTERM)
        asked, deadline = self._asked_to_end, self._clock.monotonic() + patience
        while child.identity is not None and self._asked_to_end == asked:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                break
            self._wait(left)
        if child.identity is not None:
            identity.signal(signal.SIGKILL)


def _how(status: int) -> str:
    """How a process ended, in words, from its wait status."""
    code = os.waitstatus_to_exitcode(status)
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


# --- before anything is started ---------------------------------------------------------------


def _lock(layout: Layout) -> IO[str]:
    """Hold the data directory for as long as the returned file is open."""
    path = layout.run / "lock"
    _private(path)
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise StartError(
            f"data directory {layout.root}: in use by another `utsuwa up` (pid {holder}); "
            "end that one, or choose another directory with --data-dir"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _end_leftovers(layout: Layout, clock: WallClock) -> list[str]:
    """End gateway and control of a run whose supervisor was killed; pods stay, to be adopted."""
    try:
        records = json.loads((layout.run / "processes.json").read_text())
    except (OSError, ValueError):
        return []
    left = [
        (record["name"], processes.Identity(record["pid"], record["start"])) for record in records
    ]
    left = [(name, identity) for name, identity in left if identity.alive]
    for _, identity in left:
        identity.signal(signal.SIGTERM)
    deadline = clock.monotonic() + 2.0
    while any(identity.alive for _, identity in left) and clock.monotonic() < deadline:
        clock.pause(0.02)
    for _, identity in left:
        identity.signal(signal.SIGKILL)
    return [
        f"replaced the {name} (pid {identity.pid}) that an earlier run left"
        for name, identity in left
    ]


def _prepare(options: UpOptions) -> Layout:
    if options.runtime == "container":
        try:
            if not any(path.is_socket() for path in sockets(os.environ)):
                raise NoEngineError(f"no engine's socket is there; install one with: {advice()}")
        except NoEngineError as error:
            raise StartError(f"--runtime container: {error}") from error
    layout = Layout(options.data_dir)
    try:
        layout.make()
    except OSError as error:
        raise StartError(
            f"data directory {options.data_dir}: {(error.strerror or str(error)).lower()}; "
            "make it writable, or choose another with --data-dir"
        ) from error
    return layout


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    _private(temporary)
    temporary.write_text(text)
    temporary.rename(path)


def _private(path: Path) -> None:
    """Make a file that is nobody else's business, or make it so."""
    path.touch(mode=0o600)
    path.chmod(0o600)


def _say(line: str, stream: IO[str]) -> None:
    with contextlib.suppress(BrokenPipeError):
        stream.write(line + "\n")
        stream.flush()


def run(options: UpOptions) -> int:
    """`utsuwa up`: returns the exit code, 0 when asked to end, 1 when it cannot run as asked."""
    clock = WallClock()
    try:
        layout = _prepare(options)
        with _lock(layout):
            for line in _end_leftovers(layout, clock):
                _say(line, sys.stderr)
            listeners = bind_all(
                gateway_port=options.gateway_port,
                api_port=options.api_port,
                https_port=options.https_port,
                address=options.address,
                workers=options.gateway_workers,
                gke_port=options.gke_port,
                metrics_port=options.metrics_port,
            )
            for note in listeners.notes:
                _say(note, sys.stderr)
            processes.become_subreaper()
            return Supervisor(options, listeners, clock).run()
    except (StartError, PortInUseError) as error:
        _say(f"utsuwa: {error}", sys.stderr)
        return 1
