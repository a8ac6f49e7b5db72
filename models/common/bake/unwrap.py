# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture coordinates: laying them out with xatlas, and telling whether given ones can carry a picture."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from models.common.bake.errors import MeshUnusable, UnwrapperMissing
from models.common.bake.mesh import check_mesh
from models.common.raster.fragments import Fragments
from models.common.raster.rasterize import rasterize

GUTTER_PX = 6  # between charts, in texels of LAYOUT_PX: two mip levels stay clean
LAYOUT_PX = 2048  # the texture that charts are laid out for; others are scaled from it
PROBE_PX = 1024  # overlaps are looked for at this resolution
INSIDE = 0.02  # barycentric: samples nearer to an edge belong to two faces without any overlap
MOST_OVERLAP = 0.002  # share of the used texels; below it, it is slivers that no one sees


@dataclass(frozen=True, eq=False)
class Layout:
    """Texture coordinates of a mesh, cut into charts.

    uv: (F, 3, 2) float32 for each face corner, 0..1, origin bottom left. source: (W,) int32, the vertex that each
    vertex of the cut mesh was. faces: (F, 3) int32, into `source`, in the order of the faces given.
    """

    uv: np.ndarray
    source: np.ndarray
    faces: np.ndarray


def unwrap(vertices: np.ndarray, faces: np.ndarray) -> Layout:
    """Lay out a mesh. vertices: (V, 3) float32; faces: (F, 3) int32.

    Raises MeshUnusable, UnwrapperMissing.
    """
    source, cut_faces, uv, _ = _generate(vertices, faces)
    return Layout(np.ascontiguousarray(uv[cut_faces], np.float32), source.astype(np.int32), cut_faces)


def unwrap_to_texels(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `unwrap`, before it is scaled: places (F, 3, 2) float32 in texels, as large in both directions, and the
    texture's width and height, (2,). Raises MeshUnusable, UnwrapperMissing.
    """
    _, cut_faces, uv, atlas = _generate(vertices, faces)
    size = np.array([atlas.width, atlas.height], np.float32)
    return np.ascontiguousarray(uv[cut_faces] * size, np.float32), size


def packing() -> Any:
    """How charts are put side by side."""
    options = xatlas_module().PackOptions()
    options.padding, options.resolution, options.bilinear = GUTTER_PX, LAYOUT_PX, True
    return options


def xatlas_module() -> ModuleType:
    """The library. Raises UnwrapperMissing."""
    if importlib.util.find_spec("xatlas") is None:
        raise UnwrapperMissing(
            "The mesh has no usable texture coordinates, and xatlas, which lays them out, is not installed here. "
            "Use Python 3.11 to 3.13, for which it exists, or give a mesh with texture coordinates."
        )
    return importlib.import_module("xatlas")


def _generate(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    """The source of each vertex of the cut mesh, its faces, its coordinates 0..1, and the atlas."""
    check_mesh(vertices, faces)
    atlas = xatlas_module().Atlas()
    try:
        atlas.add_mesh(np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.uint32))
    except RuntimeError as error:
        raise MeshUnusable(
            f"Texture coordinates cannot be laid out for this mesh ({error}). Repair it: merge doubled vertices and "
            "delete faces without an area."
        ) from error
    atlas.generate(pack_options=packing())
    source, cut_faces, uv = atlas.get_mesh(0)
    return source, cut_faces.astype(np.int32), uv, atlas


def overlap_share(uv: np.ndarray) -> float:  # (F, 3, 2)
    """Share of the used texels that more than one face lays claim to, 0..1. Texels along edges are not counted."""
    first, _, doubled = _claims(uv)
    return float(doubled.sum() / max(first.covered.sum(), 1))


def overlapping_faces(uv: np.ndarray) -> np.ndarray:  # (F, 3, 2)
    """(F,) bool: faces that lie over each other somewhere. Of more than two in a place the outer two are named."""
    first, last, doubled = _claims(uv)
    found = np.zeros(len(uv), bool)
    found[first.face[doubled]] = True
    found[last.face[doubled]] = True
    return found


def _claims(uv: np.ndarray) -> tuple[Fragments, Fragments, np.ndarray]:
    """The first and the last face on each texel, and whether these are two and not just meet there, (P, P) bool."""
    corners = np.arange(uv.shape[0] * 3, dtype=np.int32).reshape(-1, 3)
    window = np.ones((len(uv) * 3, 4))
    window[:, :2] = uv.reshape(-1, 2) * [1.0, -1.0] * PROBE_PX + [0.0, PROBE_PX]
    order = np.repeat(np.arange(len(uv), dtype=np.float64), 3)
    first, last = (
        rasterize(np.concatenate([window[:, :2], depth[:, None], window[:, 3:]], axis=1), corners, PROBE_PX, PROBE_PX)
        for depth in (order, -order)
    )
    inside = np.minimum(first.barycentric.min(axis=-1), last.barycentric.min(axis=-1)) > INSIDE
    return first, last, inside & (first.face != last.face)


def uv_problem(uv: np.ndarray) -> str:  # (F, 3, 2) float32
    """Why these texture coordinates cannot carry a picture, as a part of a sentence; empty when they can."""
    if not np.isfinite(uv).all():
        return "they are not finite numbers"
    if uv.min() < -1e-4 or uv.max() > 1.0 + 1e-4:
        return "they reach beyond the texture"
    sides = uv[:, 1:].astype(np.float64) - uv[:, :1]
    flat = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) <= 0.0
    if flat.mean() > 0.5:
        return "most faces have no area in them"
    share = overlap_share(uv)
    if share > MOST_OVERLAP:
        return f"faces lie over each other in {share:.0%} of them" if share >= 0.01 else "some faces overlap in them"
    return ""
