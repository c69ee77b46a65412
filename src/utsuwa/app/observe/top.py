"""All services at once: a table, live in a terminal."""

import sys
from collections.abc import Callable, Sequence

from utsuwa.app.api import Client, NoServerError
from utsuwa.app.observe.recording import STATUSES, Recording
from utsuwa.app.observe.screens import live, styled
from utsuwa.app.observe.terminal import Piece, Row
from utsuwa.app.observe.watch import WatchAll
from utsuwa.kit.clock import SystemClock

BEFORE = 30
"""Seconds of the past in the little charts."""
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_HEADS = (
    "SERVICE", "REQ/S", "ERR/S", "INSIDE", "WAITING", "PODS", "P95", "CPU", "MEMORY", "LAST 30 S",
)  # fmt: skip


def run(client: Client, namespace: str) -> int:
    """Show it until Ctrl-C; once, where there is no terminal. `namespace` "" is all of them."""
    watch, clock = WatchAll(client, namespace, before=BEFORE), SystemClock()
    watch.poll()
    if not sys.stdout.isatty():
        print("\n".join(_plain(row) for row in table(watch.recordings)))  # noqa: T201  (to people)
        return 0
    with live() as screen:
        try:
            _follow(watch, clock.pause, lambda rows: screen.update(styled(rows), refresh=True))
        except KeyboardInterrupt:
            return 0
    return 0


def _follow(
    watch: WatchAll, pause: Callable[[float], None], show: Callable[[list[Row]], None]
) -> None:
    while True:
        trouble = ""
        try:
            watch.poll()
        except (NoServerError, TimeoutError) as error:
            trouble = f"the API server does not answer, asking on: {error}"
        show([*table(watch.recordings), [Piece(trouble or "Ctrl-C ends it", "muted")]])
        pause(1.0)


def table(recordings: dict[tuple[str, str], Recording]) -> list[Row]:
    """A row for each service, the busiest first; numbers are those of the last second."""
    if not recordings:
        return [[Piece("No services.")]]
    several = len({namespace for namespace, _ in recordings}) > 1
    found = sorted(recordings.items(), key=lambda item: (-sum(item[1].requests[-5:]), item[0]))
    cells = [
        _cells(f"{namespace}/{name}" if several else name, recording)
        for (namespace, name), recording in found
    ]
    widths = [max(map(len, column)) for column in zip(_HEADS, *cells, strict=True)]
    rows = [[Piece(_line(_HEADS, widths), "bold")]]
    for line, (_, recording) in zip(cells, found, strict=True):
        style = "5xx" if recording.last("5xx") else "" if recording.last("total") else "muted"
        rows.append([Piece(_line(line, widths), style)])
    return rows


def _cells(name: str, recording: Recording) -> list[str]:
    last = recording.last
    errors = last("4xx") + last("5xx") + last("left")
    return [
        name,
        f"{sum(last(status) for status in STATUSES):,.0f}",
        f"{errors:,.0f}",
        f"{last('inFlight'):,.0f}",
        f"{last('waiting'):,.0f}",
        f"{last('ready'):.0f}/{last('desired'):.0f}",
        f"{last('p95'):,.0f} ms" if last("p95") else "-",
        f"{last('cpu') / 1000:.2f}",
        f"{last('memory') / 2**20:,.0f} MiB",
        _sparkline(recording.requests),
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers, chart = [
        cell.ljust(width) if index in {0, len(widths) - 1} else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join([first, *numbers, chart]).rstrip()


def _sparkline(values: Sequence[float]) -> str:
    most = max(values, default=0) or 1
    return "".join(_EIGHTHS[-(-round(8 * value * 100 / most) // 100)] for value in values)


def _plain(row: Row) -> str:
    return "".join(piece.text for piece in row).rstrip()
