# SPDX-License-Identifier: GPL-3.0-or-later
"""The feet that a figure stands on: longer than the legs are deep, forward of them, with a flat sole.

Proportions are medians over humanoids, cartoon and real. Frame and units: those of models.draft.inflate.
"""

from dataclasses import replace

import cv2
import numpy as np

from .figure import Figure, limb_share
from .inflate import FIELD_PX, InflatedBody
from .shades import smoothstep

LENGTH = 2.3  # a foot's in the depth of its leg
FORWARD = 0.42  # of a foot's half-length: the heel stays under the leg
HEIGHT, HEIGHT_IN_WIDTHS = 0.06, 1.1  # of the figure's height; of a foot's width: from the ground to the instep's top
FULL_LENGTH = 0.5  # of the height of the feet: below, the toes reach all the way
WIDTH_ZONE = 0.05  # of the figure's height: a foot is measured here
WIDEST = 90  # percentile of twice the discs' radius there that is the foot's width
USUAL_WIDTH = 0.06  # of the figure's height: what is wider is a cartoon's, and as long as its root tells
LONGEST = 1.5  # half of a foot's length in its width: a belly that rests on the ground swells into no foot
SOLE = 2.5  # most that the depth grows toward the ground, where it would round off
MIDDLE_SMOOTHING = 0.006  # steps of the middle in depth are evened out over this, in sides of the picture


def set_on_feet(body: InflatedBody, figure: Figure) -> InflatedBody:
    """Lengthen what is near the ground to feet. body: with the depth of its parts."""
    height = figure.bottom - figure.top
    limb = limb_share(body, figure)
    zone = slice(figure.bottom - int(np.ceil(WIDTH_ZONE * height)), figure.bottom)
    radii = (body.radius * limb)[zone][body.distance[zone] > 0]
    width = 2.0 * FIELD_PX * float(np.percentile(radii, WIDEST))
    foot_height = max(HEIGHT * height, HEIGHT_IN_WIDTHS * width)
    rows = np.arange(len(body.distance), dtype=np.float32)[:, None]
    instep, toes = figure.bottom - foot_height, figure.bottom - FULL_LENGTH * foot_height
    is_foot = smoothstep(rows, instep, toes) * limb
    length = LENGTH * min(1.0, np.sqrt(USUAL_WIDTH * height / max(width, 1.0)))
    flatness = body.flatness * (1.0 + (length - 1.0) * is_foot)
    longest = max(LONGEST * width, 1.0) / FIELD_PX
    forward = FORWARD * np.minimum(body.radius * flatness, longest) * is_foot
    forward = cv2.GaussianBlur(forward, (0, 0), MIDDLE_SMOOTHING * FIELD_PX)
    flatness = flatness * (1.0 + (_widen_sole(body, instep) - 1.0) * is_foot)
    half_length = replace(body, flatness=flatness).half_depth()
    flatness *= np.minimum(1.0, np.maximum(longest, body.half_depth()) / np.maximum(half_length, 1.0 / FIELD_PX))
    return replace(body, flatness=flatness.astype(np.float32), middle=(body.middle + forward).astype(np.float32))


def _widen_sole(body: InflatedBody, instep: float) -> np.ndarray:
    """How much deeper the body would be if its feet went on below the ground, up to SOLE: (N, N) float32."""
    inside = (body.distance > 0).astype(np.uint8)
    rows = np.arange(len(inside))[:, None]
    lowest = len(inside) - 1 - inside[::-1].argmax(axis=0)
    inside[(rows > lowest) & (lowest > instep) & inside.any(axis=0)] = 1
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / FIELD_PX
    distance = np.clip(distance, body.distance, body.radius)
    tube, going_on = (2.0 * body.radius * depth - depth**2 for depth in (body.distance, distance))
    widened: np.ndarray = np.sqrt(np.clip(going_on / np.maximum(tube, 1e-7), 1.0, SOLE**2))
    return widened
