# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture coordinates for a mesh that has faces of any number of corners: its own where they can carry a picture, new
ones otherwise. Triangles of one face stay together, so that each corner of the face has one place in the texture.
"""

from __future__ import annotations

import numpy as np

from models.common.bake.mesh import UvMesh, check_mesh
from models.common.bake.unwrap import (
    LAYOUT_PX,
    overlapping_faces,
    packing,
    unwrap_to_texels,
    uv_problem,
    xatlas_module,
)

# Faces that are put aside to become charts of their own wait this far apart, in texels, and so many in a row; single
# precision still tells texels there.
_ASIDE_PX, _ASIDE_ROW = 512, 256


def lay_out(mesh: UvMesh, polygons: np.ndarray | None = None) -> tuple[UvMesh, tuple[str, ...]]:
    """The mesh with texture coordinates that can carry a picture, and notes for the user where they are new.

    mesh: with the coordinates that it has; an array without rows for none. polygons: (F,) int32, the face that each
    triangle was cut from; None where every triangle is one.
    Raises MeshUnusable, UnwrapperMissing.
    """
    check_mesh(mesh.vertices, mesh.faces)
    if not len(mesh.uv):
        note = "The mesh had no texture coordinates; new ones were laid out."
    else:
        problem = uv_problem(mesh.uv)
        if not problem:
            return mesh, ()
        note = f"The mesh's texture coordinates could not be used: {problem}. New ones were laid out."
    return UvMesh(mesh.vertices, mesh.faces, unwrap_polygons(mesh.vertices, mesh.faces, polygons)), (note,)


def unwrap_polygons(vertices: np.ndarray, faces: np.ndarray, polygons: np.ndarray | None = None) -> np.ndarray:
    """Texture coordinates (F, 3, 2) float32, 0..1; corners of one polygon at one vertex have the same ones.

    vertices: (V, 3) float32. faces: (F, 3) int32. polygons: as for `lay_out`.
    Raises MeshUnusable, UnwrapperMissing.
    """
    texels, size = unwrap_to_texels(vertices, faces)
    if polygons is None:
        return (texels / size).astype(np.float32)
    torn = _torn_polygons(texels, faces, polygons)
    if not torn.any():
        return (texels / size).astype(np.float32)
    rows = np.flatnonzero(torn[polygons])
    texels[rows] = _extended(texels, vertices, faces, polygons, rows)
    uv = _pack(texels, faces)
    crowded = np.zeros(len(torn), bool)
    crowded[polygons[overlapping_faces(uv)]] = True
    crowded &= torn
    if crowded.any():
        rows = np.flatnonzero(crowded[polygons])
        aside = np.unique(polygons[rows], return_inverse=True)[1].reshape(-1)
        away = 4 * LAYOUT_PX + _ASIDE_PX * np.stack([aside % _ASIDE_ROW, aside // _ASIDE_ROW], axis=1)
        texels[rows] += away[:, None].astype(np.float32)
        uv = _pack(texels, faces)
    return uv


def _torn_polygons(texels: np.ndarray, faces: np.ndarray, polygons: np.ndarray) -> np.ndarray:
    """(P,) bool: polygons one of whose vertices lies in several places."""
    corner = np.stack([np.repeat(polygons, 3), faces.reshape(-1)], axis=1)
    _, first, owner = np.unique(corner, axis=0, return_index=True, return_inverse=True)
    places = texels.reshape(-1, 2)
    differs = (places != places[first][owner.reshape(-1)]).any(axis=1)
    torn = np.zeros(int(polygons.max()) + 1, bool)
    torn[corner[differs, 0]] = True
    return torn


def _extended(
    texels: np.ndarray, vertices: np.ndarray, faces: np.ndarray, polygons: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Places (R, 3, 2) of these triangles: each polygon's largest triangle stays, the others follow its plane.

    rows: (R,), all triangles of the polygons concerned.
    """
    corners = vertices[faces[rows]].astype(np.float64)  # (R, 3, 3)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    _, owner = np.unique(polygons[rows], return_inverse=True)
    owner = owner.reshape(-1)
    order = np.lexsort((-area, owner))
    starts = np.searchsorted(owner[order], np.arange(owner.max() + 1))
    anchor = order[starts][owner]  # (R,) the row that each row's polygon is led by
    origin = corners[anchor, :1]
    sides = corners[anchor, 1:] - origin  # (R, 2, 3)
    places = texels[rows[anchor]].astype(np.float64)
    steps = places[:, 1:] - places[:, :1]  # (R, 2, 2)
    shares = (corners - origin) @ np.linalg.pinv(sides)  # (R, 3, 2): along the two sides
    return (places[:, :1] + shares @ steps).astype(np.float32)


def _pack(texels: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Charts as they are, put side by side: (F, 3, 2) float32, 0..1. texels: (F, 3, 2) float32."""
    atlas = xatlas_module().Atlas()
    key = np.concatenate([faces.reshape(-1, 1).astype(np.float64), texels.reshape(-1, 2)], axis=1)
    kept, index = np.unique(key, axis=0, return_inverse=True)
    atlas.add_uv_mesh(np.ascontiguousarray(kept[:, 1:], np.float32), index.reshape(-1, 3).astype(np.uint32))
    atlas.generate(pack_options=packing())
    _, cut, uv = atlas.get_mesh(0)
    return np.ascontiguousarray(uv[cut.astype(np.int64).reshape(-1, 3)], np.float32)
