# SPDX-License-Identifier: GPL-3.0-or-later
"""Holes in textures: eyelashes, hair and leaves are often a few faces with a picture that is mostly clear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .arrays import Bools, Ints
from .colour import blend, materials_of, texels_at, to_bytes
from .errors import MeshUnusable
from .mesh import SurfaceMesh
from .samples import Samples

OPAQUE = 128  # of 255: less is a hole
PROBES = 6  # rows of points that a face is looked at with: 21 in all


def without_transparent_faces(mesh: SurfaceMesh) -> SurfaceMesh:
    """A checked mesh without the faces on which no point is opaque. Raises MeshUnusable where none is left."""
    if not _has_alpha(mesh):
        return mesh
    i, j = (index.reshape(-1) for index in np.meshgrid(np.arange(PROBES), np.arange(PROBES), indexing="ij"))
    inside = i + j < PROBES
    first, second = (i[inside] + 1 / 3) / PROBES, (j[inside] + 1 / 3) / PROBES
    points = np.stack([first, second, 1 - first - second], axis=1).astype(np.float32)
    count = len(mesh.triangles)
    face = np.repeat(np.arange(count), len(points))
    probes = Samples(face, face, np.tile(points, (count, 1)), np.ones(len(face), np.float32))
    stays = _is_opaque(mesh, probes).reshape(count, -1).any(1)
    if not stays.any():
        raise MeshUnusable("its texture is transparent everywhere")
    return replace(
        mesh,
        triangles=mesh.triangles[stays],
        uv=None if mesh.uv is None else mesh.uv[stays],
        face_material=materials_of(mesh)[stays],
    )


def opaque_samples(mesh: SurfaceMesh, samples: Samples) -> Samples:
    """The samples that lie on opaque texels."""
    if not _has_alpha(mesh):
        return samples
    kept: Ints = np.flatnonzero(_is_opaque(mesh, samples))
    return Samples(samples.row[kept], samples.face[kept], samples.barycentric[kept], samples.weight[kept])


def _has_alpha(mesh: SurfaceMesh) -> bool:
    return mesh.corner_colours is None and any(material.has_alpha for material in mesh.materials)


def _is_opaque(mesh: SurfaceMesh, samples: Samples) -> Bools:
    opaque = np.ones(len(samples.row), bool)
    uv = blend(np.asarray(mesh.uv, np.float32), samples)
    material_of = materials_of(mesh)[samples.face]
    for index, material in enumerate(mesh.materials):
        if material.image is not None and material.has_alpha:
            own = np.flatnonzero(material_of == index)
            opaque[own] = to_bytes(texels_at(material.image, uv[own])[:, 3]) >= OPAQUE
    return opaque
