# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure whose colour is known everywhere, and pictures of it."""

from __future__ import annotations

import cv2
import numpy as np
import trimesh

from models.common.bake.mesh import UvMesh
from models.common.raster.camera import Camera, orbit_camera, orthographic, to_window
from models.common.raster.rasterize import interpolate, rasterize

BACKGROUND = 0.5
OVERSAMPLING = 2


def build_figure(subdivisions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Head, body, arms and legs, one inside the other at the joints: vertices (V, 3) and faces (F, 3), within ±0.5."""
    parts = []
    for center, radii in (
        ((0.0, 0.28, 0.0), (0.16, 0.18, 0.15)),
        ((0.0, 0.0, 0.0), (0.17, 0.2, 0.12)),
        ((0.28, 0.08, 0.02), (0.16, 0.05, 0.05)),
        ((-0.28, 0.08, 0.02), (0.16, 0.05, 0.05)),
        ((0.1, -0.3, 0.0), (0.07, 0.18, 0.08)),
        ((-0.1, -0.3, 0.0), (0.07, 0.18, 0.08)),
    ):
        ball = trimesh.creation.icosphere(subdivisions=subdivisions)
        parts.append(trimesh.Trimesh(ball.vertices * radii + center, ball.faces))
    whole = trimesh.util.concatenate(parts)
    return np.array(whole.vertices, np.float32), np.array(whole.faces, np.int32)


def color_at(points: np.ndarray) -> np.ndarray:  # (..., 3)
    """The figure's colour, (..., 3), 0..1: three waves, stripes around it and dots."""
    x, y, z = np.moveaxis(points, -1, 0)
    waves = np.stack([np.sin(9 * x + 4 * y), np.sin(11 * y - 3 * z + 1), np.sin(8 * z + 5 * x + 2)], axis=-1)
    stripes = np.where(np.sin(40 * y) > 0, 1.0, 0.7)[..., None]
    dots = np.where(np.sin(50 * x) * np.sin(50 * z) > 0.5, 0.12, 0.0)[..., None]
    return np.clip((0.5 + 0.35 * waves) * stripes + dots, 0.0, 1.0)


def held_out_cameras() -> list[Camera]:
    """Views between the six that the figure is textured from."""
    angles = np.radians([(45, 0), (-40, 20), (210, -20)])
    return [Camera(orbit_camera(*pair, 1.8), orthographic(0.55, 0.1, 100.0)) for pair in angles]


def photograph(vertices: np.ndarray, faces: np.ndarray, camera: Camera, size: int) -> np.ndarray:
    """The figure as it is: (size, size, 4) uint8, the background grey and clear."""
    fine = size * OVERSAMPLING
    fragments = rasterize(to_window(vertices, camera, fine, fine), faces, fine, fine)
    color = color_at(interpolate(fragments, faces, vertices))
    return _develop(color, fragments.covered, size)


def render(mesh: UvMesh, texture: np.ndarray, camera: Camera, size: int) -> np.ndarray:
    """The mesh with a texture, (T, T, 3) uint8: (size, size, 4) uint8 as `photograph`."""
    fine = size * OVERSAMPLING
    fragments = rasterize(to_window(mesh.vertices, camera, fine, fine), mesh.faces, fine, fine)
    uv = interpolate(fragments, mesh.corners, mesh.uv.reshape(-1, 2)) * len(texture)
    column, row = uv[..., 0] - 0.5, len(texture) - uv[..., 1] - 0.5
    color = cv2.remap(texture.astype(np.float32) / 255, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _develop(color, fragments.covered, size)


def psnr(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float:
    """Peak signal to noise in dB over some pixels, of 8-bit pictures."""
    error = first[where, :3].astype(np.float64) - second[where, :3]
    return float(10.0 * np.log10(255.0**2 / (error**2).mean()))


def _develop(color: np.ndarray, covered: np.ndarray, size: int) -> np.ndarray:
    rgb = np.where(covered[..., None], color, BACKGROUND)
    fine = np.concatenate([rgb, covered[..., None]], axis=-1).astype(np.float32)
    return (cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA) * 255.0 + 0.5).astype(np.uint8)
