# SPDX-License-Identifier: GPL-3.0-or-later
"""What a humanoid shows of itself: legs by slices, neck by the narrowest place, arms by the curve skeleton."""

from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from scipy import ndimage

from .body import Legs, bounds, column_cells, find_column, find_legs, find_mirror, is_cut_off, lengthwise
from .tree import Solid, find_branches, nearest_cell, path_length, path_to_root

# Shares of the body's height (all of these: of the height of the solid) unless the name says otherwise.
LOWEST_CROTCH = 0.1  # where the search for a neck begins above legs that are not seen
LEGS_RANGE = (0.06, 0.45)
GUESSED_CROTCH = 0.45  # of the neck's height
HIP_ABOVE_CROTCH = 0.05
NECK_SEARCH = (0.3, 0.93)  # of the way from crotch to top
NECK_DEPTH = 0.9  # a valley shallower than this is none
VALLEY_FLOOR_cells = 5  # nothing so near is narrower than a neck: the flank of a waist below the search is none
HEAD_LEAST = 0.06  # of the outline above the crotch: a tuft, a bobble or an aerial has less, and no neck below it
USUAL_NECK = 0.3  # of the way from crotch to top, plus the legs' share of the height: short legs go with large heads
NECK_PRIOR = 4.0  # how much more a shallow valley costs that is far from the usual place
BETWEEN_ARMS = 2.5  # times a valley's cost where there is something on both sides of it: arms beside a waist
GUESSED_NECK = 0.66  # of the way from crotch to top
NECK_HALF = 0.02  # the neck reaches so far below and above its narrowest place
TRUNK_PART = 0.75  # of the way from crotch to neck
TRUNK_PERCENTILE = 20  # of its half widths: arms widen it, and only a waist narrows it
ARM_LEAST = 0.12
ARM_ABOVE_NECK = 0.05
WIDER_THAN_TRUNK, HEAD_BAND = 1.4, 0.25  # times the trunk's width; of the height: a part like this is a head,
EAR_RISE = 0.08  # and what rises from it is an ear
ARM_LOWEST = 0.3  # of the way from crotch to neck
SYMMETRIC = 0.86  # mirror IoU above which left and right are averaged
WIDEST_HIPS = 0.55
DEEPEST_TRUNK = 0.6  # the lower trunk of an animal on four legs is deep
ALIKE_WITH_ARMS, ALIKE_WITHOUT = 0.45, 0.6  # mirror IoU: animals seen from the side have less
ALIKE_AS_BUST, BULKY_HEAD = 0.78, 0.65  # mirror IoU; of the trunk's thickness: a bottle's neck carries less
ALIKE_BOTH_SIDES, LYING = 0.7, 1.3  # mirror IoU; times as long as high, in the thick parts: an animal from the side
ALIKE_ON_LEGS, LONG_LEGS, MUCH_TALLER = 0.35, 0.35, 0.8  # mirror IoU; of the height; times as wide as high
CLEAR_NECK = 0.75  # animals on four legs seen from the front have no arms, and a weaker one
TALLER_THAN_WIDE = 1.0
CUT_CROTCH = 0.06  # where the legs were cut off
PART_SHARES = (0.4, 0.2, 0.2, 0.2)  # of the confidence: legs, each arm, neck


