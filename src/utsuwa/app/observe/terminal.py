"""The live view as lines of characters: what one sees while it happens. Pure.

Bars of eighths of a character, one column a second, the newest at the right. A line is a list of
pieces, each with a style's name; who prints decides what the styles look like. Numbers stand beside
every bar: nothing is told by colour alone.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from utsuwa.app.observe.recording import CLASSES, STATUSES, Recording

HEIGHT = 6
"""Rows of a panel."""
_AXIS = 8
"""Columns for the numbers at the left."""
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_EVENTS = {"deploy": "D", "woken": "W", "panic": "P", "calm": "C", "zero": "0"}


class Piece(NamedTuple):
    """Some characters in one style; "" is plain."""

    text: str
    style: str = ""


Row = list[Piece]


class Layer(NamedTuple):
    """One of the things that are stacked on one another: values, and their style."""

    values: Sequence[float]
    style: str


def view(recording: Recording, width: int) -> list[Row]:
    """All panels, `width` characters wide."""
    count = max(10, width - _AXIS - 1)
    seconds = range(recording.end - count + 1, recording.end + 1)

    def column(name: str) -> list[float]:
        return [recording.rows.get(second, {}).get(name, 0) for second in seconds]

    statuses = [Layer(column(name), name) for name in STATUSES if recording.peak(name) > 0]
    requests = [sum(at) for at in zip(*(layer.values for layer in statuses), strict=True)]
    answered = [f"{CLASSES[layer.style]} {layer.values[-1]:,.0f}" for layer in statuses]
    inside = [Layer(column("inFlight"), "inFlight"), Layer(column("waiting"), "waiting")]
    ready, desired = column("ready"), column("desired")
    missing = [max(0.0, want - there) for want, there in zip(desired, ready, strict=True)]
    pods = [Layer(ready, "ready"), Layer(missing, "desired")]
    rows = _panel("requests/s", requests[-1] if requests else 0, answered, statuses, count)
    rows += _panel(
        "inside", inside[0].values[-1] + inside[1].values[-1],
        [f"in flight {inside[0].values[-1]:,.0f}", f"waiting {inside[1].values[-1]:,.0f}"],
        inside, count,
    )  # fmt: skip
    rows += _panel(
        "pods", ready[-1], [f"ready {ready[-1]:.0f}", f"desired {desired[-1]:.0f}"], pods, count
    )
    return [*rows, *_foot(recording, seconds)]


def _panel(
    title: str, now: float, details: Sequence[str], layers: Sequence[Layer], count: int
) -> list[Row]:
    totals = [sum(at) for at in zip(*(layer.values for layer in layers), strict=True)]
    most = max(1.0, max(totals, default=0.0))
    head = [Piece(f"{title} {now:,.0f}", "bold"), Piece("   " + "  ".join(details), "muted")]
    rows: list[Row] = [head]
    for level in range(HEIGHT, 0, -1):
        label = f"{most:,.0f}" if level == HEIGHT else "0" if level == 1 else ""
        row = [Piece(f"{label:>{_AXIS - 1}} ", "muted")]
        row += _joined(_cell(layers, column, level, most) for column in range(count))
        rows.append(row)
    return rows


def _cell(layers: Sequence[Layer], column: int, level: int, most: float) -> Piece:
    """One character: how far the bar reaches into this row, in the style of what lies there."""
    unit = HEIGHT / most
    bottom = level - 1
    reached, style = 0.0, ""
    for layer in layers:
        before, reached = reached, reached + layer.values[column] * unit
        if reached > bottom and before < level and layer.values[column] > 0:
            # The layer that fills the larger part of the cell gives it its style.
            share = min(reached, level) - max(before, bottom)
            if not style or share >= 0.5:
                style = layer.style
    filled = min(1.0, max(0.0, reached - bottom))
    eighths = round(filled * 8)
    if eighths == 0 and level == 1 and reached > 0:
        eighths = 1  # a little is not nothing
    return Piece(_EIGHTHS[eighths], style if eighths else "")


def _joined(cells: Iterable[Piece]) -> Row:
    row: Row = []
    for cell in cells:
        if row and row[-1].style == cell.style:
            row[-1] = Piece(row[-1].text + cell.text, cell.style)
        else:
            row.append(cell)
    return row


def _foot(recording: Recording, seconds: range) -> list[Row]:
    marks = [" "] * len(seconds)
    for event in recording.events:
        at = int(event.time) - seconds[0]
        if 0 <= at < len(marks):
            marks[at] = _EVENTS.get(event.kind, "?")
    rows: list[Row] = []
    if any(mark != " " for mark in marks):
        rows.append([Piece(" " * _AXIS), Piece("".join(marks), "mark")])
    latest = [event for event in recording.events if event.time >= seconds[0]][-3:]
    for event in latest:
        when = f"{recording.end - event.time:4.0f} s ago"
        text = f"{_EVENTS.get(event.kind, '?')} {_told(event.kind)} {event.revision}"
        rows.append(
            [Piece(f"{when}  {text}" + (f" ({event.text})" if event.text else ""), "muted")]
        )
    return rows


def _told(kind: str) -> str:
    return {
        "deploy": "deployed", "woken": "first request for", "panic": "panic of",
        "calm": "end of panic of", "zero": "to zero:",
    }.get(kind, kind)  # fmt: skip


HEADER = (
    f"{'time':>6}{'requests/s':>12}{'errors':>8}{'in flight':>11}{'waiting':>9}"
    f"{'desired':>9}{'ready':>7}{'p95 ms':>9}"
)


def line(recording: Recording, second: int) -> str:
    """One second as one line, for where there is no terminal."""
    if any(second in gap for gap in recording.gaps()):
        return f"{second - recording.start:>5}s   no figures: control was away"
    row = recording.rows.get(second, {})
    answers = sum(row.get(name, 0) for name in STATUSES)
    errors = row.get("5xx", 0) + row.get("4xx", 0) + row.get("left", 0)
    text = (
        f"{second - recording.start:>5}s{answers:>12,.0f}{errors:>8,.0f}"
        f"{row.get('inFlight', 0):>11,.0f}{row.get('waiting', 0):>9,.0f}"
        f"{row.get('desired', 0):>9.0f}{row.get('ready', 0):>7.0f}{row.get('p95', 0):>9,.0f}"
    )
    told = [
        f"{_told(event.kind)} {event.revision}"
        for event in recording.events
        if int(event.time) == second
    ]
    return text + ("   " + "; ".join(told) if told else "")
