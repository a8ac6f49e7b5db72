# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh that is textured, and what a mesh must hold for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.common.bake.errors import MeshUnusable

MOST_FACES = 1_000_000  # more costs minutes to unwrap and says nothing that a 4096² texture could show


@dataclass(frozen=True, eq=False)
class UvMesh:
    """A mesh with texture coordinates for each face corner.

    vertices: (V, 3) float32, y up, any unit. faces: (F, 3) int32, counter-clockwise seen from outside.
    uv: (F, 3, 2) float32, 0..1, origin bottom left.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """(F, 3) int32: the corners' own numbers, for values that belong to corners."""
        return np.arange(3 * len(self.faces), dtype=np.int32).reshape(-1, 3)


def check_mesh(vertices: np.ndarray, faces: np.ndarray) -> None:
    """Raise MeshUnusable unless the mesh has faces, finite vertices, an extent, and at most MOST_FACES faces."""
    if not len(faces):
        raise MeshUnusable("The mesh has no faces, so there is nothing to paint. Give a mesh with a surface.")
    if len(faces) > MOST_FACES:
        raise MeshUnusable(
            f"The mesh has {len(faces):,} faces; a texture is made for at most {MOST_FACES:,}. "
            "Reduce it first, for example with Blender's Decimate modifier."
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise MeshUnusable("Faces of the mesh name vertices that it does not have. Export the mesh again.")
    broken = int((~np.isfinite(vertices)).any(axis=1).sum())
    if broken:
        raise MeshUnusable(
            f"{broken:,} vertices of the mesh are not finite numbers. Delete them, or export the mesh again."
        )
    if np.ptp(vertices[faces].reshape(-1, 3), axis=0).max() <= 0.0:
        raise MeshUnusable("All faces of the mesh lie in one point. Give a mesh with a surface.")
