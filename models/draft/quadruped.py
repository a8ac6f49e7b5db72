# SPDX-License-Identifier: GPL-3.0-or-later
"""A named skeleton for animals on four legs: legs from the ground up, spine between them, neck, head and tail.

Lengths and places are in cells. The body may run along z (it faces the viewer) or along x (a picture from the side).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from .body import bounds
from .tree import Bone, Solid, link, medial_paths, nearest_cell, path_length, points_along, reach_from
from .voxels import CELLS_TOUCH

CUTS = np.linspace(0.6, 0.12, 17)  # of the height: where the solid is cut to see what stands on the ground, high first
GROUND_BAND = 0.08  # of the height: a leg reaches this low
LEG_VOLUME = 0.08  # of the largest leg's: less is a toe or a tail tip
MOST_LEGS = 5  # more parts on the ground make it an insect or a chair's castors
LEG_SPAN = 0.3  # of the body's length, at least, between fore and hind legs
SLAB_cells = 2.0  # the trunk is measured in slabs of twice this
TRUNK_RISE = 0.25  # of the trunk's half height: the spine runs above its middle
HIP_RISE = 0.5  # of the way from where the leg leaves the trunk to the spine
HIP_INSET = 0.8  # of the leg's distance from the middle
KNEE, ANKLE = 0.5, 0.12  # of the leg from the ground
FOOT = 0.3  # of the leg: how far a guessed foot points forward
NECK_JOINTS = (0.0, 0.35, 0.65, 1.0)  # of the path from the chest to the snout: two neck bones and the head
SNOUT_UP = 0.3  # a snout is more in front than it is high
SHORTEST_TAIL, TAIL_BONE = 0.08, 0.09  # of the longest side
MOST_TAIL_BONES = 4
PAIRED_OUT = 0.5  # of the depth: two legs that the picture shows as one stand this far apart
GUESSED_LEGS = ((0.2, 0.8), 0.45)  # of the length, hind and fore; of the height
CONFIDENCE_WITHOUT_TAIL = 0.8  # where a tail shows, the back end is surely the back end


@dataclass(frozen=True)
class Leg:
    """A centre line, float64 (N, 3), from the ground up to the trunk."""

    line: np.ndarray
    is_guessed: bool


@dataclass(frozen=True)
class AnimalShape:
    """front: int (3,), where the head is. legs: by name ("front.L"). hips, chest: (3,). leg_cells: bool (X, Y, Z).

    is_long: the trunk between the legs is no higher than they are apart.
    """

    front: np.ndarray
    legs: dict[str, Leg]
    hips: np.ndarray
    chest: np.ndarray
    leg_cells: np.ndarray
    separate_legs: int
    is_long: bool

    @property
    def is_quadruped(self) -> bool:
        """Four legs that stand apart, or three in a picture from the side, under a long trunk."""
        from_side = self.front[0] != 0
        return self.is_long and (self.separate_legs == 4 or (self.separate_legs == 3 and from_side))


def find_animal(solid: Solid) -> AnimalShape:
    """Look for the legs and the spine between them; legs that are not there have their usual places."""
    occupied = solid.grid.occupied
    low, high = bounds(occupied)
    lines, leg_cells = _find_leg_lines(occupied)
    legs_top = int(max((line[-1, 1] for line in lines), default=low[1] + GUESSED_LEGS[1] * (high[1] - low[1])))
    trunk = np.argwhere(occupied & ~leg_cells & (np.arange(occupied.shape[1]) >= legs_top)[:, None])
    axis = 0 if trunk[:, 0].std() > trunk[:, 2].std() else 2
    groups = _split_along(lines, axis, float(np.ptp(trunk[:, axis])))
    if groups:
        ends = [float(np.mean([line[:, axis].mean() for line in group])) for group in groups]
    else:
        groups, ends = [[], []], [float(low[axis] + part * (high[axis] - low[axis])) for part in GUESSED_LEGS[0]]
    forward = np.eye(3, dtype=int)[axis]
    if axis == 0 and _bulk_beyond(trunk, ends[0], -1) > _bulk_beyond(trunk, ends[1], 1):
        forward, ends, groups = -forward, ends[::-1], groups[::-1]
    hips, chest = (_spine_place(trunk, axis, end) for end in ends)
    left = np.cross([0, 1, 0], forward)
    legs = {}
    for name, group, place in zip(("back", "front"), groups, (hips, chest), strict=True):
        legs |= {f"{name}.{side}": leg for side, leg in _pair_legs(group, place, left, solid, legs_top).items()}
    middle = trunk[np.abs(trunk[:, axis] - np.mean(ends)) <= SLAB_cells]
    is_long = len(middle) > 0 and np.ptp(middle[:, 1]) <= abs(ends[1] - ends[0])
    return AnimalShape(forward, legs, hips, chest, leg_cells, sum(len(group) for group in groups), bool(is_long))


def _find_leg_lines(occupied: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The centre lines of the two to four parts that stand on the ground, and their cells; none where there are more.

    The solid is cut at falling heights; the highest cut that leaves the most parts, of four, is the one.
    """
    low, high = bounds(occupied)
    height = high[1] - low[1] + 1
    best: tuple[list[np.ndarray], np.ndarray] = ([], np.zeros_like(occupied))
    for cut in CUTS:
        top = low[1] + round(cut * height)
        labels, _ = ndimage.label(occupied[:, :top, :], CELLS_TOUCH)
        parts = [np.argwhere(labels == number + 1) for number, box in enumerate(ndimage.find_objects(labels))
                 if box[1].start <= low[1] + GROUND_BAND * height and box[1].stop == top]  # fmt: skip
        parts = [part for part in parts if len(part) >= LEG_VOLUME * max(map(len, parts))]
        if len(parts) > MOST_LEGS:
            return [], np.zeros_like(occupied)
        if len(best[0]) < len(parts) <= 4 and len(parts) > 1:
            cells = np.zeros_like(occupied)
            cells[tuple(np.concatenate(parts).T)] = True
            best = ([_centre_line(part) for part in parts], cells)
    return best


