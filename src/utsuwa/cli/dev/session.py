"""Builds, rolls, and tells what happens, until Ctrl-C.

Threads watch the files, the Service and the logs; each puts what it sees into one queue. The thread
that called `run` takes it from there, and is the only one that builds, writes or prints.
"""

import os
import queue
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from utsuwa.app.api import ApiRefusedError, KubeconfigError, NoServerError
from utsuwa.cli import deploying, waiting
from utsuwa.cli.dev.revisions import DEV, created, owner_of, stale
from utsuwa.cli.failures import Failure
from utsuwa.cli.resources import REVISIONS, SERVICES
from utsuwa.cli.tailing import Told, shown
from utsuwa.kit.clock import SystemClock
from utsuwa.model import deployment as manifest

if TYPE_CHECKING:
    from utsuwa.app.api import Client
    from utsuwa.node.sources import Image

Document = dict[str, Any]

_SERVICE = "serving.knative.dev/service"
_QUIET = 0.03
"""Seconds without a further change after which one builds."""
_IMPATIENT = 5.0
"""Seconds after which one is told what is being waited for."""
_WATCH = 3600.0
_PACKED = re.compile(r"/[^\s\"'()]*/bundles/[0-9a-f]{64}/source(?=/)")
_AGAIN = 0.5
_UNTIL_MADE = 0.1
_FORMER = 5
"""Seconds of what was printed before we looked: the first pod may be faster."""
_SHOWN = 3
_PATIENCE = 15.0
"""Seconds for which the server may stay away: it is restarted."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Files have changed."""

    paths: list[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """The Service as it is now."""

    service: Document


@dataclass(frozen=True, slots=True)
class Printed:
    """A line of the app's."""

    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A thread of ours has ended."""

    error: BaseException


Event = Saved | Seen | Printed | Broken


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to run: `build` makes its image, `changes` tells of saved files until the event."""

    directory: Path
    namespace: str
    name: str
    env: tuple[tuple[str, str | None], ...]
    port: int | None
    build: Callable[[Callable[[str], None]], "Image"]
    changes: Callable[[threading.Event], Iterator[list[str]]]


class Session:
    """One directory under development.

    Mutable state, of the thread that runs it: the digest that was rolled last, the generation that
    is waited for and since when, whether the address was told.
    """

    def __init__(self, client: "Client", wanted: Wanted, clock: SystemClock) -> None:
        self._client = client
        self._wanted = wanted
        self._clock = clock
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._digest = ""
        self._generation = 0
        self._since = clock.monotonic()
        self._waiting: waiting.State | None = None
        self._impatient = False
        self._url = ""

    def __repr__(self) -> str:
        return f"<Session of {self._wanted.name}: generation {self._generation}>"

    @property
    def _what(self) -> str:
        return f"{self._wanted.namespace}/{self._wanted.name}"

    # --- from outside ---------------------------------------------------------------------------

    def run(self) -> None:
        """Build, roll, watch; for ever. Raises Failure, and KeyboardInterrupt."""
        self._check_owner()
        self._start(self._watch_files, "changed files")
        self._start(self._watch_service, "the service")
        self._start(self._follow_logs, "logs")
        self._roll()
        while True:
            self._step(self._events.get)

    def close(self, *, keep: bool) -> None:
        """Stop watching, and take the service away unless it is to stay."""
        self._stop.set()
        if keep or not self._digest:
            return
        try:
            self._client.delete(SERVICES, self._wanted.namespace, self._wanted.name)
        except ApiRefusedError as error:
            if error.code != 404:
                raise
        say(f"{self._what} is removed; --keep would have left it")

    def _check_owner(self) -> None:
        try:
            service = self._client.get(SERVICES, self._wanted.namespace, self._wanted.name)
        except ApiRefusedError as error:
            if error.code != 404:
                raise
            return
        owner = owner_of(service)
        another = f"Choose another name: utsuwa dev {self._wanted.directory} --name NAME"
        if owner is None:
            raise Failure(f"service {self._what} was not made by `utsuwa dev`", another)
        if owner != os.getpid() and _alive(owner):
            raise Failure(f"service {self._what} is kept by `utsuwa dev` (pid {owner})", another)
        annotations = {"metadata": {"annotations": {DEV: str(os.getpid())}}}
        self._client.patch(SERVICES, self._wanted.namespace, self._wanted.name, annotations)

    # --- the loop -------------------------------------------------------------------------------

    def _step(self, get: Callable[..., Event]) -> None:
        """Take what comes next; when files have changed, all of it."""
        try:
            event = get(timeout=1.0)
        except queue.Empty:
            self._tell_what_is_waited_for()
            return
        saved: list[str] = []
        while event is not None:
            saved += self._handle(event)
            if not saved:
                return
            try:
                event = get(timeout=_QUIET)
            except queue.Empty:
                break
        there = {path for path in saved if (self._wanted.directory / path).exists()}
        names = sorted(there or set(saved))  # what editors write beside it has gone already
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        self._roll(f"{', '.join(names[:_SHOWN])}{more}")

    def _handle(self, event: Event) -> list[str]:
        """Act on it; the paths, where it tells of any."""
        if isinstance(event, Saved):
            return event.paths
        if isinstance(event, Printed):
            click.echo(self._as_saved(event.text))
        elif isinstance(event, Seen):
            self._look_at(event.service)
        else:
            raise event.error
        return []

    def _roll(self, because: str = "") -> None:
        from utsuwa.node.images import BuildError

        self._since = self._clock.monotonic()
        try:
            image = self._wanted.build(_progress)
        except (BuildError, OSError) as error:
            say(f"{error}", bad=True)
            self._tell_what_serves("was not built")
            return
        if image.digest == self._digest:
            return
        say(f"{because or self._wanted.directory.name}: {image.told}")
        change = manifest.Change(
            nonce=deploying.nonce(),
            image=image.pinned,
            user_image=image.ref,
            env=self._wanted.env,
            port=self._wanted.port,
            min_scale=1,
        )
        stored = self._patiently(lambda: self._write(change))
        self._digest = image.digest
        self._generation = stored["metadata"]["generation"]
        self._waiting, self._impatient = waiting.State(None), False

    def _patiently(self, work: Callable[[], Document]) -> Document:
        """Do `work`, also while the server is being started anew."""
        deadline = self._clock.monotonic() + _PATIENCE
        while True:
            try:
                return work()
            except NoServerError:
                if self._clock.monotonic() > deadline:
                    raise
            self._clock.pause(_AGAIN)

    def _write(self, change: manifest.Change) -> Document:
        where, name = self._wanted.namespace, self._wanted.name
        try:
            if not self._digest and not self._exists():
                return self._client.create(SERVICES, created(where, name, change, os.getpid()))
            return deploying.write(self._client, where, name, change)
        except ApiRefusedError as error:
            raise Failure(f"service {self._what}: {error}") from error

    def _exists(self) -> bool:
        try:
            self._client.get(SERVICES, self._wanted.namespace, self._wanted.name)
        except ApiRefusedError as error:
            if error.code == 404:
                return False
            raise
        return True

    # --- what became of it ----------------------------------------------------------------------

    def _look_at(self, service: Document) -> None:
        if self._waiting is None or service["metadata"].get("generation") != self._generation:
            return
        state = self._waiting = waiting.state_of(service)
        if state.outcome is None:
            return
        self._waiting = None
        status = service["status"]
        if state.outcome:
            took = self._clock.monotonic() - self._since
            first, self._url = not self._url, status.get("url", "")
            told = f"{self._url}  (Ctrl-C ends it)" if first else self._url
            say(
                f"{status['latestReadyRevisionName']} is ready after {took:.2f} s: {told}",
                good=True,
            )
        else:
            why = f"{state.reason}: {state.message}" if state.message else state.reason
            failed = status.get("latestCreatedRevisionName", self._what)
            say(f"{failed} fails: {self._as_saved(why)}", bad=True)
            self._tell_what_serves("fails")
        self._collect(service)

    def _as_saved(self, text: str) -> str:
        """Paths below a bundle as those of the files that were saved: one can go there."""
        return _PACKED.sub(str(self._wanted.directory), text)

    def _tell_what_serves(self, what: str) -> None:
        if self._url:
            say(
                f"{self._url} goes on with what worked last; this {what}, save a change to try again"
            )
        else:
            say("waiting for a change")

    def _tell_what_is_waited_for(self) -> None:
        late = self._clock.monotonic() - self._since > _IMPATIENT
        if self._waiting is not None and late and not self._impatient:
            self._impatient = True
            say(f"still waiting: {self._waiting}")

    def _collect(self, service: Document) -> None:
        where = self._wanted.namespace
        try:
            found = self._client.list(REVISIONS, where, labels={_SERVICE: self._wanted.name})
            for name in stale(service, found["items"]):
                self._client.delete(REVISIONS, where, name)
        except NoServerError:
            return  # the next time then
        except ApiRefusedError as error:
            if error.code != 404:
                raise

    # --- threads --------------------------------------------------------------------------------

    def _start(self, work: Callable[[], None], name: str) -> None:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                self._events.put(Broken(error))

        threading.Thread(target=guarded, name=name, daemon=True).start()

    def _watch_files(self) -> None:
        for paths in self._wanted.changes(self._stop):
            self._events.put(Saved(paths))

    def _watch_service(self) -> None:
        where, name = self._wanted.namespace, self._wanted.name
        while not self._stop.is_set():
            try:
                for event in self._client.watch(SERVICES, where, name=name, timeout=_WATCH):
                    if event["type"] != "DELETED":
                        self._events.put(Seen(event["object"]))
            except (TimeoutError, NoServerError, KubeconfigError):
                self._clock.pause(_AGAIN)  # it is started anew, or was silent

    def _follow_logs(self) -> None:
        query = {"follow": "true", "sinceSeconds": str(_FORMER)}
        while not self._stop.is_set():
            told = Told(self._client, self._wanted.namespace, self._wanted.name, query)
            try:
                for line in told.lines():
                    text, style = shown(line, head=False)
                    self._events.put(Printed(click.style(text, **style) if style else text))
            except ApiRefusedError as error:
                if error.code != 404:  # it is not made yet, or was removed
                    raise
            except (TimeoutError, NoServerError, KubeconfigError):
                pass  # it is being started anew
            self._stop.wait(_UNTIL_MADE)


def say(line: str, *, good: bool = False, bad: bool = False) -> None:
    """Tell the person, not the pipe: stdout is the app's."""
    colour = "green" if good else "red" if bad else "cyan"
    click.echo(click.style("utsuwa ", fg=colour) + line, err=True)


def _progress(line: str) -> None:
    """What a build says, but for what it says each time."""
    if not line.startswith(("packing ", "dependencies: ")):
        say(f"| {line}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
