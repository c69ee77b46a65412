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
import json
import os
import selectors
import shlex
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from utsuwa.app import pod_network, processes, serving
from utsuwa.app.child import Child
from utsuwa.app.options import READY_LINE, USER_MISTAKE, Layout, UpOptions, usual_data_dir
from utsuwa.app.programs import GATEWAY_DRAIN, Programs
from utsuwa.app.rolling import Rolling
from utsuwa.app.sockets import Listeners, PortInUseError, bind_all, bind_pods
from utsuwa.app.starting import StartError, end_leftovers, locked, prepare, private, say
from utsuwa.kit.wall import WallClock

CONTROL_STOP = 4.5
"""Seconds in which control must have stopped the pods and closed the store."""
STARTS_BEFORE_GIVING_UP = 3

_SIGNALS = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs until it is told to end. Mutable state: the gateways with their replacements, the
    broker of slots (None where one gateway runs; `_renew` when it is to be replaced, too), control,
    `_serving`, the pids of gateways that have said so, `_notes` and `_console`, a link, from control once it is ready,
    `_ready`, `_ending`, and `_asked_to_end`, how often it was asked."""

    def __init__(self, options: UpOptions, listeners: Listeners, clock: WallClock) -> None:
        self._options = options
        self._layout = Layout(options.data_dir)
        self._listeners = listeners
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._ready_in, ready_out = os.pipe()
        os.set_inheritable(ready_out, True)
        self._programs = Programs(options, listeners, ready_out)
        self._ready = False
        self._asked_to_end = 0
        self._ending = False
        self._in_terminal = os.isatty(0)
        self._gateways = [
            Rolling(partial(self._programs.gateway, number), lambda line: say(line, sys.stderr))
            for number in range(options.gateway_workers)
        ]
        self._slots = self._programs.slots() if options.gateway_workers > 1 else None
        self._renew = False
        self._serving: set[int] = set()
        self._notes: list[str] | None = None
        self._console = ""
        self._control = self._programs.control()
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
        # What a shell has us ignore, when it starts us in the background, is not for our pods.
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
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
        child.ends.append(self._clock.now())
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
        say(f"{child.name} ended ({_how(status)}), starting it again", sys.stderr)

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
                self._console = report["console"]
                for note in report["notes"]:
                    say(note, sys.stderr)
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
        say(READY_LINE, sys.stdout)
        say(
            f"  apps        http://NAME.NAMESPACE.{options.domain}:{options.gateway_port}"
            + (f"  (and http://{options.address})" if self._listeners.address_has_gateway else ""),
            sys.stdout,
        )
        say(
            f"  kubernetes  https://127.0.0.1:{options.api_port}"
            + (f"  (and https://{options.address})" if self._listeners.address_has_api else ""),
            sys.stdout,
        )
        if self._console:
            say(f"  console     {self._console}", sys.stdout)
        for listener in self._listeners.exposition:
            port = listener.getsockname()[1]
            say(f"  metrics     http://127.0.0.1:{port}/metrics", sys.stdout)
        say(f"  clients     export KUBECONFIG={self._layout.kubeconfig}", sys.stdout)
        say(f"              or, for gcloud too: {self._env_command()}", sys.stdout)
        if port := self._listeners.https_port:
            ca = self._layout.services_pki / "ca.crt"
            say(f"  https       port {port}; our own certificates: --cacert {ca}", sys.stdout)

    def _env_command(self) -> str:
        root = self._layout.root
        option = (
            "" if root == usual_data_dir().absolute() else f" --data-dir {shlex.quote(str(root))}"
        )
        return f'eval "$(utsuwa env{option})"'

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
                "ends": list(child.ends),
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


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    private(temporary)
    temporary.write_text(text)
    temporary.rename(path)


def run(options: UpOptions) -> int:
    """`utsuwa up`: returns the exit code, 0 when asked to end, 1 when it cannot run as asked."""
    clock = WallClock()
    try:
        layout = prepare(options)
        with locked(layout):
            for line in end_leftovers(layout, clock):
                say(line, sys.stderr)
            listeners = bind_all(
                gateway_port=options.gateway_port,
                api_port=options.api_port,
                https_port=options.https_port,
                address=options.address,
                workers=options.gateway_workers,
                gke_port=options.gke_port,
                metrics_port=options.metrics_port,
                console_port=options.console_port,
            )
            bind_pods(pod_network.address(options.runtime, os.environ), listeners)
            for note in listeners.notes:
                say(note, sys.stderr)
            processes.become_subreaper()
            return Supervisor(options, listeners, clock).run()
    except (StartError, PortInUseError) as error:
        say(f"utsuwa: {error}", sys.stderr)
        return 1
