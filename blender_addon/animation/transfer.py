# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip of another skeleton on this rig, whatever pose each is at rest in; all frames at once.

Limbs: each bone's orientation is taken from the common stance (see `pose.skeleton`), so that it points where the
source's does. Trunk, head and feet turn from rest as the source's do. The hips move as the source's, times the ratio of
the legs' lengths; and so does each ankle, for which the leg bends. So what stands on the floor there stands here, also
where thigh and shin are of other proportions. An animal's four paws are planted likewise (see `paws`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..pose.rotation_arrays import Array, abouts, across, axes_angles, betweens, swings, turned, units
from ..pose.rotations import Matrix3, unit
from ..pose.skeleton import BACK, LEFT, SIDES, UP, RestSkeleton
from ..pose.solve import fill
from ..pose.standing import posed_heads
from .legs import Leg, jointed, leg_length, stand
from .motion import Motion
from .paws import PawClip, plant_paws
from .reaching import reach
from .soles import Sole
from .source import SourceClip

_SPINE = ("hips", "spine", "chest", "upperChest")
_NECK = ("neck", "neck1", "neck2", "neck3", "neck4", "head")
# A leg that is bent less than this sine keeps its knee to the front.
_STRAIGHT = 1e-4
# A foot's angle above the floor is found to less than a degree.
_HALVINGS = 8


@dataclass(frozen=True)
class Wish:
    """fps: of the scene. speed: 2 is twice as fast. in_place: the figure stays where it starts."""

    fps: float
    speed: float = 1.0
    in_place: bool = False


def transfer_clip(
    skeleton: RestSkeleton, soles: Mapping[str, Sole], source: SourceClip, wish: Wish, locals_now: Matrix3
) -> Motion:
    """Every frame of the source at the scene's frame rate. locals_now: (J, 3, 3), what bones without a partner have."""
    target = jointed(skeleton)
    standing = stand(target, soles, locals_now)
    legs = standing.legs if standing is not None else ()
    fitted = _Transfer(target, legs, replace(source, skeleton=jointed(source.skeleton)), locals_now)
    frames = max(1, round(source.seconds / wish.speed * wish.fps))
    turns, heads = source.at(np.arange(frames + 1) / frames * (len(source.turns) - 1))
    drift = _drift(source, frames) if wish.in_place else np.zeros((frames + 1, 3))
    heads = heads - (fitted.start + drift)[:, None]
    wanted = fitted.wanted(turns)
    if target.kind == "quadruped":
        clip = PawClip(fitted.source.skeleton, turns, heads)
        solved, shifts, ratio = plant_paws(target, clip, legs, wanted, locals_now)
    else:
        solved, shifts = fitted.solve(wanted, heads)
        ratio = fitted.ratio
    speed = float(np.linalg.norm(drift[-1])) * ratio / (frames / wish.fps)
    return Motion(solved, shifts, frozenset(wanted), speed)


def _drift(source: SourceClip, frames: int) -> NDArray[np.float64]:
    """(frames + 1, 3): the even way along the floor from the first frame to the last."""
    hips = source.heads[:, source.skeleton.by_role["hips"]]
    way = (hips[-1] - hips[0]) * (1.0, 1.0, 0.0)
    result: NDArray[np.float64] = np.linspace(0.0, 1.0, frames + 1)[:, None] * way
    return result


