"""Where a run is shown while it lasts: a terminal, or lines of text."""

import shutil
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from utsuwa.app.observe.recording import Recording
from utsuwa.app.observe.terminal import HEADER, Row, line

STYLES = {
    "bold": "bold", "muted": "dim", "mark": "bold yellow",
    "1xx": "bright_black", "2xx": "green", "3xx": "cyan", "4xx": "yellow", "5xx": "bold red",
    "left": "magenta", "inFlight": "blue", "waiting": "yellow",
    "ready": "cyan", "desired": "bright_black",
}  # fmt: skip


class Screen(Protocol):
    """Shows a recording as it grows; a context manager."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        ...

    def show(self, recording: Recording, new: range, status: str) -> None:
        """The seconds `new` have come; `status` says how far the run is."""
        ...


class Lines:
    """A line for each second: for files, pipes, and logs."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out

    def __enter__(self) -> Self:
        self._print(HEADER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left to do."""

    def show(self, recording: Recording, new: range, status: str) -> None:
        """As the port."""
        for second in new:
            self._print(line(recording, second))

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)


class Terminal:
    """A picture that is drawn anew each second, and stays where it is at the end."""

    def __init__(self, draw: Callable[[Recording, int, str], list[Row]]) -> None:
        self._draw = draw
        self._live: Any = None

    def __enter__(self) -> Self:
        self._live = live()
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, recording: Recording, new: range, status: str) -> None:
        """As the port."""
        rows = self._draw(recording, shutil.get_terminal_size().columns, status)
        self._live.update(styled(rows), refresh=True)


def live() -> Any:
    """rich's live display, which redraws when it is told to."""
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(highlight=False), auto_refresh=False, transient=False)


def styled(rows: list[Row]) -> Any:
    """Rows as rich's text, their styles as colours of the terminal's own palette."""
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop")
    for number, row in enumerate(rows):
        if number:
            text.append("\n")
        for piece in row:
            text.append(piece.text, STYLES.get(piece.style))
    return text
