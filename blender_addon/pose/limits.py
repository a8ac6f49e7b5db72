# SPDX-License-Identifier: GPL-3.0-or-later
"""How far joints turn, by bone role: data/limits.json, in degrees, as [least, most] about left, back and up of the
common stance (see `skeleton`), for the left side. There a straight limb is at 0 whatever it is at rest.

Shoulders and hips are not in it: a ball joint's reach is no box of angles.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .rotations import Matrix3, axis_angle
from .skeleton import BodyKind, RestSkeleton, other_side

_DATA = Path(__file__).with_name("data") / "limits.json"
# A bone whose own axes lie further askew than this cosine cannot be limited about them.
_LEAST_ALIGNED = 0.65

Ranges = NDArray[np.float64]  # (3, 2) radians about a bone's own X, Y and Z, from rest: least and most


def joint_limits(skeleton: RestSkeleton, rests: Matrix3) -> dict[int, Ranges]:
    """By bone. rests: (J, 3, 3), the bones' own axes at rest, in the character's frame."""
    found = {}
    for bone, parent in enumerate(skeleton.parents):
        ranges = _ranges_of(skeleton.roles[bone], skeleton.kind)
        if ranges is None or parent < 0:
            continue
        stance = skeleton.stances[bone]
        axes = rests[bone].T @ stance
        own = np.abs(axes).argmax(axis=0)
        aligned = np.abs(axes)[own, range(3)]
        if len(set(own.tolist())) < 3 or aligned.min() < _LEAST_ALIGNED:
            continue
        axis, angle_rad = axis_angle(skeleton.stances[parent].T @ stance)
        from_rest = ranges - (axis * angle_rad)[:, None]
        limits = np.empty((3, 2))
        for place, onto in enumerate(own):
            low, high = from_rest[place] * np.sign(axes[onto, place])
            limits[onto] = min(low, high), max(low, high)
        found[bone] = limits
    return found


def _ranges_of(role: str, kind: BodyKind) -> Ranges | None:
    """(3, 2) radians about the stance's axes; None for what is not limited. The right side's are mirrored."""
    known = _read().get(kind, {})
    left = other_side(role) if "right" in role else role
    part = left.removeprefix("left")
    ranges = known.get(part[:1].lower() + part[1:])
    if ranges is None:
        return None
    limits = np.deg2rad(ranges)
    if left != role:
        limits[1:] = -limits[1:, ::-1]
    return limits


@functools.cache
def _read() -> dict[str, dict[str, list[list[float]]]]:
    table: dict[str, dict[str, list[list[float]]]] = json.loads(_DATA.read_text(encoding="utf-8"))
    return table
