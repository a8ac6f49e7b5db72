# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a body faces that lies across the picture it was made from.

A picture's relief has the body's length in x, so what looks left or right comes out facing ±x. The skeleton is made
there, in the mesh's own place; whoever owns the mesh may turn both afterwards.
"""

import numpy as np

from .body import find_mirror, lengthwise
from .tree import Solid

LYING = 1.3  # times as long as high, in the thick parts: what stands is looked at from the front
FRONT_HEAVY = 0.05  # of half the length: a middle of the volume nearer to the middle tells no front from a back
ONE_SIDED = 0.7  # mirror IoU: with more, the body faces the viewer, or has no front


def turn_toward(front: np.ndarray) -> float:
    """The turn about +y, radians, that brings a horizontal direction (3,) to +z, where the house's bodies face."""
    return float(np.arctan2(-front[0], front[2]))


def lies(solid: Solid) -> bool:
    """Whether the body is longer than high in its thick parts, along z, or along x with one end unlike the other."""
    across, along = (lengthwise(solid, axis) for axis in (0, 2))
    return along >= LYING or (across >= LYING and find_mirror(solid.grid.occupied)[1] < ONE_SIDED)


def find_front(solid: Solid) -> np.ndarray:
    """int (3,): where a body without anatomy faces: +z, or the clearly heavier end of one that lies along x.

    Fish, birds and lizards carry more in front of their middle than behind it.
    """
    side, share = heavier_end(solid)
    is_across = lies(solid) and lengthwise(solid, 0) > lengthwise(solid, 2)
    return np.array([side, 0, 0]) if is_across and share >= FRONT_HEAVY else np.array([0, 0, 1])


def heavier_end(solid: Solid) -> tuple[int, float]:
    """The sign of x at the end nearer to the middle of the volume, and by how much it is, of half the length."""
    x = solid.cells[:, 0]
    offset = float(2 * x.mean() - x.min() - x.max()) / float(np.ptp(x) + 1)
    return (1 if offset >= 0 else -1), abs(offset)
