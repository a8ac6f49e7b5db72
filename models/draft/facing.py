# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a body faces that lies across the picture it was made from.

A picture's relief has the body's length in x, so what looks left or right comes out facing ±x. The skeleton is made
there, in the mesh's own place; whoever owns the mesh may turn both afterwards.
"""

import numpy as np

from .body import find_mirror
from .tree import Solid

LYING = 1.3  # times as long as high, in the thick parts: what stands is looked at from the front
ONE_SIDED = 0.7  # mirror IoU: with more, the body faces the viewer, or has no front


def turn_toward(front: np.ndarray) -> float:
    """The turn about +y, radians, that brings a horizontal direction (3,) to +z, where the house's bodies face."""
    return float(np.arctan2(-front[0], front[2]))


def turned(points: np.ndarray, turn_rad: float) -> np.ndarray:  # points: (..., 3)
    """The points turned about the y axis, float64."""
    cosine, sine = np.cos(turn_rad), np.sin(turn_rad)
    return np.asarray(points, float) @ np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]).T


def lies(solid: Solid) -> bool:
    """Whether the body is longer than high in its thick parts, along z, or along x with one end unlike the other."""
    across, along = (lengthwise(solid, axis) for axis in (0, 2))
    return along >= LYING or (across >= LYING and find_mirror(solid.grid.occupied)[1] < ONE_SIDED)


def find_front(solid: Solid) -> np.ndarray:
    """int (3,): where a body without anatomy faces: +z, or the heavier end of one that lies along x.

    Fish, cars and insects carry more in front of their middle than behind it.
    """
    if not lies(solid) or lengthwise(solid, 0) <= lengthwise(solid, 2):
        return np.array([0, 0, 1])
    x = np.argwhere(solid.grid.occupied)[:, 0]
    return np.array([1 if x.mean() >= (x.min() + x.max()) / 2 else -1, 0, 0])


def lengthwise(solid: Solid, axis: int) -> float:
    """How many times longer along an axis than high the thick parts are."""
    cells = np.argwhere(solid.grid.occupied)
    thick = solid.depth[tuple(cells.T)] ** 2
    away = cells - np.average(cells, axis=0, weights=thick)
    spread = np.sqrt(np.average(away**2, axis=0, weights=thick))
    return float(spread[axis] / max(spread[1], 0.5))