@dataclass(frozen=True)
class HumanoidShape:
    """Landmarks in cells. What is not found has its usual place.

    neck_depth: how narrow it is; 1 for none. trunk_depth: in z. lengthwise: how many times wider than high the thick
    parts above the crotch are. head_bulk: the head's thickest place as a share of the trunk's. is_cut: there is no
    more of the body below the trunk. arms: the medial path (N, 3) of each from the trunk out, by side; missing: none.
    """

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
    lengthwise: float
    head_bulk: float
    ground: float
    is_cut: bool
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
    def is_worth_arms(self) -> bool:
        """Whether arms could make it a humanoid."""
        return self.is_upright or self.symmetry >= ALIKE_AS_BUST

    @property
    def is_humanoid(self) -> bool:
        """Alike on both sides with a head on a neck; or upright with an arm; or on long legs, as no other."""
        shows_neck = self.neck_depth < (CLEAR_NECK if self.legs and not self.arms else 1.0)
        is_bust = self.symmetry >= ALIKE_AS_BUST and shows_neck and self.head_bulk >= BULKY_HEAD
        if is_bust and self.trunk_depth < DEEPEST_TRUNK * self.height and self.lengthwise < TALLER_THAN_WIDE:
            return True
        if not self.is_upright or (self.symmetry < ALIKE_BOTH_SIDES and self.lengthwise > LYING):
            return False
        if self.symmetry < ALIKE_WITH_ARMS:
            legs = (self.crotch - self.ground) / self.height
            return self.symmetry >= ALIKE_ON_LEGS and legs >= LONG_LEGS and self.lengthwise < MUCH_TALLER
        return bool(self.arms) or (self.symmetry >= ALIKE_WITHOUT and shows_neck)

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
    is_cut = is_cut_off(solid.grid.occupied, plane)
    legs = None if is_cut else find_legs(solid.grid.occupied, plane)
    crotch = legs.crotch if legs else low[1] + (CUT_CROTCH if is_cut else LOWEST_CROTCH) * height
    column, half_widths = find_column(solid, plane, int(crotch))
    is_flanked = _find_flanked(solid.grid.occupied[:, int(crotch) :].any(axis=2), plane, half_widths)
    widths = _Widths(column[:, 1], half_widths, is_flanked)
    neck, neck_top, neck_depth = _find_neck(widths, float(low[1]), float(crotch), bool(legs) or is_cut)
    if not legs and not is_cut:
        crotch = low[1] + GUESSED_CROTCH * (neck - low[1])
        is_above = column[:, 1] >= int(crotch)
        column, half_widths = column[is_above], half_widths[is_above]
    depth = float(np.ptp(np.argwhere(solid.grid.occupied[:, int(crotch) : int((crotch + neck) / 2) + 1, :])[:, 2]) + 1)
    head = float(solid.depth[:, int(neck_top) + 1 :].max(initial=0.0))
    return HumanoidShape(
        height=float(height),
        plane=plane,
        symmetry=symmetry,
        legs=legs,
        crotch=float(crotch),
        column=column,
        half_widths=half_widths,
        neck=neck,
        neck_top=neck_top,
        neck_depth=neck_depth,
        trunk_depth=depth,
        lengthwise=lengthwise(solid, 0, int(crotch)),
        head_bulk=head / float(solid.depth[:, int(crotch) : int(neck) + 1].max()),
        ground=float(low[1]),
        is_cut=is_cut,
    )


def _find_flanked(outline: np.ndarray, plane: float, half_widths: np.ndarray) -> np.ndarray:  # outline: (X, Y) bool
    """bool (N,): the heights, from the first on, that have something solid on both sides of the column."""
    outside = np.abs(np.arange(len(outline)) - plane)[:, None] > half_widths + 1.0
    beside = outline[:, : len(half_widths)] & outside
    is_left = np.arange(len(outline)) > plane
    return beside[is_left].any(axis=0) & beside[~is_left].any(axis=0)


@dataclass(frozen=True)
class _Widths:
    """Of the column at its heights ys (N,): half widths float64, and whether something is beside it on both sides."""

    ys: np.ndarray
    halves: np.ndarray
    is_flanked: np.ndarray


def _find_neck(widths: _Widths, ground: float, crotch: float, is_crotch_seen: bool) -> tuple[float, float, float]:
    """The lower and upper end of the neck, and how narrow it is as a share of the narrower of the banks beside it.

    It is the deepest valley of the widths with a head above it. A waist is a valley too, but a wide and a low one.
    """
    ys, halves = widths.ys, widths.halves
    top = max(ys[-1], crotch + 1.0)
    banks = np.minimum(np.maximum.accumulate(halves), np.maximum.accumulate(halves[::-1])[::-1])
    share = halves / banks
    start, stop = (crotch + part * (top - crotch) for part in NECK_SEARCH)
    above = halves[::-1].cumsum()[::-1] / halves.sum()
    is_valley = (ys >= start) & (ys <= stop) & (share <= NECK_DEPTH) & (above >= HEAD_LEAST)
    is_valley &= halves == ndimage.minimum_filter1d(halves, VALLEY_FLOOR_cells)
    if not is_valley.any():
        guess = crotch + GUESSED_NECK * (top - crotch)
        return guess, guess, 1.0
    legs = (crotch - ground) / (top - ground)
    least, most = (part + (1 - part) * (USUAL_NECK + part) for part in ((legs, legs) if is_crotch_seen else LEGS_RANGE))
    at = (ys - ground) / (top - ground)
    from_usual = np.maximum(np.maximum(least - at, at - most), 0.0) / (1 - legs)
    cost = share * halves * (1.0 + NECK_PRIOR * share * from_usual) * np.where(widths.is_flanked, BETWEEN_ARMS, 1.0)
    deepest = int(np.where(is_valley, cost, np.inf).argmin())
    floor, _ = ndimage.label((halves <= halves[deepest]) & is_valley)
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
