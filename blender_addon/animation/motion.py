# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip fitted to one rig: the turn of every bone at every frame.

Feet come first. Where each is told, the hips follow their channel, and each leg bends so that its ankle is where the
foot has it. While a foot stands, its floor goes backwards evenly, as a treadmill does; it rolls about its heel while
its toes are up and about its ball while they are down. Where a leg would be too short, the whole body is as much lower,
all the time, so that nothing jerks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..pose.library import BodyPose, Numbers
from ..pose.rotations import Matrix3, Vector3, about, lean, mirrored
from ..pose.skeleton import BACK, LEFT, SIDES, UP, RestSkeleton
from ..pose.solve import body_turns, fill
from ..pose.standing import lift_to_floor, posed_heads
from .clips import Clip, Gait
from .curves import hermite
from .legs import Leg, Stand, jointed, stand
from .soles import Sole

# Toes lie flat until the foot is so far above the floor, in leg lengths, and bend at most so far.
_TOES_FREE, _MOST_TOES_deg = 0.15, 60.0
# A leg so many times as long as its foot, or longer, rolls it as far as the clip says; a shorter one less.
_SLENDER = 4.0
# An ankle rises unhindered so far below its hip, in leg lengths, and never further than the second.
_FOLDED = (0.3, 0.55)
# How much of its growth a swelling body loses across: half, as its bulk stays.
_ACROSS = -0.5
_BODY_PARTS = ("hips", "trunk", "head", "tail")


@dataclass(frozen=True, eq=False)
class Motion:
    """F frames, the last like the first. turns: (F, J, 3, 3) from rest. shifts: (F, 3) of the hips. driven: the bones
    that the clip moves. speed: how fast the floor goes by, in the rig's units a second. swells: (F,) how much the whole
    grows upwards.
    """

    turns: NDArray[np.float64]
    shifts: NDArray[np.float64]
    driven: frozenset[int]
    speed: float = 0.0
    swells: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Pace:
    """frames: in one cycle. amplitude: 1 as the clip says. seconds: of one cycle."""

    frames: int
    amplitude: float
    seconds: float


def fit_clip(skeleton: RestSkeleton, soles: Mapping[str, Sole], clip: Clip, pace: Pace, locals_now: Matrix3) -> Motion:
    """One cycle and its first frame again. locals_now: (J, 3, 3), what bones that the clip leaves alone have."""
    if clip.sway is not None:
        return _swaying(skeleton, clip, pace)
    skeleton = jointed(skeleton)
    player = _Player(skeleton, stand(skeleton, soles, locals_now), clip, pace.amplitude, locals_now)
    moments = [player.moment(frame / pace.frames) for frame in range(pace.frames)]
    drop = max(0.0, *(player.too_far(moment) for moment in moments))
    solved = [player.solve(moment, drop) for moment in moments]
    solved.append(solved[0])
    turns, shifts = (np.array(part) for part in zip(*solved, strict=True))
    return Motion(turns, shifts, player.driven, player.ground_per_cycle / pace.seconds)


