# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet as animation sees them: points of the skin that can touch the floor, and about which of them a foot rolls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pose.rotations import Matrix3, Vector3
from ..pose.skeleton import Points, RestSkeleton

# Points so low, as a share of the foot's height, belong to its sole.
_SOLE = 0.2
# As many directions, from the heel's by way of the floor's to the toes', have their outermost point kept.
_DIRECTIONS = 25


@dataclass(frozen=True, eq=False)
class Sole:
    """One foot at rest. foot, toes (−1 for none): bones. points: (P, 3) from the ankle, is_toe: (P,) whether the toes
    carry them. heel: (3,) from the ankle, as low as the lowest point. ball: (3,) likewise; the joint of the toes, which
    stay where they lie while the foot rolls, or the tip of a foot without toes.
    """

    foot: int
    toes: int
    points: Points
    is_toe: NDArray[np.bool_]
    heel: Vector3
    ball: Vector3

    @property
    def ankle_height(self) -> float:
        """Over the floor, where the foot is flat."""
        return -float(self.heel[2])

    @property
    def length(self) -> float:
        """From the ankle to the ball."""
        return float(np.linalg.norm(self.ball))

    def ankle(self, flat: Vector3, rise: float, turn: Matrix3, yaw: Matrix3, toes_deg: float) -> Vector3:
        """(3,): where the ankle is when the foot has rolled about heel or ball. flat: where it is with a flat foot.
        turn: (3, 3), of the foot; yaw: without the roll. rise: of heel or ball above the floor. Lifted until nothing is
        below that.
        """
        found = flat - self.rolled(turn, yaw)
        lowest = float(found[2] + self.lowest(turn, toes_deg))
        floor = float(flat[2]) - self.ankle_height
        found[2] += rise + max(0.0, floor - lowest)
        return found

    def rolled(self, turn: Matrix3, yaw: Matrix3) -> Vector3:
        """(…, 3): how far a foot that has rolled about heel or ball, whichever is down, has taken its ankle along,
        backwards. turn, yaw: as of `ankle`.
        """
        pivot = np.where((turn[..., 2, 1] > 0.0)[..., None], self.ball, self.heel)
        found: Vector3 = ((turn - yaw) @ pivot[..., None])[..., 0]
        return found

    def lowest(self, turn: Matrix3, toes_deg: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """(…): the lowest point's height above the ankle. turn: (…, 3, 3). toes_deg: (…), how far down they bend."""
        up = turn[..., 2, :]
        bend_rad = np.deg2rad(toes_deg)
        cosine, sine = np.cos(bend_rad), np.sin(bend_rad)
        bent = np.stack(
            [up[..., 0], up[..., 1] * cosine + up[..., 2] * sine, up[..., 2] * cosine - up[..., 1] * sine], axis=-1
        )
        of_toes = (up @ self.ball)[..., None] + bent @ (self.points - self.ball).T
        found: NDArray[np.float64] = np.where(self.is_toe, of_toes, up @ self.points.T).min(axis=-1)
        return found


def find_soles(
    skeleton: RestSkeleton, points: Points, owners: NDArray[np.int64], parts: Mapping[str, tuple[str, str]]
) -> dict[str, Sole]:
    """By key of parts: {key: (role of the foot, role of the toes)}. points: (V, 3) of the skin at rest, in the
    character's frame. owners: (V,) the bone that carries most of each, −1 for none.
    """
    found = {}
    for key, (foot_role, toes_role) in parts.items():
        if foot_role in skeleton.by_role:
            foot = skeleton.by_role[foot_role]
            toes = skeleton.by_role.get(toes_role, -1) if toes_role else -1  # bones of no role have the role ""
            mine = np.isin(owners, [foot, toes]) & (owners >= 0)
            if mine.any():
                found[key] = _sole_of_skin(skeleton, foot, toes, points[mine], owners[mine] == toes)
            else:
                found[key] = _sole_of_bones(skeleton, foot, toes)
    return found


def _sole_of_skin(skeleton: RestSkeleton, foot: int, toes: int, points: Points, is_toe: NDArray[np.bool_]) -> Sole:
    ankle = skeleton.heads[foot]
    points = points - ankle
    low = float(points[:, 2].min())
    sole = points[points[:, 2] < low + _SOLE * max(0.0, -low)]
    heel = np.array([0.0, max(0.0, float(sole[:, 1].max())), low])
    front = float(sole[:, 1].min())
    ball = np.array([0.0, front, low])
    if toes >= 0:
        ball = skeleton.heads[toes] - ankle
    angles = np.linspace(0.0, np.pi, _DIRECTIONS)
    outwards = np.stack([np.zeros_like(angles), np.cos(angles), -np.sin(angles)])
    kept = np.unique((points @ outwards).argmax(axis=0))
    return Sole(foot, toes, points[kept], is_toe[kept], heel, ball)


def _sole_of_bones(skeleton: RestSkeleton, foot: int, toes: int) -> Sole:
    """Where no skin is known: the ends of the bones, on the floor."""
    ankle = skeleton.heads[foot]
    last = toes if toes >= 0 else foot
    low = float(skeleton.tails[last][2] - ankle[2])
    tip = np.array([*(skeleton.tails[last] - ankle)[:2], low])
    ball = skeleton.heads[toes] - ankle if toes >= 0 else tip
    heel = np.array([0.0, 0.0, low])
    return Sole(foot, toes, np.array([heel, ball, tip]), np.array([False, False, toes >= 0]), heel, ball)
