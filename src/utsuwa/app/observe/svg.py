"""A scene as SVG: light or dark as the reader's system is, in one file, without a font. Pure."""

from collections.abc import Sequence
from html import escape

from utsuwa.app.observe.scene import DARK, LIGHT, XY, Area, Line, Scene, Shape, Text

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"


def document(scene: Scene) -> str:
    """A file of its own."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + element(scene).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        + "\n"
    )


def element(scene: Scene) -> str:
    """The same as a part of a page."""
    body = "\n".join(_shape(shape) for shape in scene.shapes)
    size = f'viewBox="0 0 {scene.width} {scene.height}"'
    return (
        f'<svg {size} width="{scene.width}" height="{scene.height}" role="img" '
        f'aria-label="{escape(scene.title, quote=True)}" font-family="{FONT}">\n'
        f"<style>{style()}</style>\n"
        f'<rect class="f-paper" width="100%" height="100%"/>\n{body}\n</svg>'
    )


def style() -> str:
    """Every colour, of either theme, as a class to fill and one to draw with."""
    dark = _rules({role: color for role, color in DARK.items() if color != LIGHT[role]})
    return f"{_rules(LIGHT)}@media (prefers-color-scheme: dark){{{dark}}}"


def _rules(colors: dict[str, str]) -> str:
    return "".join(
        f".f-{role}{{fill:{color}}}.s-{role}{{stroke:{color}}}" for role, color in colors.items()
    )


def _shape(shape: Shape) -> str:
    if isinstance(shape, Area):
        return (
            f'<polygon class="f-{shape.role}" opacity="{shape.opacity:g}" '
            f'points="{_points(shape.points)}"/>'
        )
    if isinstance(shape, Line):
        dash = f' stroke-dasharray="{shape.dash:g}"' if shape.dash else ""
        return (
            f'<polyline class="s-{shape.role}" fill="none" stroke-width="{shape.width:g}" '
            f'stroke-linejoin="round"{dash} points="{_points(shape.points)}"/>'
        )
    return _text(shape)


def _text(text: Text) -> str:
    weight = ' font-weight="600"' if text.bold else ""
    anchor = f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
    return (
        f'<text class="f-{text.role}" x="{text.x:.1f}" y="{text.y:.1f}" '
        f'font-size="{text.size:g}"{weight}{anchor}>{escape(text.text)}</text>'
    )


def _points(points: Sequence[XY]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