@dataclass(frozen=True, eq=False)
class _Moment:
    """One frame without its legs. pose: of the body. hips: (3,) their shift. ankles, shanks: (3,) by foot."""

    pose: BodyPose
    hips: Vector3
    ankles: Mapping[str, Vector3]
    shanks: Mapping[str, Vector3]
    heads: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Player:
    skeleton: RestSkeleton
    stand: Stand | None
    clip: Clip
    amplitude: float
    locals_now: Matrix3

    @property
    def driven(self) -> frozenset[int]:
        """Bones that are in any part that the clip has."""
        pose = self.moment(0.0).pose
        return frozenset(body_turns(self.skeleton, pose))

    @property
    def ground_per_cycle(self) -> float:
        """How far the floor goes back under a gait, in the rig's units."""
        if self.stand is None or not self.clip.gaits:
            return 0.0
        gait = next(iter(self.clip.gaits.values()))
        return self.amplitude * gait.stride / gait.stance * self.stand.leg_length

    def moment(self, phase: float) -> _Moment:
        """Where body and feet are."""
        centre = self.clip.centre_at(phase, self.amplitude)
        sides = {side: self.clip.side_at(side, phase, self.amplitude) for side in SIDES}
        shift = centre.get("shift", np.zeros(3))
        parts = {part: tuple(centre[part].tolist()) for part in _BODY_PARTS if part in centre}
        given = {side: {part: tuple(numbers.tolist()) for part, numbers in sides[side].items()} for side in SIDES}
        ankles, shanks = {}, {}
        hips = np.zeros(3)
        if self.stand is not None:
            parts = _pitched(parts, self.stand.pose)
            hips = self.stand.shift + self.stand.leg_length * shift * (1.0, -1.0, 1.0)
            for leg in self._reaching(given):
                placed = self._place(leg, phase, float(shift[2]), sides[leg.side])
                ankles[leg.key], shanks[leg.key] = placed.ankle, placed.shank
                given[leg.side] |= placed.parts
        pose = BodyPose(self.clip.key, "", "", parts, given["left"], given["right"])
        turns = fill(self.skeleton, body_turns(self.skeleton, pose), self.locals_now)
        return _Moment(pose, hips, ankles, shanks, posed_heads(self.skeleton, turns) + hips)

    def too_far(self, moment: _Moment) -> float:
        """How much lower the hips must be for every leg to reach its foot; 0 where all do."""
        needed = [0.0]
        for leg in self._reaching({}):
            if leg.key in moment.ankles:
                end = moment.ankles[leg.key] - leg.lengths[2] * moment.shanks[leg.key] - moment.heads[leg.upper]
                aside = float(np.hypot(end[0], end[1]))
                needed.append(-float(end[2]) - np.sqrt(max(0.0, leg.reach**2 - aside**2)))
        return max(needed)

    def solve(self, moment: _Moment, drop: float) -> tuple[Matrix3, Vector3]:
        """Turns (J, 3, 3) and the shift of the hips, (3,)."""
        sides: dict[str, dict[str, Numbers]] = {"left": dict(moment.pose.left), "right": dict(moment.pose.right)}
        front = lean(0.0, 0.0, moment.pose.centre.get("hips", (0.0, 0.0, 0.0))[2]) @ -BACK
        for leg in self._reaching({}):
            if leg.key in moment.ankles:
                hip = moment.heads[leg.upper] - drop * UP
                sides[leg.side] |= leg.bend(hip, moment.ankles[leg.key], moment.shanks[leg.key], front)
        pose = replace(moment.pose, left=sides["left"], right=sides["right"])
        turns = fill(self.skeleton, body_turns(self.skeleton, pose), self.locals_now)
        if moment.ankles:
            return turns, moment.hips - drop * UP
        return turns, lift_to_floor(self.skeleton, turns, 0.0)

    def _reaching(self, given: Mapping[str, Mapping[str, Numbers]]) -> list[Leg]:
        """Legs of which no direction is said."""
        legs = self.stand.legs if self.stand is not None else ()
        return [leg for leg in legs if leg.part("UpperLeg") not in given.get(leg.side, {})]

    def _place(self, leg: Leg, phase: float, up: float, numbers: Mapping[str, NDArray[np.float64]]) -> _Placed:
        """Where a leg's foot is. up: how high the hips are, in leg lengths. numbers: of its side's channels."""
        length = self.stand.leg_length if self.stand is not None else 0.0
        foot = "foot" if not leg.end else f"{leg.end}Paw"
        step = numbers.get(f"{leg.end}Step" if leg.end else "step", np.zeros(3))
        roll = numbers.get(foot, np.zeros(3))
        shank_deg = 0.0
        gait = self.clip.gaits.get(leg.end or "foot")
        if gait is not None:
            step, down_deg, shank_deg = _tread(gait, leg.side, phase, self.amplitude, step)
            roll = roll + np.array([down_deg, 0.0, 0.0])
        roll = roll * (min(1.0, length / (_SLENDER * leg.sole.length)), 1.0, 1.0)
        rolled = _roll(leg, length, step, roll)
        rise = float(rolled.ankle[2] - leg.flat[2]) / length
        if rise > _FOLDED[0] + up:
            # Less of all, so that the leg can fold and the toes stay above the floor.
            less = _folded(rise, up) / rise
            rolled = _roll(leg, length, step * (1.0, 1.0, less), roll * (less, 1.0, 1.0))
        shank = about(LEFT, np.deg2rad(-shank_deg)) @ leg.shank_stands
        parts = {foot: tuple(rolled.roll.tolist())} | ({} if leg.end else {"toes": (rolled.toes_deg,)})
        return _Placed(rolled.ankle, shank, parts)


@dataclass(frozen=True, eq=False)
class _Placed:
    ankle: Vector3
    shank: Vector3
    parts: Mapping[str, Numbers]


@dataclass(frozen=True, eq=False)
class _Rolled:
    """A foot in its place. roll: (3,) degrees."""

    ankle: Vector3
    roll: NDArray[np.float64]
    toes_deg: float


