# SPDX-License-Identifier: GPL-3.0-or-later
"""What is behind voxels that do not touch: the figure's own surface, a little further in, so that none looks hollow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Floats, Ints
from .faces import QuadMesh


@dataclass(frozen=True)
class Core:
    """mesh: every quad has corners of its own. corners: int64 (V,), the vertex of the surface that each was. normals:
    float64 (V, 3), of the quads.
    """

    mesh: QuadMesh
    corners: Ints
    normals: Floats


def inset_core(surface: QuadMesh, distance: float) -> Core:
    """The surface with each side moved inwards. distance: in the mesh's unit, less than half a voxel.

    A corner moves along each axis away from the sides that meet there; where they face both ways it stays.
    """
    corners = surface.vertices[surface.quads]
    normals = np.round(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / _square(corners))
    of_corner = surface.quads.reshape(-1)
    of_quad = np.repeat(normals, 4, axis=0)
    outward = np.stack([np.bincount(of_corner, of_quad[:, axis], len(surface.vertices)) for axis in range(3)], axis=1)
    moved = surface.vertices - distance * np.sign(outward)
    mesh = QuadMesh(moved[of_corner], np.arange(len(of_corner)).reshape(-1, 4), surface.cells)
    return Core(mesh, of_corner, of_quad)


def _square(corners: Floats) -> Floats:
    """(Q, 1): the area of each quad, that of a voxel's side."""
    return np.asarray(((corners[:, 1] - corners[:, 0]) ** 2).sum(1, keepdims=True))
