# SPDX-License-Identifier: GPL-3.0-or-later
"""Several meshes as one: a body, its clothes and its hat become one figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import Floats
from .colour import materials_of
from .mesh import Influences, SurfaceMesh, check_mesh


def merge_meshes(meshes: Sequence[SurfaceMesh]) -> SurfaceMesh:
    """All of them in one mesh; bones are numbered alike in all. One mesh comes back as it is.

    Faces without colours of their own, or UVs, have no number there. Vertices of a mesh without a skin have no weight.
    Raises MeshUnusable, UvMissing where one of them has no usable surface.
    """
    if len(meshes) == 1:
        return meshes[0]
    checked = [check_mesh(mesh) for mesh in meshes]
    vertex_starts = np.cumsum([0, *(len(mesh.vertices) for mesh in checked[:-1])])
    material_starts = np.cumsum([0, *(len(mesh.materials) for mesh in checked[:-1])])
    has_uv = any(mesh.uv is not None for mesh in checked)
    has_colours = any(mesh.corner_colours is not None for mesh in checked)
    has_skin = any(mesh.influences is not None for mesh in checked)
    return SurfaceMesh(
        np.concatenate([mesh.vertices for mesh in checked]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(checked, vertex_starts, strict=True)]),
        uv=np.concatenate([_corners(mesh, mesh.uv, 2) for mesh in checked]) if has_uv else None,
        face_material=np.concatenate(
            [materials_of(mesh) + start for mesh, start in zip(checked, material_starts, strict=True)]
        ),
        materials=tuple(material for mesh in checked for material in mesh.materials),
        corner_colours=(
            np.concatenate([_corners(mesh, mesh.corner_colours, 3) for mesh in checked]) if has_colours else None
        ),
        influences=_merged_influences(checked) if has_skin else None,
    )


def _corners(mesh: SurfaceMesh, values: Floats | None, width: int) -> Floats:
    return np.full((len(mesh.triangles), 3, width), np.nan) if values is None else np.asarray(values)


def _merged_influences(meshes: Sequence[SurfaceMesh]) -> Influences:
    width = max(mesh.influences.bones.shape[1] for mesh in meshes if mesh.influences is not None)
    count = sum(len(mesh.vertices) for mesh in meshes)
    bones, weights = np.zeros((count, width), np.int64), np.zeros((count, width), np.float32)
    start = 0
    for mesh in meshes:
        if mesh.influences is not None:
            own = slice(start, start + len(mesh.vertices)), slice(mesh.influences.bones.shape[1])
            bones[own], weights[own] = mesh.influences.bones, mesh.influences.weights
        start += len(mesh.vertices)
    return Influences(bones, weights)
