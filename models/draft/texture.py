# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting the mesh from its one picture: the front as it is, sides and back continued from it.

Frame and units: those of models.draft.inflate.
"""

import cv2
import numpy as np

from .fill import push_pull
from .inflate import inflate

SOLID_ALPHA = 230  # below that, a pixel's colour is mixed with what was behind the subject
EDGE_INSET = 0.003  # the outermost pixels carry the rest of that mix, in sides of the picture
RIM_BAND = 0.014  # texels nearer to the rim stretch over the body's sides, in the subject's longer side
THIN_SHARE = 0.35  # neither inset nor band takes more of a limb than this share of its local radius
BACK_SMOOTHING = 0.03  # window of the median that takes lines and lettering off the back, in the subject's longer side
BACK_LEVEL_PULL = 2  # colours spread this much farther sideways than up and down: belts and hems run level
BACK_RING = (0.03, 0.08)  # the back keeps its own colours up to this depth, and beyond it those of the ring, same unit


def paint_sides(rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # rgba: (S, S, 4) uint8
    """The colours seen from the front and from behind, both laid out as seen from the front.

    Returns two (S, S, 3) uint8 pictures, filled beyond the silhouette and equal along it.
    Raises EmptySurfaceFound when the silhouette is empty.
    """
    distance, radius, length = _measure_silhouette(rgba[..., 3])
    color = rgba[..., :3].astype(np.float32)
    inset = np.minimum(EDGE_INSET, THIN_SHARE * radius)
    color = push_pull(color, (rgba[..., 3] >= SOLID_ALPHA) & (distance > inset))
    band = np.minimum(RIM_BAND * length, THIN_SHARE * radius)
    inner = push_pull(color, distance > band)
    front = _mix(inner, color, _smoothstep(distance / band, 0.4, 1.0))
    back = _mix(front, _paint_back(inner, distance / length, length), _smoothstep(distance / band, 0.5, 1.5))
    return _to_uint8(front), _to_uint8(back)


def _measure_silhouette(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:  # (S, S) uint8
    """Signed distance and local radius at every pixel, (S, S) float32, and the subject's longer side."""
    size = alpha.shape[0]
    body = inflate(alpha)
    distance, radius = (cv2.resize(f, (size, size), interpolation=cv2.INTER_LINEAR) for f in body.over_picture())
    rows, columns = np.nonzero(distance > 0)
    length = (max(np.ptp(rows), np.ptp(columns)) + 1) / size
    return distance, radius, float(length)


def _paint_back(color: np.ndarray, relative_distance: np.ndarray, length: float) -> np.ndarray:  # (S, S, 3), (S, S)
    """A back without face, belly or lettering: the smoothed colours along the silhouette, continued inward.

    Limbs are all silhouette and keep their colours; a head takes those of its hair, a clock those of its case.
    """
    size = color.shape[0]
    half = (max(1, size // 2),) * 2  # the result is smooth: half the resolution is enough
    window = 2 * round(BACK_SMOOTHING * length * half[0] / 2) + 1
    small = cv2.medianBlur(_to_uint8(cv2.resize(color, half, interpolation=cv2.INTER_AREA)), window).astype(np.float32)
    depth = cv2.resize(relative_distance, half, interpolation=cv2.INTER_AREA)
    ring = 1.0 - _smoothstep(depth, *BACK_RING)
    narrow = (max(1, half[0] // BACK_LEVEL_PULL), half[1])
    ring_narrow = cv2.resize(ring, narrow, interpolation=cv2.INTER_AREA)
    small_narrow = cv2.resize(small * ring[..., None], narrow, interpolation=cv2.INTER_AREA)
    filled = push_pull(small_narrow / np.maximum(ring_narrow, 1e-6)[..., None], ring_narrow)
    painted = _mix(cv2.resize(filled, half, interpolation=cv2.INTER_LINEAR), small, ring)
    painted = cv2.GaussianBlur(painted, (0, 0), max(0.5, window / 6))
    return cv2.resize(painted, (size, size), interpolation=cv2.INTER_LINEAR)


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:  # (S, S, 3) twice, (S, S)
    return first + (second - first) * share[..., None]


def _smoothstep(value: np.ndarray, start: float, end: float) -> np.ndarray:
    t = np.clip((value - start) / (end - start), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _to_uint8(color: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(color, 0.0, 255.0)).astype(np.uint8)
