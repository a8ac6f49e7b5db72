# SPDX-License-Identifier: GPL-3.0-or-later
"""A small picture of a bare mesh, as of clay, in well under a second on one core."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.common.normals import vertex_normals

SUPERSAMPLES = 2  # a side: the picture is drawn so much larger and averaged
SUBPIXEL_BITS = 4  # of the corners' places
MARGIN = 0.06  # of the side that stays clear on each side
CLAY = np.array([214.0, 196.0, 178.0])  # sRGB, in full light
# Where light comes from, as the viewer sees it: x to the right, y up, z to the viewer; and its strength.
KEY_LIGHT, KEY_STRENGTH = np.array([-0.45, 0.65, 0.61]), 0.62
FILL_LIGHT, FILL_STRENGTH = np.array([0.8, 0.1, 0.59]), 0.16
AMBIENT = 0.3
RIM_SHADE = 0.25  # how much darker a surface gets that is seen edge-on: it parts limbs from what is behind them


@dataclass(frozen=True)
class ThumbnailView:
    """side_px: of the picture. azimuth_deg: how far the viewer stands to the figure's left. elevation_deg: how far
    the viewer looks down on it.
    """

    side_px: int = 256
    azimuth_deg: float = 25.0
    elevation_deg: float = 10.0


def draw_thumbnail(vertices: np.ndarray, faces: np.ndarray, view: ThumbnailView | None = None) -> np.ndarray:
    """The mesh in the middle of a clear square: (side_px, side_px, 4) uint8, straight alpha, the same bytes each time.

    vertices: (V, 3) float, +Y up, +Z to the front. faces: (F, 3) int, counter-clockwise seen from outside; a mesh of
    some 20,000 faces is enough, one of 200,000 takes about a second. Faces are drawn from far to near, those turned
    away not at all, so faces that cross each other are not told apart.
    """
    view = view or ThumbnailView()
    side = view.side_px * SUPERSAMPLES
    turned = _turned(vertices, view)
    normals = vertex_normals(turned, faces, by_area=True)
    low, high = turned[:, :2].min(axis=0), turned[:, :2].max(axis=0)
    scale = side * (1 - 2 * MARGIN) / max(float((high - low).max()), np.finfo(np.float32).tiny)
    flat = (turned[:, :2] - (low + high) / 2) * scale * [1, -1] + side / 2
    corners = flat[faces]
    across, down = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    is_seen = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0] < 0  # y goes down
    order = np.argsort(turned[:, 2][faces[is_seen]].mean(axis=1), kind="stable")
    seen = faces[is_seen][order]
    places = np.rint(flat[seen] * (1 << SUBPIXEL_BITS)).astype(np.int32)
    colours = _lit(normals[seen].mean(axis=1))
    canvas = np.zeros((side, side, 4), np.uint8)
    for place, colour in zip(places, colours.tolist(), strict=True):
        cv2.fillConvexPoly(canvas, place, colour, cv2.LINE_8, SUBPIXEL_BITS)
    return _averaged(canvas, view.side_px)


def _turned(vertices: np.ndarray, view: ThumbnailView) -> np.ndarray:
    """(V, 3) float64 as the viewer sees them: x to the right, y up, z to the viewer."""
    a, e = np.radians(view.azimuth_deg), np.radians(view.elevation_deg)
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    turned: np.ndarray = vertices.astype(np.float64) @ (about_x @ about_y).T
    return turned


def _lit(normals: np.ndarray) -> np.ndarray:  # (N, 3)
    """(N, 4) colour and full alpha, 0..255."""
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    light = (
        AMBIENT
        + KEY_STRENGTH * np.clip(normals @ KEY_LIGHT, 0, 1)
        + FILL_STRENGTH * np.clip(normals @ FILL_LIGHT, 0, 1)
    )
    light *= 1 - RIM_SHADE * (1 - np.clip(normals[:, 2], 0, 1)) ** 2
    colours = np.clip(light, 0, 1)[:, None] * CLAY
    return np.rint(np.concatenate([colours, np.full((len(normals), 1), 255.0)], axis=1))


def _averaged(canvas: np.ndarray, side_px: int) -> np.ndarray:
    """Each block of samples as one pixel; a colour is that of the covered samples alone."""
    blocks = canvas.reshape(side_px, SUPERSAMPLES, side_px, SUPERSAMPLES, 4).astype(np.float64)
    alpha = blocks[..., 3:] / 255
    covered = alpha.sum(axis=(1, 3))
    colour = (blocks[..., :3] * alpha).sum(axis=(1, 3)) / np.maximum(covered, 1)
    return np.rint(np.concatenate([colour, covered * (255 / SUPERSAMPLES**2)], axis=2)).astype(np.uint8)
