# SPDX-License-Identifier: GPL-3.0-or-later
"""A body that lies over two legs: a bird, or a dinosaur of a bird's build. Lengths and places are in cells.

The body may run along z (it faces the viewer) or along x (a picture from the side).
"""

from dataclasses import dataclass, replace

import numpy as np

from .animal_bones import neck_joints, outside_ball, tail_bones
from .body import bounds
from .facing import heavier_end, lengthwise
from .quadruped import Leg, pair_legs
from .standing import Hanging, find_hanging
from .tree import Bone, Solid, link, medial_paths, nearest_cell, path_length, points_along, reach_from

ARM_SHARE = 0.23  # of the legs' volume: what else hangs is arms or claws, no second pair of legs
BALANCE = 0.05  # of the body's length: so far beyond its feet the weight of a body on two legs may be
LEGS_TOGETHER = 0.25  # of the body's length: two legs that are farther apart are the ends of four
GUESSED_LEG = 0.3  # of the height
CHEST_AHEAD = 0.9  # of the way from the hips to the front of the trunk
TRUNK_THICKNESS = 0.6  # of the largest inscribed ball: neck and tail are thinner
SLAB_cells = 2.0  # the trunk is measured in slabs of twice this
SPINE_RISE = 0.25  # of the trunk's half height: the spine runs above its middle
WING_OUT = 1.3  # of the chest's inscribed ball, beside the spine: a folded wing does not reach so far
SHORTEST_WING = 1.5  # times that ball
WING_JOINTS = (0.0, 0.3, 0.65, 1.0)
FOLDED_WING = ((0.6, 0.4, 0.0), (0.9, 0.1, -0.6), (0.9, -0.2, -1.2), (0.8, -0.3, -1.8))  # of the ball: out, up, ahead
LEG_JOINTS = (0.95, 0.58, 0.28, 0.06)  # hip, knee, heel and the root of the toes, as shares of the hips' height
LEG_BENDS = (0.0, 0.06, -0.06, 0.0)  # of the hips' height: the knee is before the leg's middle line, the heel behind it
TOES = 0.2  # of the hips' height
GUESSED_CONFIDENCE = 0.3
SIDES = {"L": 1.0, "R": -1.0}
WING_PARTS = ("upper_wing", "lower_wing", "wing_tip")
LEG_PARTS = ("upper_leg", "lower_leg", "foot", "toes")


@dataclass(frozen=True)
class BirdShape:
    """front: int (3,). legs: by side. wings: medial paths, int (N, 3), by side. hips, chest: (3,).

    body: the solid without its legs. is_balanced: two legs, side by side, carry the weight above them.
    """

    front: np.ndarray
    legs: dict[str, Leg]
    wings: dict[str, np.ndarray]
    hips: np.ndarray
    chest: np.ndarray
    body: Solid
    is_balanced: bool


def find_bird(solid: Solid) -> BirdShape:
    """Look for the two legs, and what is before, behind and beside them; what is not there has its usual place."""
    occupied = solid.grid.occupied
    low, high = bounds(occupied)
    is_across = lengthwise(solid, 0) > lengthwise(solid, 2)
    front = np.array([heavier_end(solid)[0], 0, 0]) if is_across else np.array([0, 0, 1])
    axis = int(np.abs(front).argmax())
    legs = _two_legs(occupied)
    cells = np.zeros_like(occupied)
    for part in legs:
        cells[tuple(part.cells.T)] = True
    body = Solid(replace(solid.grid, occupied=occupied & ~cells), np.where(cells, 0.0, solid.depth))
    trunk = np.argwhere(body.depth >= TRUNK_THICKNESS * body.depth.max())
    feet = [float(part.line[:, axis].mean()) for part in legs]
    over = float(np.mean(feet)) if feet else float(trunk[:, axis].mean())
    top = float(max((part.line[-1, 1] for part in legs), default=low[1] + GUESSED_LEG * (high[1] - low[1])))
    hips = _spine_place(body, axis, over)
    ahead = max(CHEST_AHEAD * float((trunk @ front).max() - hips @ front), 2.0)
    chest = _spine_place(body, axis, float(hips[axis] + ahead * front[axis]))
    length, weight = float(high[axis] - low[axis] + 1), float(np.argwhere(occupied)[:, axis].mean())
    is_balanced = (
        len(legs) == 2
        and max(feet) - min(feet) <= LEGS_TOGETHER * length
        and min(feet) - BALANCE * length <= weight <= max(feet) + BALANCE * length
    )
    pair = pair_legs([part.line for part in legs], hips, front, solid, top)
    return BirdShape(front, pair, _find_wings(body, hips, chest, front), hips, chest, body, is_balanced)


