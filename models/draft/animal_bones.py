# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bones of an animal on four legs are. Lengths and places are in cells."""

from dataclasses import replace

import numpy as np

from .body import bounds
from .quadruped import AnimalShape
from .tree import Bone, Solid, bend_points, link, medial_paths, nearest_cell, path_length, points_along, reach_from

# Heights of joints as shares of the spine's height above the ground; medians of rigs that people made.
HIND_JOINTS = (0.88, 0.58, 0.32, 0.08)  # hip, knee, hock, ball of the paw
FORE_JOINTS = (0.78, 0.46, 0.13, 0.05)  # shoulder, elbow, wrist, ball of the paw
HIP_AHEAD = 0.09  # of the spine's height: the hip is so far before the hind foot,
KNEE_AHEAD = 0.06  # and the knee, which bends forward, so far before the straight line; the elbow as far behind it
PAW = 0.1  # of the spine's height, from the ball to the tip
NECK_START = 0.6  # of the ball inscribed in the chest
NECK_JOINTS = (0.0, 0.35, 0.65, 1.0)  # of the path from the chest to the snout: two neck bones and the head
HEAD_THICKNESS = 0.3  # of the chest's inscribed ball: a head is not thinner where it begins to narrow to the snout
MUZZLE_REACH = 1.5  # times the skull's inscribed ball, from its middle to the snout: a flat face is as far as the ball
MUZZLE_AT, MUZZLE_HEIGHT = 0.8, 0.6  # of the head bone; of the skull's height: so slender is a muzzle there
JAW_HINGE, JAW_TIP = (0.35, 0.35), (0.9, 0.55)  # of the head bone; of the way from it down to the chin
HEAD_SAMPLES = 32  # along the head bone
SHORTEST_TAIL, TAIL_BONE = 0.08, 0.09  # of the longest side
MOST_TAIL_BONES = 6
CONFIDENCE_WITHOUT_TAIL = 0.8  # where a tail shows, the back end is surely the back end
SPLAYED = 0.8  # times as far out as down
LEG_PARTS = ("upper_leg", "lower_leg", "foot", "paw")


def quadruped_bones(solid: Solid, shape: AnimalShape) -> tuple[list[Bone], set[str], float]:
    """The named bones in cells, parents first, the names of those whose place is a guess, and the confidence."""
    body = Solid(replace(solid.grid, occupied=solid.grid.occupied & ~shape.leg_cells), solid.depth)
    bones = link(("hips", "spine", "chest"), np.linspace(shape.hips, shape.chest, 4), "")
    neck = neck_joints(body, shape.chest, shape.front)
    bones += link(("neck_01", "neck_02", "head"), neck, "chest")
    jaw = jaw_bones(body, neck[2], neck[3])
    bones += jaw
    tail = tail_bones(body, shape.hips, shape.front)
    bones += tail
    guessed = {bone.name for bone in (jaw if shape.separate_legs else bones)}
    ground = float(bounds(solid.grid.occupied)[0][1])
    for name, leg in shape.legs.items():
        end, side = name.split(".")
        spine, parent = (shape.hips, "hips") if end == "back" else (shape.chest, "chest")
        names = tuple(f"{end}_{part}.{side}" for part in LEG_PARTS)
        heights, bend = (HIND_JOINTS, 1.0) if end == "back" else (FORE_JOINTS, -1.0)
        if _is_splayed(leg.line, spine, shape):
            joints = _splayed_joints(solid, spine, leg.line)
        else:
            joints = _leg_joints(leg.line, shape, spine[1], (heights, bend, ground))
        bones += link(names, joints, parent)
        guessed |= set(names) if leg.is_guessed else set()
    found = min(shape.separate_legs, 4) / 4
    return bones, guessed, found * (1.0 if tail else CONFIDENCE_WITHOUT_TAIL)


