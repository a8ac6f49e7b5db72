# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting the mesh from its one picture: the front as it is, sides and back continued from it.

Frame and units: those of models.draft.inflate.
"""

import cv2
import numpy as np

from .back import paint_back
from .fill import push_pull
from .inflate import inflate
from .shades import mix, smoothstep, to_uint8

SOLID_ALPHA = 230  # below that, a pixel's colour is mixed with what was behind the subject
EDGE_INSET = 0.003  # the outermost pixels carry the rest of that mix, in sides of the picture
RIM_BAND = 0.014  # texels nearer to the rim stretch over the body's sides, in the subject's longer side
THIN_SHARE = 0.35  # neither inset nor band takes more of a limb than this share of its local radius


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
    front = mix(inner, color, smoothstep(distance / band, 0.4, 1.0))
    back = mix(front, paint_back(inner, distance, radius, length), smoothstep(distance / band, 0.5, 1.5))
    return to_uint8(front), to_uint8(back)


def _measure_silhouette(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:  # (S, S) uint8
    """Signed distance and local radius at every pixel, (S, S) float32, and the subject's longer side."""
    size = alpha.shape[0]
    body = inflate(alpha)
    distance, radius = (cv2.resize(f, (size, size), interpolation=cv2.INTER_LINEAR) for f in body.over_picture())
    rows, columns = np.nonzero(distance > 0)
    length = (max(np.ptp(rows), np.ptp(columns)) + 1) / size
    return distance, radius, float(length)
