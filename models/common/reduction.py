# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with fewer faces, for a network that sees no more of them. Holes may open: for a mesh that somebody gets back
there is models/step1x3d/geometry/decimation.py.
"""

from __future__ import annotations

import fast_simplification
import numpy as np


def reduce_faces(vertices: np.ndarray, faces: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Collapse edges by quadric error until at most so many faces are left; a smaller mesh stays as it is.

    vertices: (V, 3). faces: (F, 3) int. Reduced, they are float32 and int32.
    Source: Garland and Heckbert, "Surface Simplification Using Quadric Error Metrics", 1997.
    """
    if len(faces) <= most:
        return vertices, faces
    points, triangles = fast_simplification.simplify(
        np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32), target_count=most
    )
    return points.astype(np.float32), triangles.astype(np.int32)
