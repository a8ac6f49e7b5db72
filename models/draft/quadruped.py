# SPDX-License-Identifier: GPL-3.0-or-later
"""An animal on four legs: its legs from the ground up, the spine between them, and the end that the head is at.

Lengths and places are in cells. The body may run along z (it faces the viewer) or along x (a picture from the side, or
half from the side, whose solid has the body's length in the picture's plane).
"""

from dataclasses import dataclass

import numpy as np

from .body import bounds, find_mirror, lengthwise
from .standing import Hanging, find_hanging
from .tree import Solid, nearest_cell

SOLES = (0.0, 0.04, 0.08, 0.12)  # of the height above the ground: feet may touch below
ALSO_STANDS = 0.05  # of the height: a fifth part that ends so little above the fourth makes it an insect or a rake
PAIR_RISE = 0.12  # of the height: of two legs side by side none ends so much higher; a hand or a cape may
LEGS_SHARE = (0.02, 0.4)  # of the solid: an insect's legs are less, the wheels of a bicycle more
BROAD = 0.8  # a body with less than four legs in sight is nearly as wide as high, or it stands on two
NEARER = 1.0  # how much a foot's height in the picture tells, beside the bulk of head and tail
LEG_SPAN = 0.22  # of the body's length, at least, between fore and hind legs: head and tail reach far beyond
TALLEST_TRUNK = {0: 1.4, 2: 1.0}  # times the legs' distance; pictures show a body shortened that is half turned away
BACK_SLOPE = 0.25  # of the trunk's least height: the back may rise so much above its lowest place between the legs
WAIST = 0.2  # of the places between the legs
SLAB_cells = 2.0  # the trunk is measured in slabs of twice this
TRUNK_RISE = 0.25  # of the trunk's half height: the spine runs above its middle
PAIRED_OUT = 0.5  # of the depth: two legs that the picture shows as one stand this far apart
GUESSED_LEGS = ((0.2, 0.8), 0.45)  # of the length, hind and fore; of the height
ONE_SIDED = 0.8  # mirror IoU: what lies across the view and is its own mirror image has neither head nor tail
MIDDLE_cells = 2.0
SAME_DEPTH_cells = 2.0  # legs of a pair that are no farther apart in depth are told apart by which is in front


@dataclass(frozen=True)
class Leg:
    """A centre line, float64 (N, 3), from the ground up to the trunk."""

    line: np.ndarray
    is_guessed: bool


@dataclass(frozen=True)
class AnimalShape:
    """front: int (3,), where the head is. legs: by name ("front.L"). hips, chest: (3,). leg_cells: bool (X, Y, Z).

    is_long: the trunk between the legs is about as long as it is high. is_one_sided: it is no mirror image of itself.
    breadth: how many times wider than high its thick parts are.
    """

    front: np.ndarray
    legs: dict[str, Leg]
    hips: np.ndarray
    chest: np.ndarray
    leg_cells: np.ndarray
    separate_legs: int
    is_long: bool
    is_one_sided: bool
    breadth: float

    @property
    def is_quadruped(self) -> bool:
        """Four legs that stand apart under a long trunk.

        In a picture from the side four legs and a head at one end, or less than four under a long, lying trunk.
        """
        if self.front[0] == 0:
            return self.is_long and self.separate_legs == 4
        is_lying = self.is_long and self.separate_legs >= 2 and self.breadth >= BROAD
        return self.is_one_sided and (is_lying or self.separate_legs == 4)


def find_animal(solid: Solid) -> AnimalShape:
    """Look for the legs and the spine between them; legs that are not there have their usual places."""
    occupied = solid.grid.occupied
    low, high = bounds(occupied)
    height = float(high[1] - low[1] + 1)
    parts = _find_legs(occupied)
    leg_cells = np.zeros_like(occupied)
    for part in parts:
        leg_cells[tuple(part.cells.T)] = True
    tops = [part.line[-1, 1] for part in parts] or [low[1] + GUESSED_LEGS[1] * height]
    trunk = np.argwhere(occupied & ~leg_cells & (np.arange(occupied.shape[1]) >= int(np.median(tops)))[:, None])
    axis = 0 if trunk[:, 0].std() > trunk[:, 2].std() else 2
    groups = _split_along(parts, axis, float(np.ptp(trunk[:, axis])))
    if groups:
        ends = [float(np.mean([part.line[:, axis].mean() for part in group])) for group in groups]
    else:
        groups, ends = [[], []], [float(low[axis] + part * (high[axis] - low[axis])) for part in GUESSED_LEGS[0]]
    forward = np.eye(3, dtype=int)[axis]
    if axis == 0 and _head_evidence(trunk, ends, groups, height) < 0:
        forward, ends, groups = -forward, ends[::-1], groups[::-1]
    pairs = [[leg for leg in group if leg.bottom - min(other.bottom for other in group) <= PAIR_RISE * height]
             for group in groups]  # fmt: skip
    thickness, back = _waist(trunk, axis, ends)
    hips, chest = (_spine_place(trunk, axis, end, back) for end in ends)
    legs = {}
    for name, pair, place in zip(("back", "front"), pairs, (hips, chest), strict=True):
        lines = [part.line for part in pair]
        legs |= {f"{name}.{side}": leg for side, leg in pair_legs(lines, place, forward, solid, max(tops)).items()}
    return AnimalShape(
        front=forward,
        legs=legs,
        hips=hips,
        chest=chest,
        leg_cells=leg_cells,
        separate_legs=sum(map(len, pairs)),
        is_long=thickness <= TALLEST_TRUNK[axis] * abs(ends[1] - ends[0]),
        is_one_sided=find_mirror(occupied)[1] < ONE_SIDED,
        breadth=lengthwise(solid, 0),
    )


