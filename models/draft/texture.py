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
SIDE_SIGMA = 0.008  # finer changes along the rim would be streaks over the body's sides, same unit
LINE_WIDTH = 0.016  # a dark line up to this width along the silhouette is drawing, not material, same unit
LINE_CONTRAST = (25.0, 50.0)  # grey levels: what is darker than its surroundings by less is shading
OUTLINED = (0.32, 0.5)  # share of the silhouette that such lines follow where they are a way of drawing, not thin hair
LINE_WORK_PX = 512  # lines are taken off at this resolution


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
    unlined = _take_off_outline(color, distance, length)
    inner = push_pull(unlined, distance > band)
    inner = mix(_smooth(inner, SIDE_SIGMA * length), inner, smoothstep(distance / band, 0.5, 1.5))
    front = mix(inner, color, smoothstep(distance / band, 0.6, 1.4))
    back = mix(front, paint_back(inner, distance, radius, length), smoothstep(distance / band, 0.5, 1.5))
    return to_uint8(front), to_uint8(back)


def _take_off_outline(
    color: np.ndarray, distance: np.ndarray, length: float
) -> np.ndarray:  # (S, S, 3), (S, S) float32
    """The picture without its drawn outline, which takes on the colours beside it, (S, S, 3) float32."""
    size = color.shape[0]
    work = (min(size, LINE_WORK_PX),) * 2
    small = cv2.resize(color, work, interpolation=cv2.INTER_AREA)
    beyond = cv2.resize(distance, work, interpolation=cv2.INTER_AREA)[..., None] <= 0
    width = 2 * round(LINE_WIDTH * length * work[0]) + 1  # a line along the silhouette has colour on one side alone
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    wide = cv2.dilate(np.where(beyond, 0.0, small).astype(np.float32), brush)
    closed = cv2.erode(np.where(beyond, 255.0, wide).astype(np.float32), brush)
    closed = np.where(beyond, small, closed)
    change = cv2.cvtColor(closed.astype(np.float32), cv2.COLOR_RGB2GRAY) - cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    change, closed = (
        cv2.resize(field.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR) for field in (change, closed)
    )
    is_line = smoothstep(change, *LINE_CONTRAST)
    rim = (distance > 0) & (distance < LINE_WIDTH / 2.0 * length)
    near = 1.0 - smoothstep(distance / length, LINE_WIDTH, 1.5 * LINE_WIDTH)
    return mix(color, closed, is_line * near * smoothstep(is_line[rim].mean(), *OUTLINED))


def _smooth(color: np.ndarray, sigma: float) -> np.ndarray:  # (S, S, 3) float32, sigma in sides of the picture
    size = color.shape[0]
    work = min(size, LINE_WORK_PX)
    small = cv2.resize(color, (work, work), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma * work), (size, size), interpolation=cv2.INTER_LINEAR)


def _measure_silhouette(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:  # (S, S) uint8
    """Signed distance and local radius at every pixel, (S, S) float32, and the subject's longer side."""
    size = alpha.shape[0]
    body = inflate(alpha)
    distance, radius = (cv2.resize(f, (size, size), interpolation=cv2.INTER_LINEAR) for f in body.over_picture())
    rows, columns = np.nonzero(distance > 0)
    length = (max(np.ptp(rows), np.ptp(columns)) + 1) / size
    return distance, radius, float(length)
