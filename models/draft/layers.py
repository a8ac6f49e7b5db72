# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts in front of the body, raised from what they hide: an arm on the chest, a chin over the collar, a foreleg.

The front of the body steps along each contour of a part in front: the part comes forward, what it hides falls back,
and both fade into the surface away from the contour. The back stays.
Frame and units: those of models.draft.inflate.
"""

from dataclasses import replace

import cv2
import numpy as np
from scipy.interpolate import interp1d
from scipy.spatial import cKDTree

from .inflate import FIELD_PX, PAD_PX, InflatedBody
from .occlusion import Occlusion

STEP = 0.13  # of the contour's length: its height
HIGHEST_STEP = 0.05  # in the subject's longer side
FORWARD = 0.65  # the share of the step by which the part in front rises; the rest is how far the other falls back
REACH = 0.35  # of the contour's length: how far from it a step is felt
REACHES = (0.03, 0.08)  # within these, in the subject's longer side
FELT = 3.0  # reaches: beyond, a step is nothing
TAPER = 0.4  # of the contour's length: towards its free end the step fades
WALL_PX = 2.0  # half-width of the step itself: steeper, triangles could not follow
COARSE_PX = 2  # steps are laid out on so many pixels of the field at once
RIM_PX = 6.0  # steps fade in over so much from the outline, which they would roughen
LEAST_DEPTH = 0.5  # factor on the half-depth, where the front falls back
MOST_DEPTH = 2.0  # factor on the half-depth, where it comes forward: the rim stays a rim


def raise_layers(body: InflatedBody, occlusions: list[Occlusion], depth: float) -> InflatedBody:
    """The body with its parts in front raised. depth: factor on the third dimension, > 0."""
    if not occlusions:
        return body
    rows, columns = np.nonzero(body.distance > 0)
    length_px = float(max(np.ptp(rows), np.ptp(columns)))
    count = len(body.distance) // COARSE_PX
    rows, columns = np.divmod(np.arange(count**2), count)
    pixels = COARSE_PX * (np.stack([columns, rows], axis=1) + 0.5) - 0.5 - PAD_PX
    forward, back = np.zeros(len(pixels)), np.zeros(len(pixels))
    for occlusion in occlusions:
        near, step = _step_beside(occlusion, pixels, length_px)
        forward[near] = np.maximum(forward[near], FORWARD * step)
        back[near] = np.minimum(back[near], (1.0 - FORWARD) * step)
    half = np.maximum(body.half_depth(), 1.0 / FIELD_PX)
    coarse = (depth / FIELD_PX * (forward + back)).reshape(count, count)
    moved = cv2.resize(coarse, body.distance.shape[::-1], interpolation=cv2.INTER_LINEAR)
    moved = moved * np.clip(body.distance * FIELD_PX / RIM_PX, 0.0, 1.0)
    moved = np.clip(moved, 2.0 * (LEAST_DEPTH - 1.0) * half, 2.0 * (MOST_DEPTH - 1.0) * half)
    flatness = body.flatness * (1.0 + 0.5 * moved / half)
    return replace(body, flatness=flatness.astype(np.float32), middle=(body.middle + 0.5 * moved).astype(np.float32))


def _step_beside(
    occlusion: Occlusion,
    pixels: np.ndarray,  # (P, 2), columns and rows
    length_px: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that a contour's step is felt at, by number, and the step there: positive in front, in pixels."""
    line, count = occlusion.line, len(occlusion.line)
    contour_px = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    reach_px = length_px * float(np.clip(REACH * contour_px / length_px, *REACHES))
    height_px = min(STEP * contour_px, HIGHEST_STEP * length_px)
    along = interp1d(np.arange(count), np.hstack([line, occlusion.normals]), axis=0)
    fine = along(np.linspace(0, count - 1, 4 * count))
    low, high = line.min(axis=0) - FELT * reach_px, line.max(axis=0) + FELT * reach_px
    near = np.flatnonzero(((pixels > low) & (pixels < high)).all(axis=1))
    away, nearest = cKDTree(fine[:, :2]).query(pixels[near])
    side = ((pixels[near] - fine[nearest, :2]) * fine[nearest, 2:]).sum(axis=1)
    left = 1.0 - nearest / (len(fine) - 1)
    fade = np.minimum(left / TAPER, 1.0) * np.exp(-0.5 * (away / reach_px) ** 2)
    return near, height_px * fade * np.tanh(side / WALL_PX)
