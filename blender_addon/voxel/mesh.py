# SPDX-License-Identifier: GPL-3.0-or-later
"""What is voxelized: a triangle mesh, its colours and its skin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..phrases import phrase
from .arrays import Bytes, Float32s, Floats, Ints, corners_of
from .errors import MeshUnusable, UvMissing

FURTHEST = 1e100  # of a coordinate: areas and volumes of larger ones are no numbers


@dataclass(frozen=True)
class Material:
    """colour: sRGB-encoded, 0 to 1. image: (H, W, 3 or 4), uint8 or float 0 to 1, sRGB-encoded, top row first; looking
    its colours up is fastest where they lie so in memory. is_opaque: what is fourth in it makes no holes.
    """

    colour: tuple[float, float, float] = (0.8, 0.8, 0.8)
    image: Bytes | Floats | None = None
    is_opaque: bool = False

    @property
    def has_alpha(self) -> bool:
        """Whether its image tells where the surface has holes."""
        return self.image is not None and self.image.shape[2] == 4 and not self.is_opaque


@dataclass(frozen=True)
class Influences:
    """Which bones move a vertex: bones int (V, K), weights float32 (V, K) ≥ 0; a bone may stand there with weight 0."""

    bones: Ints
    weights: Float32s


@dataclass(frozen=True)
class SurfaceMesh:
    """vertices: float64 (V, 3), any unit. triangles: int (F, 3), outward by the right hand.

    uv: (F, 3, 2), v upwards, repeating; needed where a material has an image. face_material: (F,) into `materials`.
    corner_colours: (F, 3, 3), sRGB-encoded, 0 to 1; they take the place of the materials. bone_names: of the
    influences, needed where weights are mirrored.
    """

    vertices: Floats
    triangles: Ints
    uv: Floats | None = None
    face_material: Ints | None = None
    materials: tuple[Material, ...] = (Material(),)
    corner_colours: Floats | None = None
    influences: Influences | None = None
    bone_names: tuple[str, ...] = ()


def check_mesh(mesh: SurfaceMesh) -> SurfaceMesh:
    """The same mesh with float64 and int64 arrays and only usable triangles. Raises MeshUnusable, UvMissing."""
    vertices = np.asarray(mesh.vertices, np.float64)
    triangles = np.asarray(mesh.triangles, np.int64)
    if vertices.ndim != 2 or vertices.shape[1:] != (3,) or triangles.ndim != 2 or triangles.shape[1:] != (3,):
        raise MeshUnusable("its arrays are not rows of three")
    if not len(triangles):
        raise MeshUnusable("it has no faces")
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise MeshUnusable("a face names a vertex that is not there")
    corners = corners_of(vertices, triangles)
    if not np.isfinite(corners).all():
        raise MeshUnusable("a vertex has a coordinate that is not a finite number")
    if np.abs(corners).max() > FURTHEST:
        raise MeshUnusable("it reaches further than can be measured")
    _check_attributes(mesh, len(vertices), len(triangles))
    return replace(mesh, vertices=vertices, triangles=triangles)


def _check_attributes(mesh: SurfaceMesh, vertex_count: int, face_count: int) -> None:
    if mesh.corner_colours is None:
        if mesh.uv is None and any(material.image is not None for material in mesh.materials):
            raise UvMissing()
        if not mesh.materials:
            raise MeshUnusable("it has neither a material nor vertex colours")
    shapes = {
        "UV map": (mesh.uv, (face_count, 3, 2)),
        "vertex colours": (mesh.corner_colours, (face_count, 3, 3)),
        "material indices": (mesh.face_material, (face_count,)),
    }
    for name, (array, shape) in shapes.items():
        if array is not None and np.shape(array) != shape:
            raise MeshUnusable(phrase("its {what} do not fit its faces", what=phrase(name)))
    if mesh.influences is not None and len(mesh.influences.bones) != vertex_count:
        raise MeshUnusable("its weights do not fit its vertices")
