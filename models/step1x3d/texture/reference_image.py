# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture as the texture network sees it: the subject alone, filling nine tenths of a grey square."""

from __future__ import annotations

import numpy as np
from PIL import Image

FILL = 0.9  # of the side that the subject's longer side takes
GREY = 0.5


def prepare_reference(rgba: np.ndarray, size: int = 768) -> np.ndarray:
    """(size, size, 3) uint8. rgba: (H, W, 4) uint8, straight alpha, with at least one pixel that is not clear.

    The crop keeps one more row above and one more column to the left of the subject, as the official one does.
    """
    rows, columns = (np.flatnonzero((rgba[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    top, left = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
    subject = rgba[top : rows[-1] + 1, left : columns[-1] + 1]
    height, width = subject.shape[:2]
    scale = size * FILL / max(height, width)
    height, width = max(int(height * scale), 1), max(int(width * scale), 1)
    fitted = np.asarray(Image.fromarray(subject).resize((width, height)))
    canvas = np.zeros((size, size, 4), np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    canvas[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted.astype(np.float32) / 255.0
    alpha = canvas[..., 3:]
    return ((canvas[..., :3] * alpha + GREY * (1.0 - alpha)) * 255.0).astype(np.uint8)
