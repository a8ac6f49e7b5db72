# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as float64 3x3 matrices that turn column vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix3 = NDArray[np.float64]  # (3, 3), or (J, 3, 3) where it says so
Vector3 = NDArray[np.float64]  # (3,)

# To the mirror image across the plane between left and right, and back.
MIRROR = np.diag([-1.0, 1.0, 1.0])
# Below this sine two directions count as parallel.
PARALLEL = 1e-6


def unit(vector: Vector3) -> Vector3:
    """The same direction, 1 long. A vector without length has none and must not be given."""
    result: Vector3 = vector / np.linalg.norm(vector)
    return result


def about(axis: Vector3, angle_rad: float) -> Matrix3:
    """A turn about a unit axis, counter-clockwise seen from its tip (Rodrigues' formula)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    result: Matrix3 = np.eye(3) + np.sin(angle_rad) * cross + (1.0 - np.cos(angle_rad)) * cross @ cross
    return result


def swing(start: Vector3, end: Vector3) -> Matrix3:
    """The shortest turn that takes one unit direction to another; of opposite ones, about any axis across them."""
    axis = np.cross(start, end)
    sine = float(np.linalg.norm(axis))
    if sine > PARALLEL:
        return about(axis / sine, float(np.arctan2(sine, start @ end)))
    if start @ end > 0:
        return np.eye(3)
    return about(unit(np.cross(start, np.eye(3)[np.abs(start).argmin()])), np.pi)


def lean(bend_deg: float, tilt_deg: float, turn_deg: float) -> Matrix3:
    """How a trunk, a head or a foot is turned in the character's frame (left, back, up).

    bend: forward, toes down. tilt: to the left. turn: to the left. The turn comes last: one bends in the direction in
    which one looks.
    """
    x, y, z = np.eye(3)
    bend, tilt, turn = np.deg2rad([bend_deg, tilt_deg, turn_deg])
    result: Matrix3 = about(z, turn) @ about(x, bend) @ about(y, tilt)
    return result


def part_of(rotation: Matrix3, share: float) -> Matrix3:
    """So much of a turn about the same axis; 0 is none, 1 the whole."""
    axis, angle_rad = axis_angle(rotation)
    return about(axis, share * angle_rad)


def between(start: Matrix3, end: Matrix3, share: float) -> Matrix3:
    """So far on the shortest way from one orientation to another."""
    part = part_of(end @ start.T, share)
    return part @ start


def axis_angle(rotation: Matrix3) -> tuple[Vector3, float]:
    """Unit axis and angle in radians, 0 to π. Of no turn the axis is +X."""
    cosine = np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0)
    angle_rad = float(np.arccos(cosine))
    twice_sine = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    length = float(np.linalg.norm(twice_sine))
    if length > PARALLEL:
        return twice_sine / length, float(np.arctan2(length / 2.0, cosine))
    if cosine > 0:
        return np.array([1.0, 0.0, 0.0]), 0.0
    # Half a turn: the matrix is 2 a aᵀ - 1.
    column = (rotation + np.eye(3))[:, np.diag(rotation).argmax()]
    return unit(column), angle_rad


def mirrored(rotation: Matrix3) -> Matrix3:
    """The same turn as the mirror image makes it; also of (J, 3, 3)."""
    result: Matrix3 = MIRROR @ rotation @ MIRROR
    return result
