# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames: the only place that converts between them.

House: right-handed, +Y up, +Z toward the viewer, the character faces +Z, its left is +X, metres.
Blender: right-handed, +Z up, the character faces -Y, its left is +X: (x, y, z) of the house is (x, -z, y) there.
glTF is the house frame as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_server.core.types import Float32, FrontView

Floats = NDArray[np.floating[Any]]

# Step1X-3D's raw vertices times this are in the house frame. By its texture half, which takes them as they are for +Y
# up and +Z front; its published weights may show otherwise.
STEP1X3D_TO_HOUSE = np.eye(3)

_BLENDER_FRONT = np.array([0.0, -1.0, 0.0])
_BLENDER_UP = np.array([0.0, 0.0, 1.0])
# Squared distance from the -Y axis below which Blender gives a bone fixed axes (its vec_roll_to_mat3).
_ANTIPARALLEL = 2.5e-4**2


def to_blender(points: Floats) -> Float32:  # (..., 3) house
    """House to Blender; keeps the shape, returns float32."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.ascontiguousarray(np.stack([x, -z, y], axis=-1), dtype=np.float32)


def from_blender(points: Floats) -> Float32:  # (..., 3) Blender
    """Blender to house; keeps the shape, returns float32."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.ascontiguousarray(np.stack([x, z, -y], axis=-1), dtype=np.float32)


def from_step1x3d(points: Floats) -> Float32:  # (..., 3) raw output of Step1X-3D's geometry half
    """Its cube to the house; keeps shape, size and origin, returns float32."""
    return np.ascontiguousarray(points @ STEP1X3D_TO_HOUSE.T, dtype=np.float32)


def to_view(points: Floats, view: FrontView) -> Float32:  # (..., 3) house
    """House to the axes of a view: x to its right, y up in it, z toward the viewer; same unit, same origin."""
    return (points @ _view_axes(view)).astype(np.float32)


def from_view(points: Floats, view: FrontView) -> Float32:  # (..., 3) of the view
    """The axes of a view to the house's; same unit, same origin."""
    return (points @ _view_axes(view).T).astype(np.float32)


def _view_axes(view: FrontView) -> NDArray[np.float64]:
    """The view's x, y and z in the house frame, as columns."""
    sin_a, cos_a = np.sin(view.azimuth_rad), np.cos(view.azimuth_rad)
    sin_e, cos_e = np.sin(view.elevation_rad), np.cos(view.elevation_rad)
    return np.array(
        [[cos_a, -sin_a * sin_e, sin_a * cos_e], [0.0, cos_e, sin_e], [-sin_a, -cos_a * sin_e, cos_a * cos_e]]
    )


def turned(points: Floats, turn_rad: float) -> Float32:  # (..., 3) house
    """The points turned about +Y; +Z goes toward +X. Keeps the shape, returns float32."""
    cosine, sine = np.cos(turn_rad), np.sin(turn_rad)
    turn = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    return np.ascontiguousarray(points.astype(np.float64) @ turn.T, dtype=np.float32)


def front_facing_rolls(heads: Floats, tails: Floats) -> Float32:  # (J, 3), (J, 3) house
    """Rolls that turn every bone's local Z toward the character's front (up, where the bone itself points to the
    front).

    The same rule on both sides makes left and right exact mirror images, so that a pose can be mirrored.
    Returns (J,) float32 radians, Blender's convention.
    """
    axes = to_blender(tails).astype(np.float64) - to_blender(heads)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return np.array([_roll_toward(axis, _reference_for(axis)) for axis in axes], dtype=np.float32)


def _reference_for(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    return _BLENDER_UP if abs(float(axis @ _BLENDER_FRONT)) > 0.9 else _BLENDER_FRONT


def _roll_toward(axis: NDArray[np.float64], z_axis: NDArray[np.float64]) -> float:
    """The angle about `axis` from Blender's roll-free frame to the frame whose Z is nearest to `z_axis`."""
    free_x, free_z = _roll_free_axes(axis)
    return float(np.arctan2(z_axis @ free_x, z_axis @ free_z))


def _roll_free_axes(axis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local X and Z of a bone of roll 0: the smallest turn that takes +Y to `axis`, applied to +X and +Z."""
    x, y, z = axis
    if y < 0.0 and x * x + z * z < _ANTIPARALLEL:
        return np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    scale = 1.0 / (1.0 + y)
    return np.array([1.0 - x * x * scale, -x, -x * z * scale]), np.array([-x * z * scale, -z, 1.0 - z * z * scale])
