# SPDX-License-Identifier: GPL-3.0-or-later
"""From a pose of the library to the turn of every bone of one rig.

A bone's turn is what takes it from rest to the pose, in the character's frame: G = Q · stanceᵀ, where Q is its
orientation as seen from the common stance (see `skeleton`). Directions in the pose are absolute, so proportions and the
rest pose do not matter. Down a limb, Q swings by the shortest way from the parent's Q: joints bend and do not
twist. Where an elbow or a knee bends, the upper bone first turns about itself, within what a shoulder bears, so that
the joint bends about its hinge.

The arm's share in raising it: of each three degrees above the horizontal one is the shoulder blade's (Inman, Saunders
and Abbott, "Observations on the function of the shoulder joint", 1944).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .library import BodyPose, HandPose, Numbers
from .rotations import Matrix3, Vector3, about, between, lean, mirrored, swing, unit
from .skeleton import BACK, FINGER_JOINTS, FINGERS, LEFT, SIDES, UP, RestSkeleton, sided
from .standing import lift_to_floor, with_level_trunk

_SHOULDER_SHARE = 1 / 3
# How far an upper arm or a thigh turns about itself for the sake of the hinge below it: more wrings the skin.
_MOST_TWIST_deg = 40.0
# A joint that is bent less has no plane to speak of; above the second it counts in full.
_BENT_sine = (0.1, 0.5)
_ARM_HINGE, _LEG_HINGE = -UP, LEFT
# A finger of one bone, as drafts have, bends like a mitten: as far as this many joints.
_MITTEN_JOINTS = 1.5
_TRUNK = ("spine", "chest", "upperChest")
_LONG_NECK = ("neck", "neck1", "neck2", "neck3", "neck4", "head")


@dataclass(frozen=True, eq=False)
class Solution:
    """turns: (J, 3, 3) from rest, the character's frame. shift: (3,) of the whole body."""

    turns: Matrix3
    shift: Vector3


def solve_body(skeleton: RestSkeleton, pose: BodyPose, locals_now: Matrix3) -> Solution:
    """Fit a body's pose. locals_now: (J, 3, 3), each bone's turn against its parent as it is, which bones that
    the pose says nothing of keep: fingers, hair, cloth.
    """

    def solved(level: BodyPose) -> Matrix3:
        return fill(skeleton, body_turns(skeleton, level), locals_now)

    if pose.is_level:
        pose = with_level_trunk(skeleton, pose, solved)
    turns = solved(pose)
    return Solution(turns, lift_to_floor(skeleton, turns, pose.lift))


def solve_hand(skeleton: RestSkeleton, pose: HandPose, sides: tuple[str, ...], turns: Matrix3) -> Matrix3:
    """The turns (J, 3, 3) with the fingers of these sides in this pose."""
    wanted: dict[int, Matrix3] = {}
    for side in sides:
        hand = skeleton.by_role.get(sided("hand", side))
        if hand is not None:
            stance, turn = _as_left(skeleton.stances[hand], side), _as_left(turns[hand], side)
            for role, found in _finger_turns(skeleton, pose, side, turn, turn @ stance).items():
                wanted[skeleton.by_role[role]] = _as_left(found, side)
    return fill(skeleton, wanted, locals_of(skeleton, turns)) if wanted else turns


def fill(skeleton: RestSkeleton, wanted: Mapping[int, Matrix3], locals_now: Matrix3) -> Matrix3:
    """(…, J, 3, 3): the wanted turns, and for all other bones their parent's and what they have against it.
    locals_now: (…, J, 3, 3), of one moment or of many.
    """
    turns = np.empty(locals_now.shape)
    for bone, parent in enumerate(skeleton.parents):
        if bone in wanted:
            turns[..., bone, :, :] = wanted[bone]
        elif parent >= 0:
            turns[..., bone, :, :] = turns[..., parent, :, :] @ locals_now[..., bone, :, :]
        else:
            turns[..., bone, :, :] = locals_now[..., bone, :, :]
    return turns


def locals_of(skeleton: RestSkeleton, turns: Matrix3) -> Matrix3:
    """(…, J, 3, 3): each bone's turn against its parent's; what `fill` takes. turns: (…, J, 3, 3)."""
    above = turns[..., skeleton.parents, :, :]
    above[..., np.array(skeleton.parents) < 0, :, :] = np.eye(3)
    found: Matrix3 = np.swapaxes(above, -1, -2) @ turns
    return found


