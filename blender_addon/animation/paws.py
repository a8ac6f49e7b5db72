# SPDX-License-Identifier: GPL-3.0-or-later
"""Another animal's clip on four legs: every paw goes the file's way, so that what stands there stands here.

All four ways are the file's times one ratio, the smaller of front and back legs' lengths, and each is moved as a whole
to below its own leg. So paws that stand still in the file stand still here, whatever trunk and legs are like. The trunk
is pitched, all the time alike, until shoulders and hips are as high above their paws as the legs' lengths ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..pose.rotation_arrays import Array, across, swings, turned, units
from ..pose.rotations import Matrix3, about, swing, unit
from ..pose.skeleton import BACK, LEFT, UP, RestSkeleton
from ..pose.solve import fill
from ..pose.standing import posed_heads
from .legs import Leg, leg_length
from .reaching import reach

_TRUNK = ("hips", "spine", "chest", "upperChest")
# The trunk's pitch, found to less than a hundredth of a degree on so many of the frames.
_MOST_PITCH_deg, _HALVINGS, _PITCH_FRAMES = 45.0, 13, 24
# Paws that come no nearer to where the others' floor is, in leg lengths, are not on it: the animal begs.
_OFF_FLOOR = 0.3
# How much a straight leg's knee keeps to its usual side, against a leg that is bent by as much a sine.
_USUAL_SIDE = 0.02


@dataclass(frozen=True, eq=False)
class PawClip:
    """The source, all frames. turns: (F, J, 3, 3) from rest. heads: (F, J, 3), from where it starts."""

    skeleton: RestSkeleton
    turns: Array
    heads: Array


@dataclass(frozen=True, eq=False)
class _Tread:
    """A paw's way in the source, of which no skin is known: it rolls as the target's does. ratio: of its leg's length.
    hip, flat: (F, 3), where the leg begins, and where the ankle would be if the paw had not rolled. yaw: (F, 3, 3), the
    paw's turn without the roll. rest_height: the ankle's.
    """

    leg: Leg
    ratio: float
    length: float
    hip: Array
    flat: Array
    yaw: Array
    rest_height: float


def plant_paws(
    target: RestSkeleton, clip: PawClip, legs: Sequence[Leg], wanted: dict[int, Array], locals_now: Matrix3
) -> tuple[Array, Array, float]:
    """Turns (F, J, 3, 3), the hips' shifts (F, 3), and the ratio of the ways. wanted: (F, 3, 3) by bone, changed; paws
    that the source does not know are left as they are.
    """
    treads = [_read_tread(clip, leg, target) for leg in legs if leg.key in clip.skeleton.by_role]
    at_hips = target.by_role["hips"]
    ratio = min((tread.ratio for tread in treads), default=_ratio(target, clip.skeleton, "left", "back"))
    hips = ratio * clip.heads[:, clip.skeleton.by_role["hips"]] + target.heads[at_hips] * (1.0, 1.0, 0.0)
    frames_locals = np.broadcast_to(locals_now, (len(hips), *locals_now.shape))
    if not treads:
        hips[:, 2] += target.heads[at_hips][2] - hips[0, 2]
        turns = fill(target, wanted, frames_locals)
        return turns, hips - posed_heads(target, turns)[:, at_hips], ratio
    floors = _floors(treads)
    heights = _joint_heights(treads, floors)
    if len(heights) == 2:
        _level(target, treads, wanted, frames_locals, heights["front"] - heights["back"])
    placed = posed_heads(target, fill(target, wanted, frames_locals))
    shifts = hips - placed[:, at_hips]
    end = max(heights, key=lambda key: key == "back")
    shifts[:, 2] = heights[end] - np.mean([placed[:, tread.leg.upper, 2] for tread in treads if tread.leg.end == end])
    shifts[:, 2] += hips[:, 2] - hips[:, 2].mean()
    ways = [_way(tread, ratio, placed[:, tread.leg.upper] + shifts, floors, wanted) for tread in treads]
    hocks = [way - _shank(tread, target, wanted) for tread, way in zip(treads, ways, strict=True)]
    joints = [placed[:, tread.leg.upper] + shifts for tread in treads]
    drop = max(_too_far(tread.leg, hock - joint) for tread, hock, joint in zip(treads, hocks, joints, strict=True))
    for tread, hock, joint in zip(treads, hocks, joints, strict=True):
        ends = hock - joint + drop * UP
        reach(wanted, target, tread.leg, ends, _knee(target, tread.leg, wanted, ends))
    return fill(target, wanted, frames_locals), shifts - drop * UP, ratio


def _ratio(target: RestSkeleton, source: RestSkeleton, side: str, end: str) -> float:
    return leg_length(target, side, end) / leg_length(source, side, end)


def _read_tread(clip: PawClip, leg: Leg, target: RestSkeleton) -> _Tread:
    source = clip.skeleton
    paw, upper = source.by_role[leg.key], source.by_role[target.roles[leg.upper]]
    ratio = _ratio(target, source, leg.side, leg.end)
    turn = clip.turns[:, paw]
    sideways = units(turn @ LEFT * (1.0, 1.0, 0.0))
    yaw = swings(np.broadcast_to(LEFT, sideways.shape), sideways)
    flat = clip.heads[:, paw] + leg.sole.rolled(turn, yaw) / ratio
    length = leg_length(source, leg.side, leg.end)
    return _Tread(leg, ratio, length, clip.heads[:, upper], flat, yaw, float(source.heads[paw][2]))


def _floors(treads: Sequence[_Tread]) -> dict[str, float]:
    """By foot's role: how high an ankle of the source is that stands."""
    lowest = {tread.leg.key: float(tread.flat[:, 2].min()) for tread in treads}
    down = min(lowest[tread.leg.key] - tread.rest_height for tread in treads)
    at_rest = {tread.leg.key: tread.rest_height + down for tread in treads}
    is_down = {
        tread.leg.key: lowest[tread.leg.key] - at_rest[tread.leg.key] < _OFF_FLOOR * tread.length for tread in treads
    }
    return {key: lowest[key] if is_down[key] else at_rest[key] for key in lowest}


