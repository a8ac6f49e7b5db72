# SPDX-License-Identifier: GPL-3.0-or-later
"""The twenty bones of a humanoid: legs by slices, neck by the narrowest place, arms by the curve skeleton."""

from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from scipy import ndimage

from .body import Legs, bounds, column_cells, find_column, find_legs, find_mirror
from .tree import Bone, Solid, find_branches, link, nearest_cell, path_length, path_to_root, points_along

# Shares of the body's height (all of these: of the height of the solid) unless the name says otherwise.
GUESSED_CROTCH = 0.42
GUESSED_LEG_OUT = 0.45  # of the trunk's half width
HIP_ABOVE_CROTCH = 0.03
ANKLE = 0.12  # of the leg
KNEE = 0.5  # of the way from hip to ankle
NECK_SEARCH = (0.3, 0.93)  # of the way from crotch to top
NECK_DEPTH = 0.9  # a valley shallower than this is none
VALLEY_FLOOR_cells = 5  # nothing so near is narrower than a neck: the flank of a waist below the search is none
HEAD_LEAST = 0.06  # of the outline above the crotch: a tuft, a bobble or an aerial has less, and no neck below it
USUAL_NECK = 0.3  # of the way from crotch to top, plus the legs' share of the height: short legs go with large heads
NECK_PRIOR = 4.0  # how much more a shallow valley costs that is far from the usual place
BETWEEN_ARMS = 2.5  # times a valley's cost where there is something on both sides of it: arms beside a waist
GUESSED_NECK = 0.66  # of the way from crotch to top
NECK_HALF = 0.02  # the neck reaches so far below and above its narrowest place
SPINE_JOINTS = (0.22, 0.45, 0.70)  # of the way from hips to neck: spine, chest, upper chest
TRUNK_PART = 0.75  # of the way from crotch to neck
TRUNK_PERCENTILE = 20  # of its half widths: arms widen it, and only a waist narrows it
ARM_LEAST = 0.12
ARM_ABOVE_NECK = 0.05
WIDER_THAN_TRUNK, HEAD_BAND = 1.4, 0.25  # times the trunk's width; of the height: a part like this is a head,
EAR_RISE = 0.08  # and what rises from it is an ear
ARM_LOWEST = 0.3  # of the way from crotch to neck
ELBOW, WRIST = 0.47, 0.84  # of the arm
SHOULDER_INNER = 0.25  # of the way from the spine to the shoulder joint
GUESSED_SHOULDER_DROP = 0.05
GUESSED_ARM_OUT = 0.8  # of the half width at that height
GUESSED_FOOT = 0.08
SYMMETRIC = 0.86  # mirror IoU above which left and right are averaged
WIDEST_HIPS = 0.55
DEEPEST_TRUNK = 0.6  # the lower trunk of an animal on four legs is deep
ALIKE_WITH_ARMS, ALIKE_WITHOUT = 0.45, 0.6  # mirror IoU: animals seen from the side have less
PART_SHARES = (0.4, 0.2, 0.2, 0.2)  # of the confidence: legs, each arm, neck
SIDES = {"L": 1.0, "R": -1.0}  # the sign of x
ARM_PARTS = ("shoulder", "upper_arm", "lower_arm", "hand")
LEG_PARTS = ("upper_leg", "lower_leg", "foot")


