# SPDX-License-Identifier: GPL-3.0-or-later
"""The screen of a virtual X server, read as an array without any tool.

`Xvfb -fbdir FOLDER` keeps its screen in the file FOLDER/Xvfb_screen0, in the XWD format (X11/XWDFile.h): a header of
25 big-endian 32-bit numbers, the window's name, a colour map of 12 bytes an entry, then rows of BGRX pixels.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

_HEADER_NUMBERS = 25
_COLOUR_BYTES = 12


def read_screen(file: Path) -> np.ndarray:
    """The screen as it is now: (height, width, 3) uint8, RGB, first row at the top."""
    data = file.read_bytes()
    header = struct.unpack(f">{_HEADER_NUMBERS}I", data[: 4 * _HEADER_NUMBERS])
    header_bytes, width, height, row_bytes, colours = header[0], header[4], header[5], header[12], header[19]
    start = header_bytes + _COLOUR_BYTES * colours
    rows = np.frombuffer(data, np.uint8, count=row_bytes * height, offset=start).reshape(height, row_bytes)
    return rows[:, : 4 * width].reshape(height, width, 4)[:, :, 2::-1].copy()


def write_png(path: Path, pixels: np.ndarray) -> None:  # pixels: (height, width, 3) uint8
    """A PNG file of an RGB picture."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, 3 * width)], axis=1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
