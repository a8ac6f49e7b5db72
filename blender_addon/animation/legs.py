# SPDX-License-Identifier: GPL-3.0-or-later
"""Legs that reach for their feet: where each stands, and how it bends so that the foot is where it has to be."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..pose.library import BodyPose, Numbers, body_poses
from ..pose.rotations import MIRROR, Matrix3, Vector3, unit
from ..pose.skeleton import SIDES, BodyKind, RestSkeleton, sided
from ..pose.solve import Solution, solve_body
from ..pose.standing import posed_heads
from .soles import Sole

# Of a leg's length: a leg that is stretched further locks, and its skin with it.
_REACH = 0.995
_STANDING = {"humanoid": "t_pose", "quadruped": "attention"}
# The bones of a leg from the top; the last is the foot. A paw's leg bends between its first two.
_PARTS: Mapping[BodyKind, Mapping[str, tuple[str, ...]]] = {
    "humanoid": {"": ("upperLeg", "lowerLeg", "foot", "toes")},
    "quadruped": {end: (f"{end}UpperLeg", f"{end}LowerLeg", f"{end}Foot", f"{end}Paw") for end in ("front", "back")},
    "other": {},
}


@dataclass(frozen=True, eq=False)
class Leg:
    """key: its foot's role. end: "", front or back. upper, lower, shank (−1 for none): bones. lengths: of these. sole:
    its foot. flat: (3,) where the ankle stands. shank_stands: (3,) unit, where the bone above a paw points then.
    """

    key: str
    side: str
    end: str
    upper: int
    lower: int
    shank: int
    lengths: tuple[float, float, float]
    sole: Sole
    flat: Vector3
    shank_stands: Vector3

    @property
    def reach(self) -> float:
        """How far hip and hock, or hip and ankle, can be apart."""
        return _REACH * (self.lengths[0] + self.lengths[1])

    def bend(self, hip: Vector3, ankle: Vector3, shank: Vector3, front: Vector3) -> dict[str, Numbers]:
        """Directions by part, as a pose has them. shank: (3,) unit, of a paw's leg. front: (3,) unit, the body's."""
        end = ankle - (self.lengths[2] * shank if self.shank >= 0 else 0.0)
        first, second, _ = self.lengths
        along = end - hip
        distance = float(np.clip(np.linalg.norm(along), abs(first - second) * 1.01, self.reach))
        along = unit(along)
        toward = -front if self.end == "front" else front
        toward = unit(toward - (toward @ along) * along)
        cosine = (first**2 + distance**2 - second**2) / (2.0 * first * distance)
        upper = cosine * along + np.sqrt(max(0.0, 1.0 - cosine**2)) * toward
        lower = unit(distance * along - first * upper)
        aims = {"UpperLeg": upper, "LowerLeg": lower} | ({"Foot": shank} if self.shank >= 0 else {})
        return {self.part(part): _as_numbers(aim, self.side) for part, aim in aims.items()}

    def part(self, part: str) -> str:
        """Of a humanoid upperLeg, of an animal backUpperLeg."""
        return f"{self.end}{part}" if self.end else f"{part[0].lower()}{part[1:]}"


@dataclass(frozen=True, eq=False)
class Stand:
    """A body that stands straight on flat feet. pose: of the centre then. shift: (3,) of its hips. leg_length: in the
    rig's units, what clips count in.
    """

    pose: BodyPose
    shift: Vector3
    legs: tuple[Leg, ...]
    leg_length: float


def sole_parts(kind: BodyKind) -> dict[str, tuple[str, str]]:
    """By key, the roles of foot and toes; a paw has no toes."""
    parts = {"humanoid": [("foot", "toes")], "quadruped": [("frontPaw", ""), ("backPaw", "")], "other": []}[kind]
    return {
        sided(foot, side): (sided(foot, side), sided(toes, side) if toes else "")
        for side in SIDES
        for foot, toes in parts
    }


def jointed(skeleton: RestSkeleton) -> RestSkeleton:
    """The bones of limbs end where the next one begins, also where a file says otherwise."""
    tails = skeleton.tails.copy()
    for _, _, chain in skeleton.limbs:
        for bone, after in itertools.pairwise(chain):
            tails[bone] = skeleton.heads[after]
    for kind_parts in _PARTS[skeleton.kind].values():
        for side in SIDES:
            chain = [skeleton.by_role[role] for part in kind_parts if (role := sided(part, side)) in skeleton.by_role]
            for bone, after in itertools.pairwise(chain):
                tails[bone] = skeleton.heads[after]
    return replace(skeleton, tails=tails)


def leg_length(skeleton: RestSkeleton, side: str, end: str) -> float:
    """From the leg's joint to the ankle, along its bones. end: "", front or back. skeleton: `jointed`."""
    parts = _PARTS[skeleton.kind][end][: 3 if end else 2]
    bones = [skeleton.by_role[role] for part in parts if (role := sided(part, side)) in skeleton.by_role]
    return sum(float(np.linalg.norm(skeleton.tails[bone] - skeleton.heads[bone])) for bone in bones)


