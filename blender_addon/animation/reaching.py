# SPDX-License-Identifier: GPL-3.0-or-later
"""Legs that bend so that their foot is where it has to be, in all frames at once."""

from __future__ import annotations

import numpy as np

from ..pose.rotation_arrays import Array, swings, turned, units
from ..pose.rotations import unit
from ..pose.skeleton import RestSkeleton
from .legs import Leg

# Of what a leg's two bones can span at least and at most: beyond, their angle is not defined well.
_SPAN = (1.01, 0.9999)


def reach(wanted: dict[int, Array], target: RestSkeleton, leg: Leg, ends: Array, aside: Array) -> None:
    """Swing a leg's first two bones so that the second ends there, or as near as it can. wanted: (F, 3, 3) by bone,
    changed. ends: (F, 3), from the leg's joint. aside: (F, 3), across that, where the knee is.
    """
    first, second, _ = leg.lengths
    least, most = _SPAN
    distances = np.linalg.norm(ends, axis=1, keepdims=True)
    distances = np.clip(distances, abs(first - second) * least, (first + second) * most)
    along = units(ends)
    cosines = (first**2 + distances**2 - second**2) / (2.0 * first * distances)
    aims = cosines * along + np.sqrt(np.maximum(0.0, 1.0 - cosines**2)) * units(aside)
    onward = units(distances * along - first * aims)
    for bone, aim in ((leg.upper, aims), (leg.lower, onward)):
        now = turned(wanted[bone], unit(target.tails[bone] - target.heads[bone]))
        wanted[bone] = swings(now, aim) @ wanted[bone]
