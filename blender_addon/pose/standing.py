# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a posed skeleton touches the floor, and how far the body has to be moved so that it does.

What can touch it are points that bones carry along: heel and tip of each foot, which lie on the floor at rest, and
knees, rump and an animal's chest, which are as far below their joint as bodies usually are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .library import BodyPose
from .rotations import Matrix3, Vector3
from .skeleton import BACK, SIDES, UP, Points, RestSkeleton, sided

# Shares of a lower leg: usual bodies. The chest of one that lies is below the shoulder joints.
_KNEE_RADIUS = 0.2
_RUMP_BELOW_HIP = 0.45
_CHEST_BELOW_SHOULDER = 0.9
# An animal's trunk is pitched at most so far, and found to better than a thousandth of a degree.
_MOST_PITCH_deg = 70.0
_HALVINGS = 18


@dataclass(frozen=True, eq=False)
class _Contact:
    """A point at rest, (3,), and the bone that carries it."""

    bone: int
    point: Vector3


def posed_heads(skeleton: RestSkeleton, turns: Matrix3) -> Points:
    """(…, J, 3): where the bones begin, the root staying where it is. turns: (…, J, 3, 3)."""
    heads = np.empty(turns.shape[:-1])
    for bone, parent in enumerate(skeleton.parents):
        if parent < 0:
            heads[..., bone, :] = skeleton.heads[bone]
        else:
            along = skeleton.heads[bone] - skeleton.heads[parent]
            heads[..., bone, :] = heads[..., parent, :] + turns[..., parent, :, :] @ along
    return heads


def lift_to_floor(skeleton: RestSkeleton, turns: Matrix3, lift: float) -> Vector3:
    """(3,): what puts the lowest point where the lowest one is at rest, and so many leg lengths above it. Nothing for
    bodies without known feet.
    """
    contacts = [contact for end in ("front", "back") for contact in _contacts(skeleton, end)]
    if not contacts:
        return np.zeros(3)
    floor = min(contact.point[2] for contact in contacts)
    shift: Vector3 = UP * (floor - _lowest(skeleton, turns, contacts) + lift * _leg_length(skeleton))
    return shift


def with_level_trunk(skeleton: RestSkeleton, pose: BodyPose, solved: Callable[[BodyPose], Matrix3]) -> BodyPose:
    """Pitch hips and trunk until front and back are equally high above the floor; by halving."""
    front, back = _contacts(skeleton, "front"), _contacts(skeleton, "back")
    bend, tilt, turn = pose.centre.get("hips", (0.0, 0.0, 0.0))
    low, high = -_MOST_PITCH_deg, _MOST_PITCH_deg

    def pitched(pitch_deg: float) -> BodyPose:
        extra = {
            part: (lean_of[0] + pitch_deg, *lean_of[1:]) for part, lean_of in pose.centre.items() if part == "trunk"
        }
        return replace(pose, centre={**pose.centre, **extra, "hips": (bend + pitch_deg, tilt, turn)})

    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        turns = solved(pitched(middle))
        if _lowest(skeleton, turns, front) > _lowest(skeleton, turns, back):
            low = middle  # bending forward lowers the front
        else:
            high = middle
    return pitched((low + high) / 2)


def _lowest(skeleton: RestSkeleton, turns: Matrix3, contacts: list[_Contact]) -> float:
    heads = posed_heads(skeleton, turns)
    return min(float((heads[at.bone] + turns[at.bone] @ (at.point - skeleton.heads[at.bone]))[2]) for at in contacts)


def _contacts(skeleton: RestSkeleton, end: str) -> list[_Contact]:
    """Of an animal's front or back; all of a humanoid's are at its back."""
    is_animal = skeleton.kind == "quadruped"
    if not is_animal and end == "front":
        return []
    sole_parts = (f"{end}Paw",) if is_animal else ("foot", "toes")
    lower, upper = (f"{end}LowerLeg", f"{end}UpperLeg") if is_animal else ("lowerLeg", "upperLeg")
    soles = [bone for side in SIDES for part in sole_parts for bone in _bones(skeleton, part, side)]
    if not soles:
        return []
    floor = min(float(skeleton.tails[bone][2]) for bone in soles)
    found = [
        _Contact(bone, np.array([*point[:2], floor]))
        for bone in soles
        for point in (skeleton.heads[bone], skeleton.tails[bone])
    ]
    for side in SIDES:
        for bone in _bones(skeleton, lower, side):
            reach = float(np.linalg.norm(skeleton.tails[bone] - skeleton.heads[bone]))
            found.append(_Contact(bone, skeleton.heads[bone] - BACK * _KNEE_RADIUS * reach))
            trunk, below = ("hips", _RUMP_BELOW_HIP) if end == "back" else ("chest", _CHEST_BELOW_SHOULDER)
            if trunk in skeleton.by_role:
                top = skeleton.heads[_bones(skeleton, upper, side)[0]]
                found.append(_Contact(skeleton.by_role[trunk], top - UP * below * reach))
    return found


def _bones(skeleton: RestSkeleton, part: str, side: str) -> list[int]:
    role = sided(part, side)
    return [skeleton.by_role[role]] if role in skeleton.by_role else []


def _leg_length(skeleton: RestSkeleton) -> float:
    upper, lower = ("backUpperLeg", "backLowerLeg") if skeleton.kind == "quadruped" else ("upperLeg", "lowerLeg")
    hip, knee = (skeleton.heads[_bones(skeleton, part, "left")[0]] for part in (upper, lower))
    return 2.0 * float(np.linalg.norm(hip - knee))