@dataclass(frozen=True, eq=False)
class _Transfer:
    target: RestSkeleton
    legs: tuple[Leg, ...]
    source: SourceClip
    locals_now: Matrix3

    @property
    def start(self) -> NDArray[np.float64]:
        """(3,): where on the floor the source's hips are at first."""
        found: NDArray[np.float64] = self.source.heads[0, self.source.skeleton.by_role["hips"]] * (1.0, 1.0, 0.0)
        return found

    @property
    def ratio(self) -> float:
        """The target's legs over the source's."""
        return sum(self._leg_ratio(side) for side in SIDES) / len(SIDES)

    def wanted(self, turns: Array) -> dict[int, Array]:
        """(F, 3, 3) by bone: the turns, before the legs reach. turns: (F, J, 3, 3) of the source."""
        source, target = self.source.skeleton, self.target
        found = {
            bone: turns[:, source.by_role[role]] @ (source.stances[source.by_role[role]] @ target.stances[bone].T)
            for role, bone in target.by_role.items()
            if role in source.by_role
        }
        return found | self._chain(_SPINE, turns) | self._chain(_NECK, turns)

    def solve(self, wanted: dict[int, Array], heads: Array) -> tuple[Array, Array]:
        """Turns (F, J, 3, 3) and the hips' shifts, (F, 3). heads: (F, J, 3) of the source, from where it starts."""
        target, source = self.target, self.source.skeleton
        at_hips = target.by_role["hips"]
        hips = self.ratio * heads[:, source.by_role["hips"]] + target.heads[at_hips] * (1.0, 1.0, 0.0)
        ankles = {
            leg.key: self._leg_ratio(leg.side)
            * (heads[:, source.by_role[leg.key]] - heads[:, source.by_role[target.roles[leg.upper]]])
            for leg in self.legs
            if leg.key in source.by_role
        }
        hips = hips + self._lift(wanted, hips, ankles) * UP
        locals_now = np.broadcast_to(self.locals_now, (len(hips), *self.locals_now.shape))
        placed = posed_heads(target, fill(target, wanted, locals_now))
        shifts = hips - placed[:, at_hips]
        for leg in self.legs:
            if leg.key in ankles:
                self._reach(wanted, leg, placed[:, leg.upper] + shifts, ankles[leg.key])
        return fill(target, wanted, locals_now), shifts

    def _lift(self, wanted: Mapping[int, Array], hips: Array, ankles: Mapping[str, Array]) -> float:
        """How much higher the hips must be for the lowest ankle of all frames to be as high as one that stands."""
        at_hips = self.target.by_role["hips"]
        if not ankles:
            return float(self.target.heads[at_hips][2] - hips[0, 2])
        needed = []
        for leg in (leg for leg in self.legs if leg.key in ankles):
            hip = wanted[at_hips] @ (self.target.heads[leg.upper] - self.target.heads[at_hips])
            needed.append(float(leg.flat[2] - (hips + hip + ankles[leg.key])[:, 2].min()))
        return max(needed)

    def _reach(self, wanted: dict[int, Array], leg: Leg, hips: Array, ankles: Array) -> None:
        """Swing thigh and shin so that the ankle is there, and its foot so that none of it is below the floor. hips:
        (F, 3), the leg's joint. ankles: (F, 3) from there.
        """
        ankles = ankles + self._set_down(wanted, leg, (hips + ankles)[:, 2])[:, None] * UP
        upper = turned(wanted[leg.upper], self._rest(leg.upper))
        along = units(ankles)
        aside = across(upper, along)
        front = across(wanted[self.target.by_role["hips"]] @ -BACK, along)
        is_straight = np.linalg.norm(aside, axis=1, keepdims=True) < _STRAIGHT
        reach(wanted, self.target, leg, ankles, np.where(is_straight, front, aside))

    def _set_down(self, wanted: dict[int, Array], leg: Leg, heights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn feet that would be below the floor as much flatter as they need. heights: (F,) of the ankle. Returns
        (F,): how much higher the ankle must be where even the flat foot is below.
        """
        sole = leg.sole
        foot, toes = wanted[sole.foot], wanted.get(sole.toes, wanted[sole.foot])
        bent = np.swapaxes(foot, 1, 2) @ toes
        bend_deg = np.rad2deg(np.arctan2(-bent[:, 1, 2], bent[:, 2, 2]))
        depths = heights - (float(leg.flat[2]) - sole.ankle_height)
        lifts = np.zeros(len(heights))
        low = np.flatnonzero(sole.lowest(foot, bend_deg) + depths < 0.0)
        if not len(low):
            return lifts
        foot, toes, bend_deg, depths = foot[low], toes[low], bend_deg[low], depths[low]
        sideways = units(foot @ LEFT * (1.0, 1.0, 0.0))
        flat = swings(np.broadcast_to(LEFT, sideways.shape), sideways)
        axes, angles_rad = axes_angles(flat @ np.swapaxes(foot, 1, 2))
        less, more = np.zeros(len(low)), np.ones(len(low))
        for _ in range(_HALVINGS):
            shares = (less + more) / 2
            turns = abouts(axes, shares * angles_rad) @ foot
            is_below = sole.lowest(turns, (1.0 - shares) * bend_deg) + depths < 0.0
            less, more = np.where(is_below, shares, less), np.where(is_below, more, shares)
        wanted[sole.foot][low] = turns
        if sole.toes in wanted:
            wanted[sole.toes][low] = betweens(turns @ np.swapaxes(foot, 1, 2) @ toes, turns, shares)
        lifts[low] = np.where(more == 1.0, np.maximum(0.0, sole.ankle_height - depths), 0.0)
        return lifts

    def _chain(self, roles: tuple[str, ...], turns: Array) -> dict[int, Array]:
        """A chain of another count of bones: each as far along the source's as it is along its own."""
        source, target = self.source.skeleton, self.target
        given = [turns[:, source.by_role[role]] for role in roles if role in source.by_role]
        asked = [target.by_role[role] for role in roles if role in target.by_role]
        if not given:
            return {}
        found = {}
        for place, bone in enumerate(asked):
            where = place / max(1, len(asked) - 1) * (len(given) - 1) if len(asked) > 1 else len(given) - 1
            low = min(int(where), len(given) - 1)
            high = min(low + 1, len(given) - 1)
            found[bone] = betweens(given[low], given[high], where - low)
        return found

    def _leg_ratio(self, side: str) -> float:
        return leg_length(self.target, side, "") / leg_length(self.source.skeleton, side, "")

    def _rest(self, bone: int) -> Array:
        return unit(self.target.tails[bone] - self.target.heads[bone])
