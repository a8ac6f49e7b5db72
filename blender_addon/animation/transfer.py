# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip of another skeleton on this rig, whatever pose each is at rest in.

Limbs: each bone's orientation is taken from the common stance (see `pose.skeleton`), so that it points where the
source's does. Trunk, head and feet turn from rest as the source's do. The hips move as the source's, times the ratio of
the legs' lengths; and so does each ankle, for which the leg bends. So what stands on the floor there stands here, also
where thigh and shin are of other proportions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pose.rotations import Matrix3, Vector3, between, swing, unit
from ..pose.skeleton import BACK, LEFT, SIDES, UP, RestSkeleton, sided
from ..pose.solve import fill
from ..pose.standing import posed_heads
from .legs import Leg, jointed, stand
from .motion import Motion
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
    fitted = _Transfer(target, legs, SourceClip(jointed(source.skeleton), source.turns, source.heads, source.fps))
    frames = max(1, round(source.seconds / wish.speed * wish.fps))
    moments = [source.at(frame / frames * (len(source.turns) - 1)) for frame in range(frames + 1)]
    drift = fitted.drift(source, frames) if wish.in_place else np.zeros((frames + 1, 3))
    rough = [fitted.rough(*moment, away) for moment, away in zip(moments, drift, strict=True)]
    lift = fitted.lift(rough)
    solved = [fitted.solve(moment, lift, locals_now) for moment in rough]
    turns, shifts = (np.array(part) for part in zip(*solved, strict=True))
    speed = float(np.linalg.norm(drift[-1])) * fitted.ratio / (frames / wish.fps)
    return Motion(turns, shifts, frozenset(rough[0].wanted), speed)


@dataclass(frozen=True, eq=False)
class _Rough:
    """A frame before its legs reach. wanted: turns by bone. hips: (3,) where they are, but for the floor's height.
    ankles: by foot's role, (3,) from the hip joint.
    """

    wanted: Mapping[int, Matrix3]
    hips: Vector3
    ankles: Mapping[str, Vector3]


