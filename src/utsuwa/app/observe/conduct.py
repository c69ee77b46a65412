"""A run from beginning to end: watch, send the load, say what came of it, write the files."""

import signal
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from utsuwa.app.api import Client, NoServerError
from utsuwa.app.load import Load, Results, render
from utsuwa.app.observe import page, png, sheet, svg
from utsuwa.app.observe.chart import draw
from utsuwa.app.observe.recording import Recording
from utsuwa.app.observe.scene import Scene
from utsuwa.app.observe.screens import Lines, Screen, Terminal
from utsuwa.app.observe.sending import Sending
from utsuwa.app.observe.terminal import Piece, Row, view
from utsuwa.app.observe.watch import KEPT, Watch
from utsuwa.kit.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

BEFORE_LOAD = 2
"""Seconds before a load that belong to its picture."""
BEFORE = 60
"""Seconds that are shown at once where one only watches."""
BEHIND = 3.0
"""Seconds by which the history may lag behind: waited for after a load."""
_INTERRUPTED = 130


@dataclass(frozen=True)
class Outputs:
    """The files that are wanted."""

    html: Path | None = None
    png: Path | None = None
    png_dark: Path | None = None
    svg: Path | None = None
    csv: Path | None = None


@dataclass(frozen=True)
class ObserveOptions:
    """What `utsuwa observe` was asked for.

    `seconds` ends a run without a load (None: Ctrl-C does); `settle` goes on after one.
    """

    name: str
    namespace: str
    load: Load | None = None
    told: str = ""
    seconds: float | None = None
    settle: float = 0.0
    outputs: Outputs = Outputs()
    command: str = ""


def run(options: ObserveOptions, client: Client) -> int:
    """Do it all; the exit code. Ctrl-C and SIGTERM end it in order.

    Raises:
        NoServerError, ApiRefusedError: there is no such service, or nobody to ask.
        OSError: a file cannot be written.
        NoPillowError: a PNG is wanted, and cannot be drawn.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _Run(options, client).run()
    finally:
        signal.signal(signal.SIGTERM, before)


class _Run:
    def __init__(self, options: ObserveOptions, client: Client) -> None:
        self._options = options
        self._clock = SystemClock()
        before = BEFORE_LOAD if options.load else BEFORE
        self._watch = Watch(client, options.namespace, options.name, before=before)
        self._sending = Sending(options.load) if options.load else None
        self._trouble = ""

    def run(self) -> int:
        screen: Screen = Terminal(self._drawn) if sys.stdout.isatty() else Lines()
        interrupted = False
        with screen:
            try:
                self._follow(screen)
            except KeyboardInterrupt:
                interrupted = self._sending is not None and not self._sending.over
            finally:
                if self._sending is not None:
                    self._sending.stop()
        if self._sending is not None:
            _say(render(self._sending.results))
        self._write()
        return _INTERRUPTED if interrupted else 0

    def _follow(self, screen: Screen) -> None:
        clock, options = self._clock, self._options
        started = clock.monotonic()
        ends = None if options.seconds is None else started + options.seconds
        if self._sending is not None:
            self._sending.start()
        due = started
        while True:
            self._look(screen)
            now = clock.monotonic()
            if self._sending is not None and self._sending.over and ends is None:
                ends = now + BEHIND + options.settle
            if ends is not None and now >= ends:
                return
            due = max(due + 1.0, now)
            clock.pause(due - now)

    def _look(self, screen: Screen) -> None:
        try:
            new = self._watch.poll()
        except (NoServerError, TimeoutError) as error:
            self._trouble = f"the API server does not answer, asking on: {error}"
            new = range(0)
        else:
            self._trouble = ""
        if self._sending is None:
            self._watch.recording.keep(KEPT)
        screen.show(self._watch.recording, new, self._status())

    def _status(self) -> str:
        if self._trouble:
            return self._trouble
        if self._sending is None:
            return "Ctrl-C ends it"
        done, wanted = self._sending.results.done, self._sending.load.requests
        failed = self._sending.results.failures
        return f"{done:,} of {wanted:,} requests done, {failed:,} failed"

    def _drawn(self, recording: Recording, width: int, status: str) -> list[Row]:
        heading = [Piece(f"{self._options.namespace}/{recording.name}", "bold")]
        return [[*heading, Piece(f"   {status}", "muted")], *view(recording, width)]

    # --- afterwards -----------------------------------------------------------------------------

    def _write(self) -> None:
        options, recording = self._options, self._watch.recording
        wanted = options.outputs
        results = self._sending.results if self._sending else None
        title = f"{options.name}: {options.told}" if options.told else options.name
        subtitle = _subtitle(recording, results)

        def scene(*, latency: bool = False) -> Scene:
            return draw(recording, title=title, subtitle=subtitle, latency=latency)

        def html() -> bytes:
            summary = render(results) if results else ""
            text = page.page(
                recording, scene(latency=True), summary=summary, command=options.command
            )
            return text.encode()

        files: list[tuple[Path | None, Callable[[], bytes]]] = [
            (wanted.html, html),
            (wanted.png, lambda: png.picture(scene())),
            (wanted.png_dark, lambda: png.picture(scene(), "dark")),
            (wanted.svg, lambda: svg.document(scene()).encode()),
            (wanted.csv, lambda: sheet.text(recording).encode()),
        ]
        for path, make in files:
            if path is not None:
                path.write_bytes(make())
                _say(f"Wrote {path}.")


def _subtitle(recording: Recording, results: Results | None) -> str:
    when = datetime.fromtimestamp(recording.start).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    parts = [when]
    if results is not None:
        failed = f"{results.failures:,}" if results.failures else "none"
        parts += [
            f"{results.rate:,.0f} requests/s",
            f"median {results.percentile(50):.2f} s",
            f"slowest {results.slowest:.2f} s",
            f"failed: {failed}",
        ]
    parts.append(f"{recording.peak('ready'):.0f} pods at most")
    return "   ·   ".join(parts)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  (this speaks to people)
