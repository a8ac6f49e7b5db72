# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour for what no view saw: along the mesh's edges first, then across the texture."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

from models.common.bake.mesh import UvMesh
from models.common.raster.fragments import Fragments
from models.common.raster.rasterize import interpolate, pick_backend

INPAINT_RADIUS = 3  # texels
RIM = 1 / 128  # width of the passage between what was seen and what was guessed, in sides of the texture


def spread_colors(color: np.ndarray, known: np.ndarray, mesh: UvMesh) -> tuple[np.ndarray, np.ndarray]:
    """Colours of the mesh's vertices: of their own texels where those are known, else from vertex to vertex.

    color: (T, T, 3) float32. known: (T, T) bool. Returns (V, 3) float32 and whether each has one, (V,) bool: parts of
    the mesh with no vertex on a known texel have none.
    """
    row, column = _texels_of_corners(mesh, len(known))
    is_painted = known[row, column]  # (F, 3)
    colors = np.zeros((len(mesh.vertices), 3), np.float32)
    has_color = np.zeros(len(mesh.vertices), bool)
    colors[mesh.faces[is_painted]] = color[row, column][is_painted]
    has_color[mesh.faces[is_painted]] = True
    todo = mesh.faces[~has_color[mesh.faces]]
    starts, neighbours = _neighbours(mesh.faces, len(mesh.vertices))
    _pick_spread()(colors, has_color, todo, starts, neighbours, np.ascontiguousarray(mesh.vertices, np.float32))
    return colors, has_color


def complete_officially(color: np.ndarray, known: np.ndarray, mesh: UvMesh) -> np.ndarray:
    """The whole texture, (T, T, 3) uint8, as published: one texel for each vertex, then inpainting of all others.

    color: (T, T, 3) float32, 0..1. known: (T, T) bool.
    """
    return inpaint(*fill_vertices(color, known, mesh))


def fill_vertices(color: np.ndarray, known: np.ndarray, mesh: UvMesh) -> tuple[np.ndarray, np.ndarray]:
    """Write the vertices' colours into their texels: the texture as (T, T, 3) uint8, and what is known of it."""
    colors, has_color = spread_colors(color, known, mesh)
    row, column = _texels_of_corners(mesh, len(known))
    writes = has_color[mesh.faces]
    color, known = color.copy(), known.copy()
    color[row[writes], column[writes]] = colors[mesh.faces[writes]]
    known[row[writes], column[writes]] = True
    return (color * 255).astype(np.uint8), known


def inpaint(texture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Continue the known texels over all others: (T, T, 3) uint8. texture: (T, T, 3) uint8; known: (T, T) bool.

    Source: Bertalmio et al., "Navier–Stokes, Fluid Dynamics, and Image and Video Inpainting", 2001.
    """
    return cv2.inpaint(texture, np.where(known, 0, 255).astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_NS)


def complete(color: np.ndarray, known: np.ndarray, mesh: UvMesh, texels: Fragments) -> np.ndarray:
    """The whole texture, (T, T, 3) uint8.

    color: (T, T, 3) float32, 0..1. known: (T, T) bool, not all False. texels: what lies on each texel.
    Surface that no view saw takes its vertices' colours, so that nothing comes in from charts that merely lie beside
    it; parts with no vertex seen take those of the vertices nearest in space. A rim between that and what was seen is
    inpainted. What no face lies on takes the colour of the nearest texel that one lies on, so that no seam shows at
    coarser mip levels.
    """
    size, used = len(known), texels.covered
    colors, has_color = spread_colors(color, known, mesh)
    if has_color.any():
        _, nearest = cKDTree(mesh.vertices[has_color]).query(mesh.vertices[~has_color])
        colors[~has_color] = colors[has_color][nearest]
    far = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) > RIM * size
    reached = far & used & has_color.any()
    mixed = interpolate(texels, mesh.corners, colors[mesh.faces.reshape(-1)])
    levels = (np.clip(np.where(reached[..., None], mixed, color), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    known = known | reached
    primed = np.where((used | known)[..., None], levels, _nearest(levels, known))
    painted = inpaint(primed, known | ~used)
    return np.where(used[..., None], painted, _nearest(painted, used))


def _nearest(texture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The nearest known texel's colour everywhere, (T, T, 3) uint8."""
    _, labels = cv2.distanceTransformWithLabels(
        np.where(known, 0, 255).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seeds = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    seeds[labels[known]] = texture[known]
    return seeds[labels]


def _texels_of_corners(mesh: UvMesh, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the texel at each face corner, (F, 3) int64 each."""
    last = size - 1
    column = np.rint(mesh.uv[..., 0].astype(np.float64) * last).astype(np.int64)
    row = np.rint((1.0 - mesh.uv[..., 1].astype(np.float64)) * last).astype(np.int64)
    return row, column


def _neighbours(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each corner's face goes on to, by vertex: starts (count + 1,) and neighbours (3F,), int32."""
    source, target = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    order = np.argsort(source, kind="stable")
    starts = np.searchsorted(source[order], np.arange(count + 1))
    return starts.astype(np.int32), target[order].astype(np.int32)


def _pick_spread():  # type: ignore[no-untyped-def]
    if pick_backend() == "compiled":
        from models.common.bake.compiled import spread_compiled

        return spread_compiled
    from models.common.bake.plain import spread_plain

    return spread_plain