def _joint_heights(treads: Sequence[_Tread], floors: Mapping[str, float]) -> dict[str, float]:
    """By end: how high the joints are, on the mean, from which the target's legs begin."""
    found = {
        end: [
            tread.leg.flat[2] + tread.ratio * (tread.hip[:, 2].mean() - floors[tread.leg.key])
            for tread in treads
            if tread.leg.end == end
        ]
        for end in ("front", "back")
    }
    return {end: float(np.mean(heights)) for end, heights in found.items() if heights}


def _level(
    target: RestSkeleton, treads: Sequence[_Tread], wanted: dict[int, Array], frames_locals: Array, rise: float
) -> None:
    """Pitch the trunk until the shoulders are so much higher than the hips, on the mean."""
    bones = [target.by_role[role] for role in _TRUNK if role in target.by_role and target.by_role[role] in wanted]
    some = np.unique(np.linspace(0, len(frames_locals) - 1, _PITCH_FRAMES).astype(np.int64))
    seen = {bone: turns[some] for bone, turns in wanted.items()}
    low, high = -_MOST_PITCH_deg, _MOST_PITCH_deg
    for _ in range(_HALVINGS):
        pitch = about(LEFT, np.deg2rad((low + high) / 2))
        pitched = seen | {bone: seen[bone] @ pitch for bone in bones}
        heads = posed_heads(target, fill(target, pitched, frames_locals[some]))
        means = {
            end: np.mean([heads[:, tread.leg.upper, 2] for tread in treads if tread.leg.end == end])
            for end in ("front", "back")
        }
        is_high = means["front"] - means["back"] > rise
        low, high = ((low + high) / 2, high) if is_high else (low, (low + high) / 2)
    for bone in bones:
        wanted[bone] = wanted[bone] @ pitch


def _way(tread: _Tread, ratio: float, joint: Array, floors: Mapping[str, float], wanted: Mapping[int, Array]) -> Array:
    """(F, 3): where the ankle is. joint: (F, 3), where the leg begins."""
    leg = tread.leg
    below = joint + tread.ratio * (tread.flat - tread.hip) - ratio * tread.flat
    aside = turned(np.swapaxes(tread.yaw, 1, 2), below).mean(axis=0) * (1.0, 1.0, 0.0)
    flat = ratio * tread.flat + tread.yaw @ aside
    flat[:, 2] = leg.flat[2] + ratio * (tread.flat[:, 2] - floors[leg.key])
    turn = wanted[leg.sole.foot]
    ankle = flat - leg.sole.rolled(turn, tread.yaw)
    floor = leg.flat[2] - leg.sole.ankle_height
    ankle[:, 2] += np.maximum(0.0, floor - ankle[:, 2] - leg.sole.lowest(turn, 0.0))
    return ankle


def _shank(tread: _Tread, target: RestSkeleton, wanted: dict[int, Array]) -> Array:
    """(F, 3): from the hock to the ankle; of a source without such a bone as it stands."""
    leg = tread.leg
    if leg.shank < 0:
        return np.zeros_like(tread.flat)
    along = target.tails[leg.shank] - target.heads[leg.shank]
    if leg.shank not in wanted:
        wanted[leg.shank] = tread.yaw @ swing(unit(along), leg.shank_stands)
    return turned(wanted[leg.shank], along)


def _too_far(leg: Leg, ends: Array) -> float:
    """How much lower the body must be for this leg to reach; 0 where it does."""
    down = np.sqrt(np.maximum(0.0, leg.reach**2 - (ends[:, :2] ** 2).sum(axis=1)))
    return max(0.0, float((-ends[:, 2] - down).max()))


def _knee(target: RestSkeleton, leg: Leg, wanted: Mapping[int, Array], ends: Array) -> Array:
    """(F, 3), across the way to the leg's end: where its knee is, on the side on which it is in the source."""
    along = units(ends)
    bones = (leg.upper, leg.lower)
    first, second = (turned(wanted[bone], target.tails[bone] - target.heads[bone]) for bone in bones)
    said = units(first + second)
    bent = turned(swings(said, along), across(units(first), said))
    usual = wanted[target.by_role["hips"]] @ (BACK if leg.end == "front" else -BACK)
    return bent + _USUAL_SIDE * across(usual, along)
