"""Pictures as PNG files."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def write_png(path: str, pixels: np.ndarray) -> bool:
    """Write a picture, (height, width, 3) of uint8; return whether that worked."""
    height, width, _ = pixels.shape
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 1)),
        (b"IEND", b""),
    ]
    data = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    try:
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + data)
    except OSError:
        return False
    return True
