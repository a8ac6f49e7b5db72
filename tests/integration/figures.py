# SPDX-License-Identifier: GPL-3.0-or-later
"""A drawn figure for the editors' tests, cut out and as an editor would send it."""

from __future__ import annotations

import cv2
import numpy as np

from inference_server.core.types import UInt8
from tests.integration.fake_gemini import png_of

SKIN, CLOTH = (200, 140, 110, 255), (150, 30, 40, 255)


def figure(reach: int) -> UInt8:  # (400, 400, 4) uint8
    """A figure on a clear ground, its hands so many pixels beside its shoulders: 8 hangs, 85 is an A-pose."""
    rgba = np.zeros((400, 400, 4), np.uint8)
    for side in (-1, 1):
        cv2.line(rgba, (200 + side * 30, 140), (200 + side * (30 + reach), 235), SKIN, 18)
        cv2.line(rgba, (200 + side * 16, 240), (200 + side * 26, 350), CLOTH, 22)
    cv2.rectangle(rgba, (172, 120), (228, 245), CLOTH, -1)
    cv2.circle(rgba, (200, 90), 36, SKIN, -1)
    return rgba


def drawn(rgba: UInt8, ground: tuple[int, int, int]) -> bytes:
    """The figure on a plain ground, as a PNG file."""
    share = rgba[..., 3:] / 255.0
    return png_of(np.uint8(rgba[..., :3] * share + np.array(ground) * (1 - share)))