def _roll(leg: Leg, length: float, step: NDArray[np.float64], roll: NDArray[np.float64]) -> _Rolled:
    """length: what steps count in."""
    toes_deg = -float(np.clip(roll[0], 0.0, _MOST_TOES_deg)) * max(0.0, 1.0 - step[2] / _TOES_FREE)
    turn, yaw = lean(*roll), lean(0.0, 0.0, roll[2])
    out, front, up = step
    if leg.side == "right":
        turn, yaw, out = mirrored(turn), mirrored(yaw), -out
    flat = leg.flat + length * np.array([out, -front, 0.0])
    return _Rolled(leg.sole.ankle(flat, length * up, turn, yaw, toes_deg), roll, toes_deg)


def _tread(
    gait: Gait, side: str, phase: float, amplitude: float, step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """The foot's step (3,), its pitch and its shank's lean in degrees. step: what the channels say, which is added."""
    own = (phase - gait.starts[side]) % 1.0
    half = amplitude * gait.stride / 2.0
    if own <= gait.stance:
        front = half * (1.0 - 2.0 * own / gait.stance)
    else:
        # It leaves the floor, and comes back to it, as fast as the floor goes: so it does not drag.
        share = (own - gait.stance) / (1.0 - gait.stance)
        slope = np.array([-2.0 * half / gait.stance * (1.0 - gait.stance)])
        front = float(hermite(share, (np.array([-half]), np.array([half])), (slope, slope))[0])
    rise = amplitude * float(gait.rise.at(own)[0])
    pitch_deg, shank_deg = (amplitude * float(curve.at(own)[0]) for curve in (gait.pitch_deg, gait.shank_deg))
    return step + np.array([0.0, front, rise]), pitch_deg, shank_deg


def _folded(rise: float, up: float) -> float:
    """How high an ankle may be above where it stands, in leg lengths; up: of the hips."""
    free, most = (limit + up for limit in _FOLDED)
    return free + (most - free) * float(np.tanh((rise - free) / (most - free)))


def _pitched(parts: Mapping[str, Numbers], standing: BodyPose) -> dict[str, Numbers]:
    """What the clip says of hips, trunk and head, from how the body stands."""
    found = dict(parts)
    for part in ("hips", "trunk", "head"):
        stands = standing.centre.get(part, (0.0, 0.0, 0.0))
        said = found.get(part)
        if said is not None:
            found[part] = tuple(one + other for one, other in zip(said, stands, strict=True))
        elif part in standing.centre:
            found[part] = stands
    return found


def _swaying(skeleton: RestSkeleton, clip: Clip, pace: Pace) -> Motion:
    """Every chain sways from its start to its end, and the whole swells; the first bone stays."""
    depths, lengths = _chains(skeleton)
    moving = frozenset(bone for bone, parent in enumerate(skeleton.parents) if parent >= 0)
    frames = []
    for frame in [*range(pace.frames), 0]:
        locals_then = np.tile(np.eye(3), (len(skeleton.names), 1, 1))
        for bone in moving:
            share = depths[bone] / lengths[bone]
            phase = frame / pace.frames - clip.lag * share
            forward_deg, left_deg = pace.amplitude * clip.sway.at(phase) / lengths[bone]  # type: ignore[union-attr]
            locals_then[bone] = lean(float(forward_deg), float(left_deg), 0.0)
        frames.append(fill(skeleton, {}, locals_then))
    swells = np.zeros(len(frames))
    if clip.swell is not None:
        swells[:-1] = [pace.amplitude * float(clip.swell.at(frame / pace.frames)[0]) for frame in range(pace.frames)]
        swells[-1] = swells[0]
    return Motion(np.array(frames), np.zeros((len(frames), 3)), moving, 0.0, swells)


def _chains(skeleton: RestSkeleton) -> tuple[list[int], list[int]]:
    """By bone: how many bones are before it up to the root, and how many its longest chain has with it."""
    depths: list[int] = []
    below = [0] * len(skeleton.names)
    for parent in skeleton.parents:
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
    for bone in reversed(range(len(skeleton.names))):
        parent = skeleton.parents[bone]
        if parent >= 0:
            below[parent] = max(below[parent], below[bone] + 1)
    return depths, [max(1, depth + under) for depth, under in zip(depths, below, strict=True)]


def swell_axes(rests: Matrix3, swell: float) -> NDArray[np.float64]:  # rests: (J, 3, 3), the character's frame
    """(J, 3): the scale along each bone's own axes when the whole grows upwards by so much."""
    upright = rests[:, 2, :] ** 2
    result: NDArray[np.float64] = 1.0 + swell * (upright + _ACROSS * (1.0 - upright))
    return result
