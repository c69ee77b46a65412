"""The chart of a recording: panels on one axis of time, with marks. Pure.

From top to bottom: requests/s by class of status as areas on one another, requests in flight and
waiting as lines, pods ready (area) and desired (dashed steps); on pages latency as well.
"""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from utsuwa.app.observe.recording import CLASSES, STATUSES, Event, Recording
from utsuwa.app.observe.scene import XY, Area, Line, Plot, Scene, Shape, Text

WIDTH = 1200
LEFT, RIGHT = 72.0, 28.0
HEAD = 122.0
"""From the top to the first panel, where nothing is marked."""
PANEL, GAP = 160.0, 62.0
LABELS = 18.0
"""Height of one row of labels of marks."""
MOST_ROWS = 3
_SIZE = 13.0
_GLYPH = 0.52
"""Width of a letter, as part of its height: on the average, and rather too much."""
_SHOWN = {"deploy": "deploy", "woken": "first request", "zero": "to zero"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One panel: where it lies, and which value is at its top."""

    top: float
    x: Callable[[float], float]
    lift: float
    """Room for labels between panel and heading."""
    most: float

    @property
    def bottom(self) -> float:
        """The line of zero."""
        return self.top + PANEL

    def y(self, value: float) -> float:
        """Where `value` lies."""
        return self.bottom - PANEL * value / self.most


Place = Callable[[float], Frame]
"""The frame of a panel, once it is known which value is at its top."""


def draw(recording: Recording, *, title: str, subtitle: str = "", latency: bool = False) -> Scene:
    """The whole picture; with `latency` a panel for it, too."""
    seconds = recording.seconds
    first, last = seconds[0], seconds[-1] + 1
    right = WIDTH - RIGHT
    labels, rows = _labels(recording, first, last)

    def x(time: float) -> float:
        return LEFT + (right - LEFT) * (time - first) / max(1, last - first)

    top = HEAD + rows * LABELS
    panels = [_requests, _in_flight, _pods]
    if latency:
        panels.append(_latency)
    bottom = top + len(panels) * (PANEL + GAP) - GAP
    plot = Plot(LEFT, right, top, bottom, first, last)
    shapes: list[Shape] = [
        Text(LEFT, 38, title, size=22, bold=True),
        Text(LEFT, 62, subtitle, "muted", size=14),
    ]
    tops = [top + number * (PANEL + GAP) for number in range(len(panels))]
    for panel, at in zip(panels, tops, strict=True):
        shapes += _panics(recording, x, at)
        shapes += _time_grid(x, at, first, last)
        lift = rows * LABELS if at == top else 0.0
        shapes += panel(recording, functools.partial(Frame, at, x, lift))
        shapes += _gaps(recording, x, at)
    shapes += _time_axis(x, bottom, first, last)
    shapes += _flags(labels, x, tops)
    return Scene(WIDTH, math.ceil(bottom + 48), title, tuple(shapes), plot)


# --- panels -------------------------------------------------------------------------------------


def _requests(recording: Recording, place: Place) -> list[Shape]:
    frame = place(_ceiling(max(recording.requests, default=0)))
    below = [0.0] * len(recording.seconds)
    shapes: list[Shape] = _scale(frame)
    used = [status for status in STATUSES if recording.peak(status) > 0] or ["2xx"]
    for status in used:
        above = [a + b for a, b in zip(below, recording.drawn(status), strict=True)]
        outline = _steps(recording, above, frame)
        floor = _steps(recording, below, frame)
        shapes += [Area((*outline, *reversed(floor)), status, 0.75), Line(outline, status, 1.5)]
        below = above
    legend = [(CLASSES[status], status, "area") for status in used]
    return [*shapes, *_heading(frame, "Requests/s", legend)]


def _in_flight(recording: Recording, place: Place) -> list[Shape]:
    names = ("inFlight", "waiting")
    frame = place(_ceiling(max(map(recording.peak, names))))
    in_flight = _through(recording, recording.drawn("inFlight"), frame)
    waiting = _through(recording, recording.drawn("waiting"), frame)
    return [
        *_scale(frame),
        Area(_closed(in_flight, frame), "inFlight", 0.12),
        Line(in_flight, "inFlight", 2.5),
        Line(waiting, "waiting", 2.5, dash=7),
        *_heading(
            frame, "Requests inside",
            [("in flight", "inFlight", "line"), ("waiting for a pod", "waiting", "dash")],
        ),
    ]  # fmt: skip


def _pods(recording: Recording, place: Place) -> list[Shape]:
    peak = max(recording.peak("ready"), recording.peak("desired"))
    frame = place(_ceiling(peak))
    ready = _steps(recording, _held(recording.drawn("ready")), frame)
    desired = _steps(recording, _held(recording.drawn("desired")), frame)
    return [
        *_scale(frame),
        Area(_closed(ready, frame), "ready", 0.55),
        Line(ready, "ready", 2),
        Line(desired, "desired", 2, dash=5),
        *_heading(frame, "Pods", [("ready", "ready", "area"), ("desired", "desired", "dash")]),
    ]


def _latency(recording: Recording, place: Place) -> list[Shape]:
    names = ("p50", "p95", "p99")
    frame = place(_ceiling(max(map(recording.peak, names))))
    shapes: list[Shape] = _scale(frame)
    for name in reversed(names):
        line = _through(recording, recording.drawn(name), frame)
        shapes.append(Line(line, name, 2, dash={"p50": 0, "p95": 8, "p99": 3}[name]))
    legend = [(name, name, "dash" if name != "p50" else "line") for name in names]
    return [*shapes, *_heading(frame, "Latency in ms", legend)]


# --- lines --------------------------------------------------------------------------------------


def _steps(recording: Recording, values: Sequence[float], frame: Frame) -> tuple[XY, ...]:
    """A line that holds each value for its second."""
    points: list[XY] = []
    for second, value in zip(recording.seconds, values, strict=True):
        y = frame.y(value)
        if len(points) > 1 and points[-1][1] == y:
            points[-1] = (frame.x(second + 1), y)
        else:
            points += [(frame.x(second), y), (frame.x(second + 1), y)]
    return tuple(points)


def _through(recording: Recording, values: Sequence[float], frame: Frame) -> tuple[XY, ...]:
    """A line through the values, each at the end of its second."""
    pairs = zip(recording.seconds, values, strict=True)
    points = [(frame.x(second + 1), frame.y(value)) for second, value in pairs]
    return ((frame.x(recording.start), points[0][1]), *points)


def _held(values: list[float]) -> list[float]:
    """Each second has the value of the end of the one before: until then it held."""
    return [*values[:1], *values[:-1]]


def _closed(line: Sequence[XY], frame: Frame) -> tuple[XY, ...]:
    return (*line, (line[-1][0], frame.bottom), (line[0][0], frame.bottom))


# --- axes ---------------------------------------------------------------------------------------


def nice(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `least`.

    >>> nice(0.3), nice(6), nice(120)
    (0.5, 10.0, 200.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.999_999)


def _ceiling(peak: float) -> float:
    """The value at the top of a panel: a little above the peak, and whole in quarters of it."""
    wanted = max(peak * 1.05, 1.0)
    step = max(1.0, nice(wanted / 4))
    return step * math.ceil(wanted / step)


def _scale(frame: Frame) -> list[Shape]:
    step = max(1.0, nice(max(frame.most, 1.0) / 4))
    shapes: list[Shape] = []
    value = 0.0
    while value <= frame.most * 1.000_001:
        y = frame.y(value)
        role = "axis" if value == 0 else "grid"
        shapes.append(Line(((LEFT, y), (WIDTH - RIGHT, y)), role))
        shapes.append(Text(LEFT - 10, y + 4.5, f"{value:,.0f}", "muted", _SIZE, "end"))
        value += step
    return shapes


def _heading(frame: Frame, title: str, legend: Iterable[tuple[str, str, str]]) -> list[Shape]:
    y = frame.top - frame.lift - 14
    shapes: list[Shape] = [Text(LEFT, y, title, size=15, bold=True)]
    at = LEFT + 24 + len(title) * 15 * _GLYPH
    for text, role, form in legend:
        if form == "area":
            box = ((at, y - 10), (at + 14, y - 10), (at + 14, y + 1), (at, y + 1))
            shapes.append(Area(box, role, 0.85))
        else:
            ends = ((at, y - 4.5), (at + 22, y - 4.5))
            shapes.append(Line(ends, role, 2.5, dash=5 if form == "dash" else 0))
        at += 20 if form == "area" else 28
        shapes.append(Text(at, y, text, "muted", _SIZE))
        at += len(text) * _SIZE * 0.48 + 22
    return shapes


def _ticks(first: int, last: int) -> list[int]:
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    step = next((one for one in steps if (last - first) / one <= 12), 86400)
    return list(range(0, last - first + 1, step))


def _time_grid(x: Callable[[float], float], top: float, first: int, last: int) -> list[Shape]:
    return [
        Line(((x(first + tick), top), (x(first + tick), top + PANEL)), "grid")
        for tick in _ticks(first, last)
    ]


def _time_axis(x: Callable[[float], float], bottom: float, first: int, last: int) -> list[Shape]:
    long = last - first > 180
    shapes: list[Shape] = []
    for tick in _ticks(first, last):
        text = f"{tick // 60}:{tick % 60:02}" if long else f"{tick} s"
        shapes.append(Text(x(first + tick), bottom + 22, text, "muted", _SIZE, "middle"))
    return shapes


# --- what happened ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Label:
    time: float
    text: str
    row: int
    role: str


def _labels(recording: Recording, first: int, last: int) -> tuple[list[_Label], int]:
    """Labels in as few rows as hold them without overlap, and how many rows that takes. What finds
    no room in three is only a line."""
    told = [event for event in recording.events if event.kind in _SHOWN]
    spans = [Event(time, "panic", "", "") for time, _ in recording.panics()]
    several = len({event.revision for event in told}) > 1
    per_pixel = (last - first) / (WIDTH - LEFT - RIGHT)
    free = [-math.inf] * MOST_ROWS
    labels: list[_Label] = []
    for event in sorted([*told, *spans]):
        text = _SHOWN.get(event.kind, event.kind)
        if event.revision and (several or event.kind == "deploy"):
            text += f" {event.revision}"
        length = (len(text) * 12 * _GLYPH + 18) * per_pixel
        start = min(event.time, last - length)
        row = next((row for row, end in enumerate(free) if start >= end), -1)
        if row >= 0:
            free[row] = start + length
        role = "panic" if event.kind == "panic" else "mark"
        labels.append(_Label(event.time, text if row >= 0 else "", row, role))
    return labels, 1 + max((label.row for label in labels), default=-1)


def _flags(
    labels: Sequence[_Label], x: Callable[[float], float], tops: Sequence[float]
) -> list[Shape]:
    """Labels above the first panel, the last row nearest to it, and a line through each panel."""
    shapes: list[Shape] = []
    right = WIDTH - RIGHT
    rows = 1 + max((label.row for label in labels), default=-1)
    for label in labels:
        at = min(x(label.time), right)
        y = tops[0] - (rows - label.row) * LABELS + 12
        dash = 2 if label.role == "mark" else 0
        starts = [y - 10 if label.text else tops[0], *tops[1:]]
        ends = [top + PANEL for top in tops]
        shapes += [
            Line(((at, start), (at, end)), label.role, 1.3, dash)
            for start, end in zip(starts, ends, strict=True)
        ]
        if at + len(label.text) * 12 * _GLYPH > right:
            shapes.append(Text(at - 5, y, label.text, "ink", 12, "end"))
        elif label.text:
            shapes.append(Text(at + 5, y, label.text, "ink", 12))
    return shapes


def _gaps(recording: Recording, x: Callable[[float], float], top: float) -> list[Shape]:
    """Where nothing is known nothing is shown."""
    shapes: list[Shape] = []
    for gap in recording.gaps():
        left, right = x(gap.start), x(gap.stop)
        corners = ((left, top), (right, top), (right, top + PANEL), (left, top + PANEL))
        shapes.append(Area(corners, "paper"))
        shapes.append(Area(corners, "grid", 0.5))
        if right - left > 70:
            middle = (left + right) / 2
            shapes.append(Text(middle, top + PANEL / 2, "no figures", "muted", 12, "middle"))
    return shapes


def _panics(recording: Recording, x: Callable[[float], float], top: float) -> list[Shape]:
    bottom = top + PANEL
    return [
        Area(((x(a), top), (x(b), top), (x(b), bottom), (x(a), bottom)), "panic", 0.10)
        for a, b in recording.panics()
    ]