def _centre_line(cells: np.ndarray) -> np.ndarray:  # cells: (N, 3)
    """float64 (H, 3): the mean of the cells at each height, smoothed."""
    line = np.array([cells[cells[:, 1] == y].mean(0) for y in np.unique(cells[:, 1])])
    return ndimage.gaussian_filter1d(line, 1.5, axis=0, mode="nearest")


def _split_along(lines: list[np.ndarray], axis: int, length: float) -> list[list[np.ndarray]]:
    """Hind and fore legs, in rising order along the axis, at most two each; [] where the legs do not part so."""
    if len(lines) < 2:
        return []
    lines = sorted(lines, key=lambda line: line[:, axis].mean())
    gaps = np.diff([line[:, axis].mean() for line in lines])
    cut = int(gaps.argmax()) + 1
    groups = [lines[:cut], lines[cut:]]
    return groups if gaps.max() >= LEG_SPAN * length and max(map(len, groups)) <= 2 else []


def _bulk_beyond(trunk: np.ndarray, end: float, sign: int) -> float:
    """How much solid lies beyond the outer legs, counted by its height: a head is bulkier and higher than a tail."""
    beyond = trunk[(trunk[:, 0] - end) * sign > 0]
    return float((beyond[:, 1] - trunk[:, 1].min()).sum())


def _spine_place(trunk: np.ndarray, axis: int, end: float) -> np.ndarray:
    """(3,): where the spine passes above a pair of legs."""
    slab = trunk[np.abs(trunk[:, axis] - end) <= SLAB_cells]
    if not len(slab):
        slab = trunk
    place = slab.mean(0)
    place[axis] = np.clip(end, trunk[:, axis].min(), trunk[:, axis].max())
    place[1] += TRUNK_RISE * (slab[:, 1].max() - place[1])
    return place


def _pair_legs(group: list[np.ndarray], place: np.ndarray, left: np.ndarray, solid: Solid, top: int) -> dict[str, Leg]:
    """The left and the right leg of one end of the body."""
    if len(group) == 2:
        right_line, left_line = sorted(group, key=lambda line: float(line.mean(0) @ left))
        return {"L": Leg(left_line, False), "R": Leg(right_line, False)}
    low, _ = bounds(solid.grid.occupied)
    line = group[0] if group else np.array([[place[0], y, place[2]] for y in range(int(low[1]), top + 1)])
    out = PAIRED_OUT * solid.depth[nearest_cell(solid, place)] * left
    return {"L": Leg(line + out, True), "R": Leg(line - out, True)}
