"""Text in pictures."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_MARGIN, _PADDING = 12, 8
_LINES_PER_PICTURE = 30.0


def add_caption(picture: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Write lines into the upper left corner of a picture, on a dark panel.

    Args:
        picture: RGB, (height, width, 3), uint8.
        lines: One or more.

    Returns:
        A new picture of the same size.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    font = _font(round(image.height / _LINES_PER_PICTURE))
    text, corner = "\n".join(lines), (_MARGIN + _PADDING, _MARGIN + _PADDING)
    left, top, right, bottom = draw.multiline_textbbox(corner, text, font=font)
    panel = (left - _PADDING, top - _PADDING, right + _PADDING, bottom + _PADDING)
    draw.rounded_rectangle(panel, radius=6, fill=(20, 26, 32, 170))
    draw.multiline_text(corner, text, font=font, fill=(245, 245, 245, 255))
    return np.asarray(image)


@functools.cache
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