def _find_legs(occupied: np.ndarray) -> list[Hanging]:
    """The two to four parts that the solid stands on; none where there are more.

    Feet may touch: the solid is looked at from a little above the ground on, as high as it takes to part them. Legs of
    a body that is its own mirror image stand beside its middle: there a tail or a trunk hangs.
    """
    low, high = bounds(occupied)
    height = float(high[1] - low[1] + 1)
    plane, symmetry = find_mirror(occupied)
    best: list[Hanging] = []
    for sole in SOLES:
        if len(best) == 4:
            break
        above = occupied.copy()
        above[:, : int(low[1] + sole * height)] = False
        parts = find_hanging(above)
        if symmetry >= ONE_SIDED:
            parts = [part for part in parts if abs(part.line[:, 0].mean() - plane) > MIDDLE_cells]
        if len(parts) > 4 and parts[4].bottom - parts[3].bottom < ALSO_STANDS * height:
            return []
        if len(parts[:4]) > len(best):
            best = parts[:4]
    share = sum(len(part.cells) for part in best) / np.count_nonzero(occupied)
    return best if LEGS_SHARE[0] <= share <= LEGS_SHARE[1] else []


def _split_along(parts: list[Hanging], axis: int, length: float) -> list[list[Hanging]]:
    """Hind and fore legs, in rising order along the axis, at most two each; [] where the legs do not part so.

    length: the trunk's, along the axis.
    """
    parts = sorted(parts, key=lambda part: float(part.line[:, axis].mean()))
    places = [float(part.line[:, axis].mean()) for part in parts]
    cuts = [cut for cut in range(1, len(parts)) if max(cut, len(parts) - cut) <= 2]
    if not cuts:
        return []
    cut = max(cuts, key=lambda cut: places[cut] - places[cut - 1])
    if np.mean(places[cut:]) - np.mean(places[:cut]) < LEG_SPAN * length:
        return []
    return [parts[:cut], parts[cut:]]


def _head_evidence(trunk: np.ndarray, ends: list[float], groups: list[list[Hanging]], height: float) -> float:
    """Positive where the head is at the far end of x, negative where it is at the near one.

    A head is bulkier and higher than a tail; and the end that a picture shows nearer, lower down, is the one with the
    face.
    """
    ground = trunk[:, 1].min()
    bulks = [float((beyond[:, 1] - ground).sum())
             for beyond in (trunk[trunk[:, 0] < ends[0]], trunk[trunk[:, 0] > ends[1]])]  # fmt: skip
    evidence = (bulks[1] - bulks[0]) / max(sum(bulks), 1.0)
    if all(groups):
        near, far = (np.mean([part.bottom for part in group]) for group in groups)
        evidence += NEARER * float(near - far) / height
    return evidence


def _waist(trunk: np.ndarray, axis: int, ends: list[float]) -> tuple[float, float]:
    """How high the trunk is where it is thin between the legs, and the height of its back there; (N, 3) cells.

    A neck or a raised head rises above some of the places between, hardly above all of them.
    """
    heights, backs = [], []
    for place in range(int(min(ends)), int(max(ends)) + 1):
        column = trunk[trunk[:, axis] == place, 1]
        if len(column):
            heights.append(np.ptp(column) + 1.0)
            backs.append(column.max())
    if not heights:
        return np.inf, float(trunk[:, 1].max())
    return float(np.quantile(heights, WAIST)), float(min(backs) + BACK_SLOPE * min(heights))


def _spine_place(trunk: np.ndarray, axis: int, end: float, back: float) -> np.ndarray:
    """(3,): where the spine passes above a pair of legs. back: no higher than this, where neck or wings rise on."""
    slab = trunk[(np.abs(trunk[:, axis] - end) <= SLAB_cells) & (trunk[:, 1] <= back)]
    if not len(slab):
        slab = trunk
    place = slab.mean(0)
    place[axis] = np.clip(end, trunk[:, axis].min(), trunk[:, axis].max())
    place[1] += TRUNK_RISE * (slab[:, 1].max() - place[1])
    return place


def pair_legs(
    group: list[np.ndarray], place: np.ndarray, forward: np.ndarray, solid: Solid, top: float
) -> dict[str, Leg]:
    """The left and the right leg of one end of the body.

    A picture gives both the same depth: there the one that is farther from the head is the near one, because pictures
    are taken from before an animal, not from behind it.
    """
    left = np.cross([0, 1, 0], forward)
    if len(group) == 2:
        aside = [float(line.mean(0) @ left) for line in group]
        if abs(aside[0] - aside[1]) <= SAME_DEPTH_cells:
            aside = [-float(line.mean(0) @ forward) * left[2] for line in group]
        right_line, left_line = (group[number] for number in np.argsort(aside, kind="stable"))
        return {"L": Leg(left_line, False), "R": Leg(right_line, False)}
    low, _ = bounds(solid.grid.occupied)
    line = group[0] if group else np.array([[place[0], y, place[2]] for y in range(int(low[1]), int(top) + 1)])
    out = PAIRED_OUT * solid.depth[nearest_cell(solid, line.mean(0) if group else place)] * left
    return {"L": Leg(line + out, True), "R": Leg(line - out, True)}