def stand(skeleton: RestSkeleton, soles: Mapping[str, Sole], locals_now: Matrix3) -> Stand | None:
    """With straight legs, the feet flat where they then are; None for bodies without feet. skeleton: `jointed`."""
    legs = _legs(skeleton, soles)
    if not legs:
        return None
    pose = body_poses(skeleton.kind)[_STANDING[skeleton.kind]]
    pose, solution = _level(skeleton, pose, legs, locals_now)
    heads = posed_heads(skeleton, solution.turns)
    floor = min(float(skeleton.heads[leg.sole.foot][2]) - leg.sole.ankle_height for leg in legs)
    # The shortest leg is straight, the others bend.
    lift = floor - max(float(heads[leg.sole.foot][2]) - leg.sole.ankle_height for leg in legs)
    found = []
    for leg in legs:
        place = heads[leg.sole.foot]
        shank = solution.turns[leg.shank] @ _along(skeleton, leg.shank) if leg.shank >= 0 else np.zeros(3)
        flat = np.array([place[0], place[1], floor + leg.sole.ankle_height])
        found.append(replace(leg, flat=flat, shank_stands=shank))
    length = min(leg.lengths[0] + leg.lengths[1] + leg.lengths[2] for leg in legs)
    return Stand(pose, np.array([0.0, 0.0, lift]), tuple(found), length)


def _level(skeleton: RestSkeleton, pose: BodyPose, legs: list[Leg], locals_now: Matrix3) -> tuple[BodyPose, Solution]:
    """An animal's trunk is pitched until front and back feet are equally high above the floor."""
    if skeleton.kind != "quadruped":
        return pose, solve_body(skeleton, pose, locals_now)
    low, high = -45.0, 45.0
    for _ in range(14):
        pitch_deg = (low + high) / 2
        centre = {**pose.centre, "hips": (pitch_deg, 0.0, 0.0), "trunk": (pitch_deg, 0.0, 0.0)}
        pitched = replace(pose, centre=centre)
        solution = solve_body(skeleton, pitched, locals_now)
        heads = posed_heads(skeleton, solution.turns)
        heights = {
            end: np.mean([heads[leg.sole.foot][2] - leg.sole.ankle_height for leg in legs if leg.end == end])
            for end in ("front", "back")
        }
        low, high = (pitch_deg, high) if heights["front"] > heights["back"] else (low, pitch_deg)
    return pitched, solution


def _legs(skeleton: RestSkeleton, soles: Mapping[str, Sole]) -> list[Leg]:
    found = []
    for end, parts in _PARTS[skeleton.kind].items():
        for side in SIDES:
            foot = sided(parts[3] if end else parts[2], side)
            if foot not in soles:
                continue
            upper, lower = (skeleton.by_role[sided(part, side)] for part in parts[:2])
            shank = skeleton.by_role.get(sided(parts[2], side), -1) if end else -1
            first, second, third = (
                float(np.linalg.norm(skeleton.tails[bone] - skeleton.heads[bone])) if bone >= 0 else 0.0
                for bone in (upper, lower, shank)
            )
            bones, nowhere = (upper, lower, shank), np.zeros(3)
            found.append(Leg(foot, side, end, *bones, (first, second, third), soles[foot], nowhere, nowhere))
    return found


def _along(skeleton: RestSkeleton, bone: int) -> Vector3:
    return unit(skeleton.tails[bone] - skeleton.heads[bone])


def _as_numbers(aim: Vector3, side: str) -> Numbers:
    """A direction as a pose has it: [out, front, up]."""
    x, y, z = MIRROR @ aim if side == "right" else aim
    return float(x), -float(y), float(z)
