# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasteriser as one would write it on paper: a face at a time, in numpy. The readable twin of the fast backends."""

from __future__ import annotations

import numpy as np

from models.common.raster.fragments import NOTHING, Fragments

# A sample on an edge belongs to both faces, whatever rounding says; in barycentric units.
EDGE = 1e-9


def rasterize_plain(
    window: np.ndarray,  # (V, 4) float64
    faces: np.ndarray,  # (F, 3) int32
    height: int,
    width: int,
    depth_steps: float,
) -> Fragments:
    """See `rasterize`; faces behind the viewer are already taken out."""
    face_ids = np.full((height, width), NOTHING, np.int32)
    nearest = np.full((height, width), np.inf)
    depth = np.full((height, width), np.inf, np.float32)
    barycentric = np.zeros((height, width, 3), np.float32)
    for index, corners in enumerate(window[faces]):
        low, high = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
        left, top = np.clip(np.ceil(low - 0.5), 0, (width, height)).astype(int)
        right, bottom = np.clip(np.floor(high - 0.5) + 1, 0, (width, height)).astype(int)
        (x0, y0), (x1, y1), (x2, y2) = corners[:, :2]
        doubled_area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if doubled_area == 0.0 or left >= right or top >= bottom:
            continue
        x = np.arange(left, right) + 0.5 - x0
        y = (np.arange(top, bottom) + 0.5 - y0)[:, None]
        b1 = (x * (y2 - y0) - (x2 - x0) * y) / doubled_area
        b2 = ((x1 - x0) * y - x * (y1 - y0)) / doubled_area
        b0 = 1.0 - b1 - b2
        z = b0 * corners[0, 2] + b1 * corners[1, 2] + b2 * corners[2, 2]
        key = np.floor(z * depth_steps) if depth_steps else z
        area = np.s_[top:bottom, left:right]
        is_inside = (b0 >= -EDGE) & (b1 >= -EDGE) & (b2 >= -EDGE)
        wins = is_inside & (key < nearest[area])
        weights = np.stack([b0, b1, b2], axis=-1) * corners[:, 3]
        weights /= weights.sum(axis=-1, keepdims=True)
        nearest[area][wins] = key[wins]
        depth[area][wins] = z[wins]
        barycentric[area][wins] = weights[wins]
        face_ids[area][wins] = index
    return Fragments(face_ids, barycentric, depth)


def interpolate_plain(fragments: Fragments, faces: np.ndarray, values: np.ndarray) -> np.ndarray:
    """See `interpolate`."""
    out = np.zeros((*fragments.face.shape, values.shape[1]), np.float32)
    covered = fragments.covered
    corners = values[faces[fragments.face[covered]]]  # (P, 3, C)
    out[covered] = np.einsum("pk,pkc->pc", fragments.barycentric[covered], corners)
    return out
