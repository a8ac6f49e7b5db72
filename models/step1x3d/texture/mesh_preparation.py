# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as the texture network expects it: not too many faces, of one size, laid out for a texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.common.bake.layout import lay_out
from models.common.bake.mesh import UvMesh, check_mesh
from models.common.bake.unwrap import unwrap
from models.common.reduction import reduce_faces

MOST_FACES = 50_000  # the network was trained with no more; finer shape is in the painted colours
REACH = 0.5  # the largest coordinate of a prepared mesh


@dataclass(frozen=True, eq=False)
class PreparedMesh:
    """A mesh in the views' frame: gltf axes, every coordinate within ±REACH.

    vertices: (W, 3) float32, cut open along the seams. faces: (F, 3) int32. uv: (F, 3, 2) float32 for each corner.
    whole: the same surface not cut open, for which `uv` holds too.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    whole: UvMesh


def prepare_mesh(vertices: np.ndarray, faces: np.ndarray, *, centers: bool = True) -> PreparedMesh:
    """Centre, scale, reduce and lay out a mesh.

    vertices: (V, 3) float32, +y up, the front toward +z, any unit. faces: (F, 3) int32. centers: move the middle of
    the bounding box to the origin first, which a mesh that stands on the ground needs; the official flow does not.
    Raises MeshUnusable, UnwrapperMissing.
    """
    vertices, faces = reduce_faces(place_in_views(vertices, faces, centers=centers), faces, MOST_FACES)
    layout = unwrap(vertices, faces)
    return PreparedMesh(vertices[layout.source], layout.faces, layout.uv, UvMesh(vertices, faces, layout.uv))


def prepare_own(mesh: UvMesh, polygons: np.ndarray) -> tuple[UvMesh, tuple[str, ...]]:
    """A mesh that somebody made, where `prepare_mesh` put its twin, with its own texture coordinates where they can
    carry a picture; and notes for the user. mesh, polygons: as for `lay_out`. Raises MeshUnusable, UnwrapperMissing.
    """
    placed = place_in_views(mesh.vertices, mesh.faces, centers=True)
    return lay_out(UvMesh(placed, mesh.faces, mesh.uv), polygons)


def prepare_target(vertices: np.ndarray, faces: np.ndarray, prepared: PreparedMesh) -> UvMesh:
    """The mesh that is textured, with all its faces, where `prepare_mesh` put its reduced twin.

    vertices, faces: those that `prepare_mesh` had, centred. Raises MeshUnusable, UnwrapperMissing.
    """
    if len(prepared.faces) == len(faces):
        return prepared.whole
    placed = place_in_views(vertices, faces, centers=True)
    return UvMesh(placed, faces, unwrap(placed, faces).uv)


def place_in_views(vertices: np.ndarray, faces: np.ndarray, *, centers: bool) -> np.ndarray:
    """See `prepare_mesh`: (V, 3) float32, reduced by nothing. Vertices of no face are moved along, wherever that puts
    them. Raises MeshUnusable.
    """
    check_mesh(vertices, faces)
    used = vertices[np.unique(faces)].astype(np.float64)
    middle = (used.min(axis=0) + used.max(axis=0)) / 2 if centers else np.zeros(3)
    return ((vertices - middle) * (REACH / np.abs(used - middle).max())).astype(np.float32)
