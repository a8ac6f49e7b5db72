# SPDX-License-Identifier: GPL-3.0-or-later
"""Turning a leaning subject upright, by the axis about which its outline is most symmetric."""

import cv2
import numpy as np

from .framing import subject_bounds
from .upscale import continue_colors, join

ROOM_PX = 2  # kept free around the turned picture, so that its edge is soft on all sides


def straighten(rgba: np.ndarray, degrees: float) -> np.ndarray:  # (H, W, 4) uint8 -> (h, w, 4) uint8, straight alpha
    """The subject alone, turned clockwise by `degrees`, in a picture that holds all of it.

    Colours are continued beyond the outline before they are turned, and alpha is turned alone.
    Raises NoSubjectFound when no pixel is at least half opaque.
    """
    left, top, right, bottom = subject_bounds(rgba)
    subject = rgba[max(top - ROOM_PX, 0) : bottom + ROOM_PX, max(left - ROOM_PX, 0) : right + ROOM_PX]
    height, width = subject.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (int(np.ceil(width * cosine + height * sine)), int(np.ceil(width * sine + height * cosine)))
    size = (size[0] + 2 * ROOM_PX, size[1] + 2 * ROOM_PX)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    color = cv2.warpAffine(
        continue_colors(subject), matrix, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = cv2.warpAffine(subject[..., 3].astype(np.float32), matrix, size, flags=cv2.INTER_LANCZOS4)
    return join(color, np.rint(np.clip(alpha, 0, 255)).astype(np.uint8))
