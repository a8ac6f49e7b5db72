# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a picture shows what a mesh is: their outlines, laid over each other."""

from __future__ import annotations

import cv2
import numpy as np

COMPARED_PX = 96


def outline_likeness(alpha: np.ndarray, covered: np.ndarray) -> float:  # (H, W) uint8, (S, S) bool
    """Intersection over union of the picture's subject and the mesh seen from the front, each fitted to its box, 0..1.

    0 where one of them shows nothing.
    """
    if not (alpha > 127).any() or not covered.any():
        return 0.0
    subject, mesh = _fitted(alpha > 127), _fitted(covered)
    return float((subject & mesh).sum() / (subject | mesh).sum())


def _fitted(mask: np.ndarray) -> np.ndarray:
    """(P, P) bool: the mask's box in the middle of a square, its longer side as long as the square's."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    side = max(box.shape)
    top, left = (side - box.shape[0]) // 2, (side - box.shape[1]) // 2
    square = np.zeros((side, side), np.float32)
    square[top : top + box.shape[0], left : left + box.shape[1]] = box
    return cv2.resize(square, (COMPARED_PX, COMPARED_PX), interpolation=cv2.INTER_AREA) >= 0.5
