"""A scene as PNG, drawn by Pillow (extra `[png]`) at twice the size in points, for sharp screens.

Drawn once more as large, and reduced: that is what makes edges smooth. The font is Pillow's own, so
a picture looks the same on every machine.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from utsuwa.app.observe.scene import THEMES, XY, Area, Line, Scene, Text

if TYPE_CHECKING:
    from PIL import ImageDraw

SCALE = 2
"""Pixels of the picture to a unit of the scene."""
FINER = 2
"""How much larger it is drawn."""
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


class NoPillowError(Exception):
    """Pillow is not installed."""


def picture(scene: Scene, theme: str = "light") -> bytes:
    """The file.

    Raises:
        NoPillowError: it cannot be drawn here.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise NoPillowError("drawing a PNG needs Pillow") from error
    colors = THEMES[theme]
    factor = SCALE * FINER
    size = (scene.width * factor, scene.height * factor)
    image = Image.new("RGB", size, colors["paper"])
    pen = _Pen(ImageDraw.Draw(image, "RGBA"), colors, factor)
    for shape in scene.shapes:
        if isinstance(shape, Area):
            pen.area(shape)
        elif isinstance(shape, Line):
            pen.line(shape)
        else:
            pen.text(shape)
    reduced = image.reduce(FINER).quantize(256)  # a quarter of the size, and nobody sees it
    target = io.BytesIO()
    reduced.save(target, "PNG", optimize=True)
    return target.getvalue()


class _Pen:
    def __init__(self, draw: "ImageDraw.ImageDraw", colors: Mapping[str, str], factor: int) -> None:
        self._draw = draw
        self._colors = colors
        self._factor = factor

    def area(self, area: Area) -> None:
        if len(area.points) > 2:
            color = f"{self._colors[area.role]}{round(area.opacity * 255):02x}"
            self._draw.polygon(self._at(area.points), fill=color)

    def line(self, line: Line) -> None:
        width = max(1, round(line.width * self._factor))
        color = self._colors[line.role]
        dash = line.dash * self._factor
        for part in _dashed(self._at(line.points), dash) if dash else [self._at(line.points)]:
            self._draw.line(part, fill=color, width=width, joint="curve")

    def text(self, text: Text) -> None:
        from PIL import ImageFont

        size = text.size * self._factor
        self._draw.text(
            (text.x * self._factor, text.y * self._factor),
            text.text,
            fill=self._colors[text.role],
            font=ImageFont.load_default(size),
            anchor=_ANCHORS[text.anchor],
            stroke_width=size / 40 if text.bold else 0,
        )

    def _at(self, points: Sequence[XY]) -> list[XY]:
        return [(x * self._factor, y * self._factor) for x, y in points]


def _dashed(points: Sequence[XY], dash: float) -> Iterator[list[XY]]:
    """The drawn parts of a line; a part goes on around corners."""
    left, drawn = dash, True
    part = [points[0]]
    for (x, y), (to_x, to_y) in pairwise(points):
        length = math.hypot(to_x - x, to_y - y)
        passed = 0.0
        while length - passed > left:
            passed += left
            at = (x + (to_x - x) * passed / length, y + (to_y - y) * passed / length)
            if drawn:
                yield [*part, at]
            left, drawn, part = dash, not drawn, [at]
        left -= length - passed
        part.append((to_x, to_y))
    if drawn and len(part) > 1:
        yield part