def body_turns(skeleton: RestSkeleton, pose: BodyPose) -> dict[int, Matrix3]:
    hips = lean(*pose.centre.get("hips", (0, 0, 0)))
    trunk = lean(*pose.centre["trunk"]) if "trunk" in pose.centre else hips
    head = lean(*pose.centre["head"]) if "head" in pose.centre else trunk
    turns = {"hips": hips}
    for roles, start, end in ((_TRUNK, hips, trunk), (_LONG_NECK, trunk, head)):
        chain = [role for role in roles if role in skeleton.by_role]
        turns |= {role: between(start, end, (place + 1) / len(chain)) for place, role in enumerate(chain)}
    for side in SIDES:
        parts = pose.left if side == "left" else pose.right
        limbs = _Side(skeleton, side, parts, _as_left(hips, side), _as_left(trunk, side))
        turns |= {sided(part, side): _as_left(turn, side) for part, turn in limbs.turns().items()}
    turns |= _tail_turns(skeleton, hips, pose.centre.get("tail", (0.0, 0.0)))
    return {skeleton.by_role[role]: turn for role, turn in turns.items() if role in skeleton.by_role}


def _tail_turns(skeleton: RestSkeleton, hips: Matrix3, whole_deg: Numbers) -> dict[str, Matrix3]:
    """Each bone as much as the ones before it and its own share."""
    chain = sorted((role for role in skeleton.by_role if role.startswith("tail")), key=lambda role: int(role[4:] or 0))
    up, left = whole_deg
    shares = [(place + 1) / len(chain) for place in range(len(chain))]
    return {role: hips @ lean(-share * up, 0.0, -share * left) for role, share in zip(chain, shares, strict=True)}


def _as_left(turn: Matrix3, side: str) -> Matrix3:
    """A right limb is posed as the left one of the mirror image; the way there and back."""
    return mirrored(turn) if side == "right" else turn


@dataclass(frozen=True, eq=False)
class _Side:
    """The limbs of one side, as if it were the left one. hips, trunk: their turns, mirrored likewise."""

    skeleton: RestSkeleton
    side: str
    parts: Mapping[str, Numbers]
    hips: Matrix3
    trunk: Matrix3

    def turns(self) -> dict[str, Matrix3]:
        """By part, without the side."""
        if self.skeleton.kind == "quadruped":
            return {part: turn for end in ("front", "back") for part, turn in self._animal_leg(end).items()}
        return self._arm() | self._leg()

    def _stance(self, part: str) -> Matrix3:
        return _as_left(self.skeleton.stances[self.skeleton.by_role[sided(part, self.side)]], self.side)

    def _has(self, part: str) -> bool:
        return sided(part, self.side) in self.skeleton.by_role

    def _aim(self, part: str) -> Vector3:
        out, front, up = self.parts[part]
        return unit(np.array([out, -front, up]))

    def _arm(self) -> dict[str, Matrix3]:
        if "upperArm" not in self.parts:
            return {}
        upper, lower = self._aim("upperArm"), self._aim("lowerArm")
        raised_rad = max(0.0, float(np.arcsin((self.trunk.T @ upper)[2])))
        shoulder = self.trunk @ about(BACK, -_SHOULDER_SHARE * raised_rad)
        first = _hinged(swing(self.trunk @ LEFT, upper) @ self.trunk, upper, lower, _ARM_HINGE)
        palm = about(lower, np.deg2rad(self.parts.get("palm", (0.0,))[0]) / 2)
        second = palm @ swing(first @ LEFT, lower) @ first
        found = {"shoulder": shoulder, "upperArm": first @ self._stance("upperArm").T}
        found["lowerArm"] = second @ self._stance("lowerArm").T
        bend_deg, side_deg = self.parts.get("hand", (0.0, 0.0))
        bend = about(BACK, np.deg2rad(bend_deg)) @ about(UP, -np.deg2rad(side_deg))
        found["hand"] = palm @ second @ bend @ second.T @ found["lowerArm"]
        return found

    def _leg(self) -> dict[str, Matrix3]:
        found = {"upperLeg": np.eye(3), "lowerLeg": np.eye(3)}
        if "upperLeg" in self.parts:
            upper, lower = self._aim("upperLeg"), self._aim("lowerLeg")
            first = _hinged(swing(-self.hips @ UP, upper) @ self.hips, upper, lower, _LEG_HINGE)
            second = swing(-first @ UP, lower) @ first
            found = {"upperLeg": first @ self._stance("upperLeg").T, "lowerLeg": second @ self._stance("lowerLeg").T}
        found["foot"] = self._flat("foot")
        found["toes"] = found["foot"] @ lean(self.parts.get("toes", (0.0,))[0], 0.0, 0.0)
        return found

    def _animal_leg(self, end: str) -> dict[str, Matrix3]:
        found = {f"{end}Paw": self._flat(f"{end}Paw")}
        parts = [part for part in (f"{end}UpperLeg", f"{end}LowerLeg", f"{end}Foot") if self._has(part)]
        orientation = self.hips
        for part in parts:
            if part in self.parts:
                orientation = swing(-orientation @ UP, self._aim(part)) @ orientation
                found[part] = orientation @ self._stance(part).T
            else:
                found[part] = np.eye(3)
        return found

    def _flat(self, part: str) -> Matrix3:
        return lean(*self.parts.get(part, (0.0, 0.0, 0.0)))


