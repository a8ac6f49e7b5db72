# SPDX-License-Identifier: GPL-3.0-or-later
"""Normals of a triangle mesh. vertices: (V, 3). faces: (F, 3) int, counter-clockwise seen from outside."""

from __future__ import annotations

import numpy as np

SHORTEST_NORMAL = 1e-20  # squared; below it a sum of face normals has no direction
NO_DIRECTION = (0.0, 0.0, 1.0)


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) float64, as long as twice the face's area."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray, *, by_area: bool) -> np.ndarray:
    """(V, 3) float32, unit. by_area: larger faces count more; otherwise all the same."""
    normals = face_normals(vertices, faces)
    if not by_area:
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), SHORTEST_NORMAL)
    sums = np.stack(
        [np.bincount(faces.reshape(-1), np.repeat(normals[:, axis], 3), minlength=len(vertices)) for axis in range(3)],
        axis=1,
    )
    squared = (sums**2).sum(axis=1, keepdims=True)
    unit = sums / np.sqrt(np.maximum(squared, SHORTEST_NORMAL))
    return np.where(squared > SHORTEST_NORMAL, unit, NO_DIRECTION).astype(np.float32)