@dataclass(frozen=True, eq=False)
class _Transfer:
    target: RestSkeleton
    legs: tuple[Leg, ...]
    source: SourceClip

    @property
    def ratio(self) -> float:
        """The target's legs over the source's."""
        parts = ("backUpperLeg", "backLowerLeg") if self.target.kind == "quadruped" else ("upperLeg", "lowerLeg")
        sides = [[self.target.by_role[sided(part, side)] for part in parts] for side in SIDES]
        return sum(self._leg_ratio(*bones) for bones in sides) / len(sides)

    def _leg_ratio(self, *bones: int) -> float:
        """The length of these bones of the target, over that of the source's of the same roles."""
        source = self.source.skeleton
        theirs = [source.by_role[self.target.roles[bone]] for bone in bones]
        lengths = [
            sum(float(np.linalg.norm(body.tails[bone] - body.heads[bone])) for bone in chain)
            for body, chain in ((self.target, bones), (source, theirs))
        ]
        return lengths[0] / lengths[1]

    def drift(self, source: SourceClip, frames: int) -> NDArray[np.float64]:
        """(frames + 1, 3): the even way along the floor from the first frame to the last."""
        hips = source.heads[:, source.skeleton.by_role["hips"]]
        way = (hips[-1] - hips[0]) * (1.0, 1.0, 0.0)
        result: NDArray[np.float64] = np.linspace(0.0, 1.0, frames + 1)[:, None] * way
        return result

    def rough(self, turns: Matrix3, heads: NDArray[np.float64], away: Vector3) -> _Rough:
        """turns: (J, 3, 3), heads: (J, 3) of the source. away: (3,) that the source has gone and shall not."""
        source, target = self.source.skeleton, self.target
        wanted = {
            bone: turns[source.by_role[role]] @ source.stances[source.by_role[role]] @ target.stances[bone].T
            for role, bone in target.by_role.items()
            if role in source.by_role
        }
        wanted |= self._chain(_SPINE, turns) | self._chain(_NECK, turns)
        hips = source.by_role["hips"]
        start = self.source.heads[0, hips] * (1.0, 1.0, 0.0)
        where = self.ratio * (heads[hips] - start - away)
        where = where + target.heads[target.by_role["hips"]] * (1.0, 1.0, 0.0)
        ankles = {
            leg.key: self._leg_ratio(leg.upper, leg.lower)
            * (heads[source.by_role[leg.key]] - heads[source.by_role[target.roles[leg.upper]]])
            for leg in self.legs
            if leg.key in source.by_role and not leg.end
        }
        return _Rough(wanted, where, ankles)

    def lift(self, frames: list[_Rough]) -> float:
        """How much higher the hips must be for the lowest ankle of all frames to be as high as one that stands."""
        if not frames[0].ankles:
            hips = self.target.heads[self.target.by_role["hips"]][2]
            return float(hips - frames[0].hips[2])
        needed = []
        for leg in self.legs:
            heights = [(frame.hips + self._hip(frame, leg) + frame.ankles[leg.key])[2] for frame in frames]
            needed.append(float(leg.flat[2] - min(heights)))
        return max(needed)

    def solve(self, frame: _Rough, lift: float, locals_now: Matrix3) -> tuple[Matrix3, Vector3]:
        """Turns (J, 3, 3) and the shift of the hips, (3,)."""
        wanted = dict(frame.wanted)
        hips = self.target.by_role["hips"]
        shift = frame.hips + lift * UP - self.target.heads[hips]
        placed = fill(self.target, wanted, locals_now)
        heads = posed_heads(self.target, placed)
        shift = shift - (heads[hips] - self.target.heads[hips])
        for leg in self.legs:
            if leg.key in frame.ankles:
                self._reach(wanted, leg, heads[leg.upper] + shift, frame.ankles[leg.key])
        return fill(self.target, wanted, locals_now), shift

    def _reach(self, wanted: dict[int, Matrix3], leg: Leg, hip: Vector3, ankle: Vector3) -> None:
        """Swing thigh and shin so that the ankle is there, and its foot so that none of it is below the floor."""
        ankle = ankle + self._set_down(wanted, leg, float((hip + ankle)[2])) * UP
        first, second, _ = leg.lengths
        distance = float(np.clip(np.linalg.norm(ankle), abs(first - second) * 1.01, (first + second) * 0.9999))
        along = unit(ankle)
        upper, lower = (wanted[bone] @ self._rest(bone) for bone in (leg.upper, leg.lower))
        aside = upper - (upper @ along) * along
        if np.linalg.norm(aside) < _STRAIGHT:
            front = wanted[self.target.by_role["hips"]] @ -BACK
            aside = front - (front @ along) * along
        cosine = (first**2 + distance**2 - second**2) / (2.0 * first * distance)
        aim = cosine * along + np.sqrt(max(0.0, 1.0 - cosine**2)) * unit(aside)
        wanted[leg.upper] = swing(upper, aim) @ wanted[leg.upper]
        wanted[leg.lower] = swing(lower, unit(distance * along - first * aim)) @ wanted[leg.lower]

    def _set_down(self, wanted: dict[int, Matrix3], leg: Leg, height: float) -> float:
        """Turn a foot that would be below the floor as much flatter as it needs. height: of its ankle. Returns how much
        higher the ankle must be where even the flat foot is below.
        """
        foot, sole = wanted[leg.sole.foot], leg.sole
        toes = wanted.get(sole.toes, foot)
        bend_deg = float(np.rad2deg(np.arctan2(-(foot.T @ toes)[1, 2], (foot.T @ toes)[2, 2])))
        depth = height - (float(leg.flat[2]) - sole.ankle_height)
        flat = swing(LEFT, unit(foot @ LEFT * (1.0, 1.0, 0.0)))
        turned, less, more = foot, 0.0, 1.0
        if float(sole.turned(foot, bend_deg)[:, 2].min()) + depth >= 0.0:
            return 0.0
        for _ in range(_HALVINGS):
            share = (less + more) / 2
            turned = between(foot, flat, share)
            is_below = float(sole.turned(turned, (1.0 - share) * bend_deg)[:, 2].min()) + depth < 0.0
            less, more = (share, more) if is_below else (less, share)
        wanted[sole.foot] = turned
        if sole.toes in wanted:
            wanted[sole.toes] = between(turned @ foot.T @ toes, turned, share)
        return max(0.0, sole.ankle_height - depth) if more == 1.0 else 0.0

    def _hip(self, frame: _Rough, leg: Leg) -> Vector3:
        """(3,): from the hips to the leg's joint."""
        hips = self.target.by_role["hips"]
        result: Vector3 = frame.wanted[hips] @ (self.target.heads[leg.upper] - self.target.heads[hips])
        return result

    def _chain(self, roles: tuple[str, ...], turns: Matrix3) -> dict[int, Matrix3]:
        """A chain of another count of bones: each as far along the source's as it is along its own."""
        source, target = self.source.skeleton, self.target
        given = [turns[source.by_role[role]] for role in roles if role in source.by_role]
        asked = [target.by_role[role] for role in roles if role in target.by_role]
        if not given:
            return {}
        found = {}
        for place, bone in enumerate(asked):
            where = place / max(1, len(asked) - 1) * (len(given) - 1) if len(asked) > 1 else len(given) - 1
            low = min(int(where), len(given) - 1)
            high = min(low + 1, len(given) - 1)
            found[bone] = between(given[low], given[high], where - low)
        return found

    def _rest(self, bone: int) -> Vector3:
        return unit(self.target.tails[bone] - self.target.heads[bone])
