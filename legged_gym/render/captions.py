"""Text in pictures."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_MARGIN, _PADDING, _GAP = 12, 8, 14
_LINES_PER_PICTURE = 30.0
_SMALLEST = 12
"""Size of the smallest text, pixels."""


_WHITE = (245, 245, 245)


class Line(str):
    """A line of a caption with its own colour, RGB, 0 to 255 each."""

    colour: tuple[int, int, int]

    def __new__(cls, text: str, colour: tuple[int, int, int]) -> Line:
        """Return ``text`` with its colour."""
        line = super().__new__(cls, text)
        line.colour = colour
        return line


def add_caption(picture: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Write lines of text into the upper left corner of a picture, on a dark panel.

    Args:
        picture: RGB, (height, width, 3), uint8.
        lines: One or more. Tabs split them into columns, the first left-aligned, the others right-aligned. A
            :class:`Line` has its colour, other lines are white.

    Returns:
        A new picture of the same size.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    size = max(_SMALLEST, round(image.height / _LINES_PER_PICTURE))
    font, pitch = _font(size), 1.3 * size
    rows = [line.split("\t") for line in lines]
    widths = _column_widths(rows, font)
    corner = _MARGIN + _PADDING
    table = sum(widths) + _GAP * (len(widths) - 1)
    right = corner + max(table, *(font.getlength(line) for line in lines if "\t" not in line), 0.0) + _PADDING
    panel = (_MARGIN, _MARGIN, right, corner + pitch * len(rows) + _PADDING)
    draw.rounded_rectangle(panel, radius=6, fill=(20, 26, 32, 170))
    for number, (line, row) in enumerate(zip(lines, rows, strict=True)):
        fill = line.colour if isinstance(line, Line) else _WHITE
        for column, text in enumerate(row):
            end = corner + sum(widths[: column + 1]) + _GAP * column
            at, anchor = (end, "ra") if column else (corner, "la")
            draw.text((at, corner + pitch * number), text, font=font, fill=fill, anchor=anchor)
    return np.asarray(image)


def _column_widths(rows: Sequence[Sequence[str]], font: ImageFont.FreeTypeFont) -> list[float]:
    """Return the width of each column. Lines without columns don't count."""
    columns = max(map(len, rows))
    return [max((font.getlength(row[i]) for row in rows if len(row) > max(1, i)), default=0.0) for i in range(columns)]


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # It always is one if a size is given.
    return font