def _hinged(orientation: Matrix3, upper: Vector3, lower: Vector3, hinge: Vector3) -> Matrix3:
    """Turn an upper bone about itself towards the plane in which the lower one bends."""
    normal = np.cross(upper, lower)
    sine = float(np.linalg.norm(normal))
    strength = float(np.clip((sine - _BENT_sine[0]) / (_BENT_sine[1] - _BENT_sine[0]), 0.0, 1.0))
    if strength == 0.0:
        return orientation
    now, wanted = orientation @ hinge, normal / sine
    twist_rad = float(np.arctan2(np.cross(now, wanted) @ upper, now @ wanted))
    most_rad = np.deg2rad(_MOST_TWIST_deg)
    return about(upper, strength * float(np.clip(twist_rad, -most_rad, most_rad))) @ orientation


def _finger_turns(
    skeleton: RestSkeleton, pose: HandPose, side: str, hand: Matrix3, orientation: Matrix3
) -> dict[str, Matrix3]:
    """By role, as if the side were the left one. hand: its turn. orientation: of the hand, from the common stance."""
    found = {}
    for finger in FINGERS:
        bend_deg, spread_deg = pose.fingers[finger.lower()]
        roles = [role for joint in FINGER_JOINTS if (role := f"{side}{finger}{joint}") in skeleton.by_role]
        joints = 1.0 if len(roles) > 1 else _MITTEN_JOINTS
        aim = about(UP, -np.deg2rad(spread_deg if len(roles) > 1 else 0.0))
        for place, role in enumerate(roles):
            bend = about(BACK, np.deg2rad(bend_deg * joints * (place + 1)))
            stance = _as_left(skeleton.stances[skeleton.by_role[role]], side)
            found[role] = orientation @ aim @ bend @ stance.T
    return found | _thumb_turns(skeleton, pose, side, hand, orientation)


def _thumb_turns(
    skeleton: RestSkeleton, pose: HandPose, side: str, hand: Matrix3, orientation: Matrix3
) -> dict[str, Matrix3]:
    """From rest: across the palm, and away from the index finger."""
    bend_deg, spread_deg = pose.fingers["thumb"]
    found, turn = {}, hand
    for joint in ("Metacarpal", "Proximal", "Distal"):
        role = f"{side}Thumb{joint}"
        direction = skeleton.direction(skeleton.by_role[role]) if role in skeleton.by_role else None
        if direction is None:
            continue
        along = turn @ (direction * (-1.0 if side == "right" else 1.0, 1.0, 1.0))
        axis = np.cross(along, -orientation @ UP)
        if joint == "Metacarpal":
            turn = about(orientation @ UP, -np.deg2rad(spread_deg)) @ turn
        if np.linalg.norm(axis) > 0:
            turn = about(unit(axis), np.deg2rad(bend_deg)) @ turn
        found[role] = turn
    return found


def mirror(skeleton: RestSkeleton, turns: Matrix3, mirrored_names: tuple[str, ...]) -> Matrix3:
    """(J, 3, 3): what the left side does the right one does, and the other way round. mirrored_names: for each bone
    the one of the other side. A bone whose partner is missing keeps what it has against its parent.
    """
    seen = turns @ skeleton.stances
    wanted = {}
    for bone, name in enumerate(mirrored_names):
        partner = skeleton.partner(bone, name)
        if partner is not None:
            wanted[bone] = mirrored(seen[partner]) @ skeleton.stances[bone].T
    return fill(skeleton, wanted, locals_of(skeleton, turns))


def blend(start: Matrix3, end: Matrix3, share: float) -> NDArray[np.float64]:
    """(J, 3, 3): so far from one set of turns against the parents to another."""
    return np.array([between(one, other, share) for one, other in zip(start, end, strict=True)])
