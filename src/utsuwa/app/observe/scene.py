"""A picture as shapes: what :mod:`chart` makes, and who draws need not understand. Pure.

Colours are roles, so that one scene can be drawn light and dark. The colours of series are those
of Okabe and Ito, which people with any kind of colour blindness can tell apart.
"""

from dataclasses import dataclass

XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """A filled polygon."""

    points: tuple[XY, ...]
    role: str
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points; `dash` is the length of its parts and gaps, 0 for none."""

    points: tuple[XY, ...]
    role: str
    width: float = 1.0
    dash: float = 0.0


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text at its baseline; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    role: str = "ink"
    size: float = 13.0
    anchor: str = "start"
    bold: bool = False


Shape = Area | Line | Text


@dataclass(frozen=True, slots=True)
class Plot:
    """Where time lies in the picture: seconds from `first` to `last` between `left` and
    `right`; for whoever wants to point at a second."""

    left: float
    right: float
    top: float
    bottom: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything, from back to front."""

    width: int
    height: int
    title: str
    shapes: tuple[Shape, ...]
    plot: Plot


LIGHT = {
    "paper": "#ffffff", "ink": "#1b1f24", "muted": "#59636e", "grid": "#e3e7eb",
    "axis": "#a8b1ba", "panic": "#e69f00", "mark": "#59636e",
    "1xx": "#999999", "2xx": "#009e73", "3xx": "#56b4e9", "4xx": "#e69f00", "5xx": "#d55e00",
    "left": "#cc79a7", "inFlight": "#0072b2", "waiting": "#d55e00",
    "ready": "#56b4e9", "desired": "#1b1f24", "p50": "#0072b2", "p95": "#e69f00", "p99": "#d55e00",
}  # fmt: skip
DARK = {
    **LIGHT,
    "paper": "#0f1419", "ink": "#e9eef3", "muted": "#9aa5b1", "grid": "#232b33",
    "axis": "#57626e", "mark": "#9aa5b1",
    "2xx": "#1fb487", "5xx": "#f0742a", "inFlight": "#4aa8e0", "waiting": "#f0742a",
    "desired": "#e9eef3", "p50": "#4aa8e0", "p99": "#f0742a",
}  # fmt: skip
THEMES = {"light": LIGHT, "dark": DARK}
