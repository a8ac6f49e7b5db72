# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras as two matrices, and the way of points through them into a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

# Where −1 and 1 of the projected picture lie: on the outer edges of its outer pixels, or on their centres.
PixelRule = Literal["edges", "centres"]


@dataclass(frozen=True, eq=False)
class Camera:
    """world_to_view: (4, 4) float64; the viewer stands at the view's origin and looks along −z, x to the right, y up.

    projection: (4, 4) float64, view to clip space; clip y grows downwards in the picture, depth −1..1 from near to far.
    """

    world_to_view: np.ndarray
    projection: np.ndarray

    @property
    def is_perspective(self) -> bool:
        """False where every point is looked at in the same direction."""
        return bool(self.projection[3, 2] != 0.0)

    @property
    def backward(self) -> np.ndarray:
        """From the scene to the viewer along the middle of the view, (3,) float64, unit, world frame."""
        return self.world_to_view[2, :3]

    @property
    def position(self) -> np.ndarray:
        """Where the viewer stands, (3,) float64, world frame."""
        return -self.world_to_view[:3, :3].T @ self.world_to_view[:3, 3]

    def distance(self, points: np.ndarray) -> np.ndarray:  # (V, 3)
        """How far in front of the viewer points are along the middle of the view, (V,) float64."""
        return -(points.astype(np.float64) @ self.world_to_view[2, :3] + self.world_to_view[2, 3])

    def to_viewer(self, points: np.ndarray) -> np.ndarray:  # (..., 3)
        """Unit directions from points to the viewer, (..., 3)."""
        if not self.is_perspective:
            return np.broadcast_to(self.backward.astype(points.dtype), points.shape)
        away = self.position.astype(points.dtype) - points
        return away / np.linalg.norm(away, axis=-1, keepdims=True)


def place_camera(position: np.ndarray, right: np.ndarray, up: np.ndarray) -> np.ndarray:
    """World to view, (4, 4) float64. position, right, up: (3,), world frame; right and up unit and orthogonal."""
    rotation = np.stack([right, up, np.cross(right, up)]).astype(np.float64)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = -rotation @ np.asarray(position, dtype=np.float64)
    return matrix


def orbit_camera(azimuth: float, elevation: float, distance: float) -> np.ndarray:
    """World to view, (4, 4) float64, of a viewer who looks at the origin from azimuth 0 (+z) to 90° (+x); +y is up.

    Angles in radians; elevation strictly between −π/2 and π/2, positive above.
    """
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    backward = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    return place_camera(distance * backward, right, np.cross(backward, right))


def orthographic(half_side: float, near: float, far: float) -> np.ndarray:
    """Projection of the square ±half_side, (4, 4) float64. near, far: distances from the viewer."""
    matrix = np.diag([1.0 / half_side, -1.0 / half_side, -2.0 / (far - near), 1.0])
    matrix[2, 3] = -(far + near) / (far - near)
    return matrix


def perspective(field_of_view: float, near: float, far: float) -> np.ndarray:
    """Projection of a square picture, (4, 4) float64. field_of_view: radians, from side to side."""
    scale = 1.0 / np.tan(field_of_view / 2.0)
    matrix = np.diag([scale, -scale, -(far + near) / (far - near), 0.0])
    matrix[2, 3] = -2.0 * far * near / (far - near)
    matrix[3, 2] = -1.0
    return matrix


def to_window(
    points: np.ndarray,  # (V, 3)
    camera: Camera,
    height: int,
    width: int,
    pixel_rule: PixelRule = "edges",
) -> np.ndarray:
    """Points before the picture: (V, 4) float64 of column, row, depth (−1 near, 1 far) and 1/w.

    1/w is what attributes are weighed with in a perspective view, 1 in an orthographic one, and not positive for a
    point behind the viewer, whose other values mean nothing.
    """
    homogeneous = np.concatenate([points.astype(np.float64), np.ones((len(points), 1))], axis=1)
    clip = homogeneous @ (camera.projection @ camera.world_to_view).T
    is_behind = clip[:, 3] <= 0.0
    inverse_w = 1.0 / np.where(is_behind, -1.0, clip[:, 3])
    ndc = clip[:, :3] * inverse_w[:, None]
    size = np.array([width, height], dtype=np.float64)
    if pixel_rule == "edges":
        plane = (ndc[:, :2] * 0.5 + 0.5) * size
    else:
        plane = (ndc[:, :2] * 0.5 + 0.5) * (size - 1.0) + 0.5
    return np.concatenate([plane, ndc[:, 2:], inverse_w[:, None]], axis=1)


def uv_to_window(uv: np.ndarray, size: int) -> np.ndarray:
    """Texture coordinates, (N, 2) with the origin bottom left, as points before the texture: (N, 4) float64."""
    window = np.ones((len(uv), 4))
    window[:, 0] = uv[:, 0].astype(np.float64) * size
    window[:, 1] = (1.0 - uv[:, 1].astype(np.float64)) * size
    window[:, 2] = 0.0
    return window
