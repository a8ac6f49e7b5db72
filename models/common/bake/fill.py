# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour for what no view saw: along the mesh's edges first, then across the texture."""

from __future__ import annotations

import cv2
import numpy as np

from models.common.bake.mesh import UvMesh
from models.common.raster.rasterize import pick_backend

INPAINT_RADIUS = 3  # texels


def fill_vertices(color: np.ndarray, known: np.ndarray, mesh: UvMesh) -> tuple[np.ndarray, np.ndarray]:
    """Spread colours over the mesh from vertex to vertex and write them into the vertices' texels.

    color: (T, T, 3) float32. known: (T, T) bool. Returns both, grown by the vertices' texels; surfaces with no painted
    vertex stay unknown.
    """
    last = len(known) - 1
    column = np.rint(mesh.uv[..., 0].astype(np.float64) * last).astype(np.int64)
    row = np.rint((1.0 - mesh.uv[..., 1].astype(np.float64)) * last).astype(np.int64)
    is_painted = known[row, column]  # (F, 3)
    colors = np.zeros((len(mesh.vertices), 3), np.float32)
    is_colored = np.zeros(len(mesh.vertices), bool)
    colors[mesh.faces[is_painted]] = color[row, column][is_painted]
    is_colored[mesh.faces[is_painted]] = True
    todo = mesh.faces[~is_colored[mesh.faces]]
    starts, neighbours = _neighbours(mesh.faces, len(mesh.vertices))
    spread = _pick_spread()
    spread(colors, is_colored, todo, starts, neighbours, np.ascontiguousarray(mesh.vertices, np.float32))
    writes = is_colored[mesh.faces]
    color, known = color.copy(), known.copy()
    color[row[writes], column[writes]] = colors[mesh.faces[writes]]
    known[row[writes], column[writes]] = True
    return color, known


def inpaint(texture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Continue the known texels over all others: (T, T, 3) uint8. texture: (T, T, 3) uint8; known: (T, T) bool.

    Source: Bertalmio et al., "Navier–Stokes, Fluid Dynamics, and Image and Video Inpainting", 2001.
    """
    return cv2.inpaint(texture, np.where(known, 0, 255).astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_NS)


def complete(texture: np.ndarray, known: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The whole texture, (T, T, 3) uint8: unknown used texels painted in, unused ones coloured as the used one nearest.

    texture: (T, T, 3) uint8. known: (T, T) bool, not all False. used: (T, T) bool, what faces lie on.
    Far from any chart the picture does not matter, so the slow inpainting is spared there, and along every chart's
    border the colour goes on unchanged, so that no seam shows at coarser mip levels.
    """
    primed = np.where(used[..., None] | known[..., None], texture, _nearest(texture, known))
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