@dataclass(frozen=True)
class HumanoidShape:
    """Landmarks in cells. arms: the medial path (N, 3) of each arm from the trunk out, by side; missing: not found."""

    height: float
    plane: float
    symmetry: float
    legs: Legs | None
    crotch: float
    column: np.ndarray
    half_widths: np.ndarray
    neck: float
    neck_top: float
    neck_depth: float
    trunk_depth: float
    arms: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def trunk_half(self) -> float:
        ys = self.column[:, 1]
        is_trunk = ys <= max(self.crotch + TRUNK_PART * (self.neck - self.crotch), ys[0])
        return float(np.percentile(self.half_widths[is_trunk], TRUNK_PERCENTILE))

    @property
    def is_upright(self) -> bool:
        """Two legs under a trunk that is taller than wide and deep."""
        if self.legs is None:
            return False
        above = self.half_widths[self.column[:, 1] >= self.crotch]
        hips = 2 * float(np.median(above[: max(3, len(above) // 8)]))
        return hips < WIDEST_HIPS * self.height and self.trunk_depth < DEEPEST_TRUNK * self.height

    @property
    def is_humanoid(self) -> bool:
        """Upright and much alike on both sides, with an arm; or even more alike, with a neck."""
        if self.arms:
            return self.is_upright and self.symmetry >= ALIKE_WITH_ARMS
        return self.is_upright and self.symmetry >= ALIKE_WITHOUT and self.neck_depth < 1.0

    @property
    def confidence(self) -> float:
        """How much of a humanoid was found: legs, arms, neck, symmetry."""
        parts = (bool(self.legs), "L" in self.arms, "R" in self.arms, self.neck_depth < 1.0)
        found = sum(share for share, part in zip(PART_SHARES, parts, strict=True) if part)
        return found * min(1.0, 0.5 + 0.5 * self.symmetry / SYMMETRIC)

    def centre(self, y: float) -> np.ndarray:
        """The middle of the trunk or head at a height."""
        ys = self.column[:, 1]
        return np.array([self.plane, y, np.interp(y, ys, self.column[:, 2])])


def find_humanoid(solid: Solid) -> HumanoidShape:
    """Look for legs and neck; what is missing has its usual proportions. `find_arms` adds the arms."""
    low, high = bounds(solid.grid.occupied)
    height = high[1] + 1 - low[1]
    plane, symmetry = find_mirror(solid.grid.occupied)
    legs = find_legs(solid.grid.occupied, plane)
    crotch = legs.crotch if legs else low[1] + GUESSED_CROTCH * height
    column, half_widths = find_column(solid, plane, int(crotch))
    is_flanked = _find_flanked(solid.grid.occupied[:, int(crotch) :].any(axis=2), plane, half_widths)
    neck, neck_top, neck_depth = _find_neck(column[:, 1], half_widths, is_flanked, (float(low[1]), float(crotch)))
    depth = float(np.ptp(np.argwhere(solid.grid.occupied[:, int(crotch) : int((crotch + neck) / 2) + 1, :])[:, 2]) + 1)
    return HumanoidShape(
        float(height), plane, symmetry, legs, float(crotch), column, half_widths, neck, neck_top, neck_depth, depth
    )


def _find_flanked(outline: np.ndarray, plane: float, half_widths: np.ndarray) -> np.ndarray:  # outline: (X, Y) bool
    """bool (N,): the heights, from the first on, that have something solid on both sides of the column."""
    outside = np.abs(np.arange(len(outline)) - plane)[:, None] > half_widths + 1.0
    beside = outline[:, : len(half_widths)] & outside
    is_left = np.arange(len(outline)) > plane
    return beside[is_left].any(axis=0) & beside[~is_left].any(axis=0)


def _find_neck(
    ys: np.ndarray, half_widths: np.ndarray, is_flanked: np.ndarray, legs: tuple[float, float]
) -> tuple[float, float, float]:
    """The lower and upper end of the neck, and how narrow it is as a share of the narrower of the banks beside it.

    It is the deepest valley of the widths with a head above it. A waist is a valley too, but a wide and a low one.
    """
    (ground, crotch), top = legs, max(ys[-1], legs[1] + 1.0)
    banks = np.minimum(np.maximum.accumulate(half_widths), np.maximum.accumulate(half_widths[::-1])[::-1])
    share = half_widths / banks
    start, stop = (crotch + part * (top - crotch) for part in NECK_SEARCH)
    above = half_widths[::-1].cumsum()[::-1] / half_widths.sum()
    is_valley = (ys >= start) & (ys <= stop) & (share <= NECK_DEPTH) & (above >= HEAD_LEAST)
    is_valley &= half_widths == ndimage.minimum_filter1d(half_widths, VALLEY_FLOOR_cells)
    if not is_valley.any():
        guess = crotch + GUESSED_NECK * (top - crotch)
        return guess, guess, 1.0
    from_usual = np.abs((ys - crotch) / (top - crotch) - USUAL_NECK - (crotch - ground) / (top - ground))
    cost = share * half_widths * (1.0 + NECK_PRIOR * share * from_usual) * np.where(is_flanked, BETWEEN_ARMS, 1.0)
    deepest = int(np.where(is_valley, cost, np.inf).argmin())
    floor, _ = ndimage.label((half_widths <= half_widths[deepest]) & is_valley)
    along = ys[floor == floor[deepest]]
    return float(along[0]), float(along[-1]), float(share[deepest])


def find_arms(solid: Solid, shape: HumanoidShape) -> HumanoidShape:
    """Add the pair of branches, one a side, that is most like a pair of arms; or the one arm that there is."""
    height = shape.height
    head = shape.column[shape.column[:, 1] > shape.neck + NECK_HALF * height]
    upper = solid.grid.occupied & ~column_cells(solid.grid.occupied, head)
    if shape.legs:
        upper &= ~shape.legs.cells
    body = Solid(replace(solid.grid, occupied=upper), solid.depth)
    branches = find_branches(body, nearest_cell(body, shape.centre(shape.crotch + HIP_ABOVE_CROTCH * height)))
    sides: dict[str, list[tuple[float, np.ndarray]]] = {"L": [], "R": []}
    for number in range(len(branches)):
        path = path_to_root(branches, number)
        candidate = _judge_arm(path, shape, height)
        if candidate:
            sides["L" if path[-1, 0] > shape.plane else "R"].append(candidate)
    best: tuple[float, dict[str, np.ndarray]] = (0.0, {})
    for left, right in product([*sides["L"], None], [*sides["R"], None]):
        score = sum(arm[0] for arm in (left, right) if arm)
        if left and right:
            score -= abs(left[1][0, 1] - right[1][0, 1]) / height
            score -= 0.5 * abs(path_length(left[1]) - path_length(right[1])) / height
        if score > best[0]:
            best = (score, {side: arm[1] for side, arm in (("L", left), ("R", right)) if arm})
    return replace(shape, arms=best[1])


def _judge_arm(path: np.ndarray, shape: HumanoidShape, height: float) -> tuple[float, np.ndarray] | None:
    """The part of a path outside the trunk and how much it is like an arm; None where it cannot be one."""
    inside = np.flatnonzero(np.abs(path[:, 0] - shape.plane) <= shape.trunk_half)
    arm = path[inside[-1] if len(inside) else 0 :]
    length = path_length(arm) / height
    is_raised = arm[-1, 1] - arm[0, 1] > EAR_RISE * height
    attached = (arm[0, 1] - shape.crotch) / max(shape.neck - shape.crotch, 1.0)
    too_high = arm[0, 1] > shape.neck + ARM_ABOVE_NECK * height
    if length < ARM_LEAST or too_high or attached < ARM_LOWEST:
        return None
    if is_raised and _band_height(shape, arm[0, 1]) > HEAD_BAND * height:
        return None
    return min(length, 0.6) + 0.3 * min(attached, 1.0), arm


def _band_height(shape: HumanoidShape, y: float) -> int:
    """How many heights around y, in one run, are much wider than the trunk: many in a head, few at an arm."""
    wide = shape.half_widths > WIDER_THAN_TRUNK * shape.trunk_half
    row = int(np.abs(shape.column[:, 1] - y).argmin())
    labels, _ = ndimage.label(wide)
    return int((labels == labels[row]).sum()) if wide[row] else 0


def humanoid_bones(solid: Solid, shape: HumanoidShape) -> tuple[list[Bone], set[str]]:
    """The twenty bones in cells, parents first, and the names of those whose place is a guess."""
    low, high = bounds(solid.grid.occupied)
    height = float(high[1] + 1 - low[1])
    hips_y = shape.crotch + HIP_ABOVE_CROTCH * height
    neck_y = max(shape.neck - NECK_HALF * height, hips_y + 4.0)
    ys = [
        hips_y,
        *(hips_y + part * (neck_y - hips_y) for part in SPINE_JOINTS),
        neck_y,
        max(shape.neck_top + NECK_HALF * height, neck_y + 1.0),
    ]
    joints = [shape.centre(y) for y in [*ys, max(shape.column[-1, 1], ys[-1] + 1.0)]]
    bones = link(("hips", "spine", "chest", "upper_chest", "neck", "head"), np.array(joints), "")
    guessed = {"neck", "head"} if shape.neck_depth == 1.0 else set()
    if shape.legs is None:
        guessed |= {"hips", "spine", "chest", "upper_chest"}
    arms, guessed_arms = _arm_joints(solid, shape, height)
    legs, guessed_legs = _leg_joints(solid, shape, hips_y)
    if shape.symmetry > SYMMETRIC:
        _average_sides(arms, shape.plane)
        _average_sides(legs, shape.plane)
    inner = shape.centre((ys[3] + neck_y) / 2)
    for side in SIDES:
        chest_end = inner + SHOULDER_INNER * (arms[side][0] - inner)
        bones += link(side_names(ARM_PARTS, side), np.concatenate([chest_end[None], arms[side]]), "upper_chest")
        bones += link(side_names(LEG_PARTS, side), legs[side], "hips")
    return bones, guessed | guessed_arms | guessed_legs


def side_names(parts: tuple[str, ...], side: str) -> tuple[str, ...]:
    return tuple(f"{part}.{side}" for part in parts)


def _arm_joints(solid: Solid, shape: HumanoidShape, height: float) -> tuple[dict[str, np.ndarray], set[str]]:
    """Shoulder, elbow, wrist and finger tips of each side, (4, 3) each, and the names of guessed bones."""
    found = {side: points_along(path, (0.0, ELBOW, WRIST, 1.0)) for side, path in shape.arms.items()}
    joints, guessed = {}, set()
    for side, sign in SIDES.items():
        other = found.get("R" if side == "L" else "L")
        if side in found:
            joints[side] = found[side]
            continue
        guessed |= set(side_names(ARM_PARTS, side))
        joints[side] = _hanging_arm(shape, height, sign)
        if other is not None:
            mirrored = _mirrored(other, shape.plane)
            low, high = bounds(solid.grid.occupied)
            joints[side] = mirrored if low[0] <= mirrored[-2, 0] <= high[0] else joints[side]
    return joints, guessed


def _hanging_arm(shape: HumanoidShape, height: float, sign: float) -> np.ndarray:
    """(4, 3): an arm straight down inside the silhouette's edge, from below the neck to the crotch."""
    top = shape.neck - GUESSED_SHOULDER_DROP * height
    ys = top + np.array([0.0, ELBOW, WRIST, 1.0]) * (shape.crotch - top)
    widths = np.interp(ys, shape.column[:, 1], shape.half_widths)
    joints = np.array([shape.centre(y) for y in ys])
    joints[:, 0] += sign * GUESSED_ARM_OUT * widths
    return joints


def _leg_joints(solid: Solid, shape: HumanoidShape, hips_y: float) -> tuple[dict[str, np.ndarray], set[str]]:
    """Hip, knee, ankle and toes of each side, (4, 3) each, and the names of guessed bones."""
    low, high = bounds(solid.grid.occupied)
    ground = float(low[1])
    ankle_y = ground + max(ANKLE * (hips_y - ground), 1.0)
    knee_y = ankle_y + KNEE * (hips_y - ankle_y)
    joints, guessed = {}, set()
    for side, sign in SIDES.items():
        if shape.legs:
            line = ndimage.gaussian_filter1d(shape.legs.lines[side], 2.0, axis=0, mode="nearest")
        else:
            centre = shape.centre(shape.crotch)
            line = centre[None] + [[sign * GUESSED_LEG_OUT * shape.trunk_half, 0.0, 0.0]]
            guessed |= set(side_names(LEG_PARTS, side))
        at = [np.array([np.interp(y, line[:, 1], axis) for axis in line.T]) for y in (hips_y, knee_y, ankle_y)]
        for place, y in zip(at, (hips_y, knee_y, ankle_y), strict=True):
            place[1] = y
        at[0][0] = np.clip(at[0][0], shape.plane - shape.trunk_half, shape.plane + shape.trunk_half)
        toes = at[2] + [0.0, ground + 0.5 - ankle_y, 0.0]
        toes[2] = _front_of_foot(solid, at[2], ground) if shape.legs else at[2][2] + GUESSED_FOOT * (high[1] - low[1])
        joints[side] = np.array([*at, toes])
    return joints, guessed


def _front_of_foot(solid: Solid, ankle: np.ndarray, ground: float) -> float:
    """The foremost z of the foot that is connected to the ankle in a straight line."""
    x = round(float(ankle[0]))
    foot = solid.grid.occupied[max(x - 1, 0) : x + 2, int(ground) : int(ankle[1]) + 1, :].any(axis=(0, 1))
    labels, _ = ndimage.label(foot)
    under = labels[round(float(ankle[2]))]
    front = np.flatnonzero(labels == under).max() if under else ankle[2]
    return float(max(front, ankle[2] + 1.5))


def _mirrored(joints: np.ndarray, plane: float) -> np.ndarray:
    return np.stack([2 * plane - joints[:, 0], joints[:, 1], joints[:, 2]], axis=1)


def _average_sides(joints: dict[str, np.ndarray], plane: float) -> None:
    joints["L"] = (joints["L"] + _mirrored(joints["R"], plane)) / 2
    joints["R"] = _mirrored(joints["L"], plane)