def _two_legs(occupied: np.ndarray) -> list[Hanging]:
    """The two parts that the solid stands on; none where as many more hang beside them."""
    parts = find_hanging(occupied)
    legs, rest = parts[:2], parts[2:]
    is_alone = sum(len(part.cells) for part in rest) <= ARM_SHARE * sum(len(part.cells) for part in legs)
    return legs if len(legs) == 2 and is_alone else []


def _spine_place(body: Solid, axis: int, place: float) -> np.ndarray:
    """(3,): where the spine passes at a place along the axis, above the middle of the trunk there."""
    trunk = np.argwhere(body.grid.occupied)
    place = float(np.clip(place, trunk[:, axis].min(), trunk[:, axis].max()))
    slab = trunk[np.abs(trunk[:, axis] - place) <= SLAB_cells]
    thick = body.depth[tuple(slab.T)]
    centre = slab[thick >= TRUNK_THICKNESS * thick.max()].mean(0)
    centre[axis] = place
    centre[1] += SPINE_RISE * thick.max()
    return centre


def _find_wings(body: Solid, hips: np.ndarray, chest: np.ndarray, front: np.ndarray) -> dict[str, np.ndarray]:
    """The medial paths from the chest to the farthest places on either side, where both leave the trunk.

    What is nearer to the hips than to the chest is the thighs.
    """
    root = nearest_cell(body, chest)
    away = np.moveaxis(np.indices(body.depth.shape), 0, -1) - (hips + chest) / 2
    aside = np.where(away @ front > 0, away @ np.cross([0, 1, 0], front), 0.0)
    reach, paths = reach_from(body, root), medial_paths(body, root)
    wings = {}
    for side, sign in SIDES.items():
        beside = np.where(sign * aside >= WING_OUT * body.depth[root], reach, -1.0)
        if beside.max() > 0:
            path = np.array(paths.traceback(np.unravel_index(beside.argmax(), beside.shape)))
            wings[side] = outside_ball(path, body.depth[root])
    are_long = all(path_length(path) >= SHORTEST_WING * body.depth[root] for path in wings.values())
    return wings if len(wings) == 2 and are_long else {}


def bird_bones(solid: Solid, shape: BirdShape) -> tuple[list[Bone], set[str], float]:
    """The named bones in cells, parents first, the names of those whose place is a guess, and the confidence."""
    bones = link(("hips", "spine", "chest"), np.linspace(shape.hips, shape.chest, 4), "")
    bones += link(("neck_01", "neck_02", "head"), neck_joints(shape.body, shape.chest, shape.front), "chest")
    bones += tail_bones(shape.body, shape.hips, shape.front)
    ground = float(bounds(solid.grid.occupied)[0][1])
    guessed: set[str] = set()
    left = np.cross([0, 1, 0], shape.front)
    ball = float(shape.body.depth[nearest_cell(shape.body, shape.chest)])
    for side, sign in SIDES.items():
        names = tuple(f"{part}.{side}" for part in WING_PARTS)
        frame = np.array([sign * left, [0, 1, 0], shape.front]) * ball
        joints = shape.chest + np.array(FOLDED_WING) @ frame
        if shape.wings:
            joints = points_along(shape.wings[side], WING_JOINTS)
        else:
            guessed |= set(names)
        bones += link(names, joints, "chest")
        names = tuple(f"{part}.{side}" for part in LEG_PARTS)
        bones += link(names, _leg_joints(shape.legs[side].line, shape, ground), "hips")
        guessed |= set(names) if shape.legs[side].is_guessed else set()
    return bones, guessed, 1.0 - 0.25 * (not shape.wings) if shape.is_balanced else GUESSED_CONFIDENCE


def _leg_joints(line: np.ndarray, shape: BirdShape, ground: float) -> np.ndarray:  # line: (N, 3)
    """(5, 3): hip, knee, heel, root and tip of the toes; where the leg is in the flank it goes on straight up."""
    foot = float(line[0, 1])
    tall = max(float(shape.hips[1]) - foot, 4.0)
    heights = foot + np.array(LEG_JOINTS) * tall
    joints = np.stack([np.interp(heights, line[:, 1], line[:, 0]), heights, np.interp(heights, line[:, 1], line[:, 2])])
    joints = joints.T + np.array(LEG_BENDS)[:, None] * tall * shape.front
    tip = joints[3] + TOES * tall * shape.front
    tip[1] = max(foot, ground) + 0.5
    return np.concatenate([joints, tip[None]])
