# SPDX-License-Identifier: GPL-3.0-or-later
"""A rig at rest, as posing sees it: in the character's frame, with every bone's way back to one common stance.

The character's frame is (left, back, up): where a rig was made with another, `to_character` takes it there. A rest
pose may be any: a draft stands as it is pictured, so one arm may hang and the other wave. Poses are therefore not
turns from rest, but orientations from one common stance in which arms point straight out, palms down, and legs straight
down. A bone's `stance` is the turn that takes the stance's bone to where the bone is at rest: the shortest one for the
first bone of a limb, and for each further one its parent's, then the shortest. So a limb that is bent at rest is
not twisted, and the same orientation looks alike on every rig.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .rotations import MIRROR, Matrix3, Vector3, mirrored, swing, unit

BodyKind = Literal["humanoid", "quadruped", "other"]

LEFT, BACK, UP = np.eye(3)
SIDES = ("left", "right")
ARM = ("UpperArm", "LowerArm", "Hand")
LEG = ("UpperLeg", "LowerLeg")
ANIMAL_LEG = ("UpperLeg", "LowerLeg", "Foot")
FINGERS = ("Index", "Middle", "Ring", "Little")
FINGER_JOINTS = ("Proximal", "Intermediate", "Distal")
_HUMANOID = frozenset(f"{side}{part}" for side in SIDES for part in ("UpperArm", "LowerArm", "UpperLeg", "LowerLeg"))
_QUADRUPED = frozenset(f"{end}{side}{part}" for end in ("front", "back") for side in ("Left", "Right") for part in LEG)
# A bone so much shorter than the longest has no direction that could be trusted; it keeps its parent's stance.
_NO_LENGTH = 1e-5

Points = NDArray[np.float64]  # (J, 3)


@dataclass(frozen=True, eq=False)
class RestSkeleton:
    """names, roles, parents (−1 for the root): J each, parents first. heads, tails: (J, 3), the character's frame."""

    names: tuple[str, ...]
    roles: tuple[str, ...]
    parents: tuple[int, ...]
    heads: Points
    tails: Points

    @cached_property
    def by_role(self) -> dict[str, int]:
        """The first bone of each role."""
        return {role: bone for bone, role in reversed(list(enumerate(self.roles)))}

    @cached_property
    def kind(self) -> BodyKind:
        """Which poses fit."""
        return kind_of(self.by_role.keys())

    @cached_property
    def stances(self) -> Matrix3:
        """(J, 3, 3): from the common stance to rest; no turn for bones that are in no limb."""
        stances = np.tile(np.eye(3), (len(self.names), 1, 1))
        for side, first, chain in self.limbs:
            before, stance = MIRROR if side == "right" else np.eye(3), np.eye(3)
            for bone in chain:
                direction = self.direction(bone)
                if direction is not None:
                    stance = swing(stance @ first, before @ direction) @ stance
                stances[bone] = mirrored(stance) if side == "right" else stance
        return stances

    @cached_property
    def limbs(self) -> list[tuple[str, Vector3, list[int]]]:
        """Side, the direction in which the left one points in the common stance, and the bones that are there."""
        found = []
        for side, (first, parts) in ((side, limb) for side in SIDES for limb in self._limbs_of_kind):
            roles = [sided(part, side) for part in parts]
            found.append((side, first, [self.by_role[role] for role in roles if role in self.by_role]))
        return found

    @property
    def _limbs_of_kind(self) -> list[tuple[Vector3, list[str]]]:
        if self.kind == "quadruped":
            return [(-UP, [f"{end}{part}" for part in ANIMAL_LEG]) for end in ("front", "back")]
        arm = ["upperArm", "lowerArm", "hand"]
        fingers = [[*arm, *(f"{finger.lower()}{joint}" for joint in FINGER_JOINTS)] for finger in FINGERS]
        return [(LEFT, arm), *((LEFT, finger) for finger in fingers), (-UP, ["upperLeg", "lowerLeg"])]

    def direction(self, bone: int) -> Vector3 | None:
        """Where the bone points at rest; None where it has no length."""
        along = self.tails[bone] - self.heads[bone]
        longest = np.linalg.norm(self.tails - self.heads, axis=1).max()
        return unit(along) if np.linalg.norm(along) > _NO_LENGTH * longest else None

    def partner(self, bone: int, mirrored_name: str) -> int | None:
        """The bone on the other side: by its role, or where that is no part of a body by its name. Itself in the
        middle, None where the other side has none.
        """
        role = self.roles[bone]
        other = other_side(role)
        if other != role:
            return self.by_role.get(other)
        if mirrored_name != self.names[bone]:
            return self.names.index(mirrored_name) if mirrored_name in self.names else None
        return bone


def kind_of(roles: Set[str]) -> BodyKind:
    """What body has these parts."""
    if roles >= _HUMANOID:
        return "humanoid"
    return "quadruped" if roles >= _QUADRUPED else "other"


def sided(part: str, side: str) -> str:
    """upperArm of the left is leftUpperArm, frontUpperLeg is frontLeftUpperLeg."""
    for end in ("front", "back"):
        if part.startswith(end):
            return f"{end}{side.capitalize()}{part[len(end) :]}"
    return f"{side}{part[0].upper()}{part[1:]}"


def other_side(role: str) -> str:
    """The role on the other side; the same one in the middle."""
    for here, there in (("left", "right"), ("right", "left"), ("Left", "Right"), ("Right", "Left")):
        if here in role:
            return role.replace(here, there)
    return role


def to_character(roles: Sequence[str], heads: Points) -> Matrix3:
    """(3, 3), a turn by quarters: from the rig's own axes to (left, back, up). Found from where the joints of the legs
    and the top of the spine are; none where these are not known.
    """
    where = {role: head for role, head in zip(reversed(roles), heads[::-1], strict=True)}
    for upper, low, high in (("upperLeg", "upperLeg", "head"), ("backUpperLeg", "backLowerLeg", "hips")):
        left, right, low_end, high_end = (
            where.get(role) for role in (sided(upper, "left"), sided(upper, "right"), sided(low, "left"), high)
        )
        if not (left is None or right is None or low_end is None or high_end is None):
            return _quarter_turns(_across_the_trunk(where, left - right), high_end - low_end)
    return np.eye(3)


def _across_the_trunk(where: Mapping[str, Vector3], apart: Vector3) -> Vector3:
    """To the left. apart: from the right hind leg's joint to the left one's, which in mid-stride are more behind each
    other than beside.
    """
    front = [where.get(sided("frontUpperLeg", side)) for side in SIDES]
    back = [where.get(sided("backUpperLeg", side)) for side in SIDES]
    known = [point for point in (*front, *back) if point is not None]
    if len(known) < len(front) + len(back):
        return apart
    along = unit(known[0] + known[1] - known[2] - known[3])
    apart = apart + known[0] - known[1]
    return apart - (apart @ along) * along


def _quarter_turns(left: Vector3, up: Vector3) -> Matrix3:
    """The nearest axes."""
    rows = np.zeros((3, 3))
    for row, direction in ((2, up), (0, left)):
        free = np.abs(direction) * (1.0 - np.abs(rows).sum(axis=0))
        axis = int(free.argmax())
        rows[row, axis] = np.sign(direction[axis]) or 1.0
    rows[1] = np.cross(rows[2], rows[0])
    return rows
