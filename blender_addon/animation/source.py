# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip of another skeleton, as the transfer reads it, and the roles that its joints' names tell."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ClipUnusable
from ..phrases import phrase
from ..pose.rotation_arrays import betweens
from ..pose.skeleton import BodyKind, Points, RestSkeleton, to_character
from ..skeleton_map import MIXAMO_NAMES, MIXAMO_PREFIX, UNITY_NAMES, VRM_BONES, bone_name, role_of_name

# mixamorig:, mixamorig1:, mixamorig_, and any other name space before a colon.
_NAMESPACE = re.compile(r"^(?:mixamorig\d*[:_]|[^:]*:)")
# Below this share of a frame a moment is the frame.
_BETWEEN = 1e-3


@dataclass(frozen=True, eq=False)
class SourceClip:
    """skeleton: at rest, in its character's frame. turns: (F, J, 3, 3) from rest. heads: (F, J, 3), where its bones
    are. fps: frames a second.
    """

    skeleton: RestSkeleton
    turns: NDArray[np.float64]
    heads: NDArray[np.float64]
    fps: float

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (len(self.turns) - 1) / self.fps

    def at(self, frames: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Turns (N, J, 3, 3) and heads (N, J, 3) at these frames, (N,), and between them."""
        before = np.minimum((frames + _BETWEEN).astype(np.int64), len(self.turns) - 1)
        after = np.minimum(before + 1, len(self.turns) - 1)
        shares = np.where(frames - before < _BETWEEN, 0.0, frames - before)
        turns, heads = self.turns[before], self.heads[before]
        apart = np.flatnonzero(shares)
        some = shares[apart, None]
        turns[apart] = betweens(turns[apart], self.turns[after[apart]], some)
        heads[apart] = (1.0 - some[..., None]) * heads[apart] + some[..., None] * self.heads[after[apart]]
        return turns, heads


@dataclass(frozen=True, eq=False)
class WorldClip:
    """As a file has it. rest_heads, rest_tails: (J, 3). rotations: (F, J, 3, 3) from rest. heads: (F, J, 3). All in the
    file's own axes. parents: −1 for roots, parents first.
    """

    names: tuple[str, ...]
    roles: tuple[str, ...]
    parents: tuple[int, ...]
    rest_heads: Points
    rest_tails: Points
    rotations: NDArray[np.float64]
    heads: NDArray[np.float64]
    fps: float

    def for_body(self, kind: BodyKind, file: str) -> SourceClip:
        """In the character's frame. Raises ClipUnusable where the joints' names tell no such body."""
        turn = to_character(self.roles, self.rest_heads)
        skeleton = RestSkeleton(
            self.names, self.roles, self.parents, self.rest_heads @ turn.T, self.rest_tails @ turn.T
        )
        if skeleton.kind != kind or "hips" not in skeleton.by_role:
            raise ClipUnusable(
                phrase(
                    "The joints of {file} are not named like a {kind}'s that Figurine knows: it has {join}{what}.",
                    file=file,
                    kind=kind,
                    join=", ".join(self.names[:4]),
                    what="…" if len(self.names) > 4 else "",
                ),
                "Use names of Mixamo, VRM, Unity or Figurine.",
            )
        return SourceClip(skeleton, turn @ self.rotations @ turn.T, self.heads @ turn.T, self.fps)


def role_of_joint(name: str) -> str:
    """As a file calls it: Mixamo's names also without their prefix, as most BVH files have them; "" where unknown."""
    plain = _NAMESPACE.sub("", name)
    return (
        role_of_name(name)
        or role_of_name(plain)
        or role_of_name(MIXAMO_PREFIX + plain)
        or _ROLES_BY_LOWER_NAME.get(plain.lower(), "")
    )


_ROLES_BY_LOWER_NAME = {
    name.removeprefix(MIXAMO_PREFIX).lower(): role
    for role in VRM_BONES
    for name in (MIXAMO_NAMES.get(role, role), UNITY_NAMES[role], bone_name(role))
    if "Thumb" not in role  # VRM and Unity count its bones differently
}