def neck_joints(body: Solid, chest: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """(4, 3): along the medial path from inside the chest to the snout.

    The snout is in front of the foremost thick place that is not below the chest: ears, horns and whiskers are thin.
    """
    root = nearest_cell(body, chest)
    cells = np.argwhere((reach_from(body, root) >= 0) & (body.depth >= HEAD_THICKNESS * body.depth[root]))
    cells = np.concatenate([cells[cells[:, 1] >= root[1]], [root]])
    foremost = cells[cells @ forward == (cells @ forward).max()]
    head = foremost[np.linalg.norm(foremost - foremost.mean(0), axis=1).argmin()]
    steps = head + np.arange(int(body.size_cells))[:, None] * forward
    steps = steps[(steps >= 0).all(axis=1) & (steps < body.depth.shape).all(axis=1)]
    snout = steps[np.argmin(body.grid.occupied[tuple(steps.T)]) - 1]
    path = np.array(medial_paths(body, root).traceback(tuple(snout)))
    return points_along(outside_ball(path, NECK_START * body.depth[root]), NECK_JOINTS)


def jaw_bones(body: Solid, head: np.ndarray, snout: np.ndarray) -> list[Bone]:
    """A jaw in the lower half of a muzzle, where the head has one that reaches forward; always a guess, for a mouth is
    painted on the skin. head, snout: (3,), the ends of the head bone.
    """
    line = head + np.linspace(0, 1, HEAD_SAMPLES)[:, None] * (snout - head)
    cells = np.round(line).astype(int)
    depths = body.depth[tuple(cells.T)]
    skull = int(depths.argmax())
    if np.linalg.norm(snout - line[skull]) < MUZZLE_REACH * depths[skull]:
        return []
    low, high = np.array([_run_around(body.grid.occupied, cell) for cell in cells]).T
    heights = high - low + 1.0
    if heights[round(MUZZLE_AT * (HEAD_SAMPLES - 1))] > MUZZLE_HEIGHT * heights[skull]:
        return []
    ends = []
    for along, down in (JAW_HINGE, JAW_TIP):
        sample = round(along * (HEAD_SAMPLES - 1))
        ends.append(line[sample] - [0.0, down * (line[sample, 1] - low[sample]), 0.0])
    return [Bone("jaw", "jaw", ends[0], ends[1], "head")]


def _run_around(occupied: np.ndarray, cell: np.ndarray) -> tuple[int, int]:
    """The lowest and the highest of the solid cells above and below a cell that are joined to it."""
    x, y, z = cell
    empty = np.flatnonzero(~occupied[x, :, z])
    return int(empty[empty <= y].max(initial=-1)) + 1, int(empty[empty >= y].min(initial=occupied.shape[1])) - 1


def tail_bones(body: Solid, hips: np.ndarray, forward: np.ndarray) -> list[Bone]:
    """Bones along the medial path from inside the hips to the farthest place behind them; none where that is near."""
    root = nearest_cell(body, hips)
    away = np.moveaxis(np.indices(body.depth.shape), 0, -1) - hips
    is_behind = (away @ forward < 0) & (np.abs(away @ np.cross([0, 1, 0], forward)) <= body.depth[root])
    reach = np.where(is_behind, reach_from(body, root), -1.0)
    if reach.max() <= 0:
        return []
    path = np.array(medial_paths(body, root).traceback(np.unravel_index(reach.argmax(), reach.shape)))
    path = outside_ball(path, body.depth[root])
    if path_length(path) < SHORTEST_TAIL * body.size_cells:
        return []
    count = int(np.clip(round(path_length(path) / (TAIL_BONE * body.size_cells)), 1, MOST_TAIL_BONES))
    names = tuple(f"tail_{number:02d}" for number in range(1, count + 1))
    return link(names, points_along(path, tuple(np.linspace(0, 1, count + 1))), "hips")


def outside_ball(path: np.ndarray, radius: float) -> np.ndarray:  # path: (N, 3)
    """The path from where it leaves the inscribed ball of its start, or its second half if it never does."""
    away = np.flatnonzero(np.linalg.norm(path - path[0], axis=1) >= radius)
    return path[min(away[0] if len(away) else len(path), len(path) // 2) :]


def _is_splayed(line: np.ndarray, spine: np.ndarray, shape: AnimalShape) -> bool:  # line: (N, 3), spine: (3,)
    """Whether a leg goes as far out as down: a frog's, a lizard's."""
    out, down = abs(float((line[0] - spine) @ np.cross([0, 1, 0], shape.front))), float(spine[1] - line[0, 1])
    return out > SPLAYED * down


def _splayed_joints(solid: Solid, spine: np.ndarray, line: np.ndarray) -> np.ndarray:
    """(5, 3): the joints that follow the medial path from the spine to the leg's lowest place best."""
    root = nearest_cell(solid, spine)
    path = np.array(medial_paths(solid, root).traceback(nearest_cell(solid, line[0])))
    return bend_points(outside_ball(path, solid.depth[root]), len(LEG_PARTS))


def _leg_joints(
    line: np.ndarray, shape: AnimalShape, spine_y: float, limb: tuple[tuple[float, ...], float, float]
) -> np.ndarray:
    """(5, 3): hip or shoulder, knee or elbow, hock or wrist, ball and tip of the paw. limb: heights, bend, ground.

    Below the trunk the joints are in the middle of the leg; above it, where the leg is in the flank, on a straight
    line to the hip that is bent at the knee or elbow.
    """
    heights, bend, ground = limb
    foot_y = float(line[0, 1])
    tall = max(spine_y - foot_y, 4.0)
    joints = np.array([_on_line(line, foot_y + part * tall) for part in heights])
    flank = line[-1, 1]
    if bend > 0:
        joints[0] += (HIP_AHEAD * tall - (joints[0] - joints[3]) @ shape.front) * shape.front
    if joints[1][1] > flank:
        share = (joints[1][1] - joints[2][1]) / (joints[0][1] - joints[2][1])
        joints[1] = joints[2] + share * (joints[0] - joints[2])
    straight = (joints[0] + joints[2]) / 2
    off = (joints[1] - straight) @ shape.front
    joints[1] += (max(off * bend, KNEE_AHEAD * tall) * bend - off) * shape.front
    tip = joints[3] + PAW * tall * shape.front
    tip[1] = max(foot_y, ground) + 0.5
    return np.concatenate([joints, tip[None]])


def _on_line(line: np.ndarray, y: float) -> np.ndarray:  # line: (N, 3), rising
    """(3,): the middle of the leg at a height, or its last place there."""
    return np.array([np.interp(y, line[:, 1], line[:, 0]), y, np.interp(y, line[:, 1], line[:, 2])])
