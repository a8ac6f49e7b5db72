# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pixels of a view are sure to show the surface that they hit: not those beside an outline or a step in depth."""

from __future__ import annotations

import cv2
import numpy as np

MARGIN = 2 / 512  # pixels nearer to an edge are not trusted, in sides of the picture
CANNY = (30, 80)  # hysteresis thresholds, in levels of a depth picture of 8 bit


def trusted_pixels(distance: np.ndarray, covered: np.ndarray, shows: np.ndarray) -> np.ndarray:
    """(H, W) bool.

    distance: (H, W) float32, from the viewer, used where `covered`, (H, W) bool. shows: (H, W) bool, where the picture
    has something to say; a subset of `covered`.
    """
    reach = int(MARGIN * covered.shape[0])
    box = np.ones((2 * reach + 1,) * 2, np.uint8)
    edges = cv2.Canny(_depth_picture(distance, covered), *CANNY)
    suspect = (edges > 0) | ~shows
    return cv2.dilate(suspect.astype(np.uint8), box) == 0


def _depth_picture(distance: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """(H, W) uint8: 255 nearest, 0 farthest and background."""
    picture = np.zeros(covered.shape, np.float32)
    seen = distance[covered]
    if seen.size:
        near, far = seen.min(), seen.max()
        picture[covered] = (far - seen) / max(far - near, np.finfo(np.float32).tiny)
    return (picture * 255).astype(np.uint8)
