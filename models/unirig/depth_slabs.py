# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lines through a grid's cells, along one axis, first and last meet a surface."""

from __future__ import annotations

import numpy as np

MOST_PAIRS = 2_000_000  # of a triangle and a line, that are looked at together


def depth_slabs(
    vertices: np.ndarray, faces: np.ndarray, axis: int, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest hit of each line: two (n, n) float64; +inf and −inf where nothing is hit.

    vertices: (V, 3); faces: (F, 3). axis: the lines' direction. centres: (n,), rising in equal steps: where lines pass
    along each of the two other axes, which count in their own order. A line that grazes an edge hits it.
    """
    count = len(centres)
    across = [side for side in range(3) if side != axis]
    corners = vertices[faces].astype(np.float64)  # (F, 3, 3)
    flat, depth = corners[:, :, across], corners[:, :, axis]
    pitch = centres[1] - centres[0]
    low = np.clip(np.ceil((flat.min(axis=1) - centres[0]) / pitch), 0, count).astype(np.int64)
    high = np.clip(np.floor((flat.max(axis=1) - centres[0]) / pitch) + 1, 0, count).astype(np.int64)
    sides = np.maximum(high - low, 0)
    ends = np.cumsum(sides.prod(axis=1))
    first, last = np.full((count, count), np.inf), np.full((count, count), -np.inf)
    start = 0
    while start < len(faces):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + MOST_PAIRS, side="right")), start + 1)
        face, row, column = _pairs(low[start:stop], sides[start:stop])
        hits, at = _hits(flat[start:stop][face], depth[start:stop][face], centres[row], centres[column])
        np.minimum.at(first, (row[hits], column[hits]), at)
        np.maximum.at(last, (row[hits], column[hits]), at)
        start = stop
    return first, last


def _pairs(low: np.ndarray, sides: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every line in every triangle's rectangle: the triangle, the line's row and its column, each (P,) int64."""
    areas = sides.prod(axis=1)
    face = np.repeat(np.arange(len(areas)), areas)
    place = np.arange(len(face)) - np.repeat(np.cumsum(areas) - areas, areas)
    row, column = np.divmod(place, np.maximum(sides[face, 1], 1))
    return face, low[face, 0] + row, low[face, 1] + column


def _hits(flat: np.ndarray, depth: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs of a triangle (P, 3, 2) with depths (P, 3) and a line at (x, y) meet, and the depths where."""
    point = np.stack((x, y), axis=1)
    weights = np.stack(
        [_cross(flat[:, (corner + 1) % 3] - point, flat[:, (corner + 2) % 3] - point) for corner in range(3)], axis=1
    )
    area = weights.sum(axis=1)
    is_hit = ((weights >= 0).all(axis=1) | (weights <= 0).all(axis=1)) & (area != 0)
    hits = np.flatnonzero(is_hit)
    return hits, (weights[hits] * depth[hits]).sum(axis=1) / area[hits]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
