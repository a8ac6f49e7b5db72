# SPDX-License-Identifier: GPL-3.0-or-later
"""What a solid stands on: the parts that hang down from it freely, followed from their lowest cell up to the trunk.

Lengths and places are in cells.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .body import SLICE_TOUCH, bounds

HIGHEST_END = 0.4  # of the height: the far legs of a picture that looks down a little end so high above the near ones
LONGEST = 0.7  # of the height: what goes on higher is no leg
SHORTEST = 0.1  # of the height: less is a toe, a heel or a hanging belly
LEAST_VOLUME = 0.15  # of the middle one's of all parts: less is a tuft or the tip of a tail
FOOT_RISE = 0.06  # of the height above its lowest cell: toes swell into a foot as no leg does
JUMP = 1.6  # times the leg's largest slice below: where a slice is larger, the leg has met the trunk
SMOOTHING_cells = 1.5


@dataclass(frozen=True)
class Hanging:
    """A part that hangs down. line: float64 (N, 3), its centre at each height from the lowest up. cells: int (M, 3)."""

    line: np.ndarray
    cells: np.ndarray

    @property
    def bottom(self) -> float:
        return float(self.line[0, 1])


def find_hanging(occupied: np.ndarray) -> list[Hanging]:
    """The parts that hang down freely, the lowest first.

    Slices are joined from the ground up; a part ends where it meets another one or swells into the trunk.
    """
    low, high = bounds(occupied)
    height = float(high[1] - low[1] + 1)
    labels, count = ndimage.label(occupied, SLICE_TOUCH)
    cells = np.argwhere(occupied)
    cells = cells[np.argsort(cells[:, 1], kind="stable")]
    slices = labels[tuple(cells.T)]
    parts = []
    for run in _free_runs(labels, count, SHORTEST * height):
        is_chosen = np.zeros(count + 1, bool)
        is_chosen[run] = True
        part = _until_trunk(cells[is_chosen[slices]], FOOT_RISE * height)
        bottom, top = (part[0, 1] - low[1]) / height, (part[-1, 1] - low[1]) / height
        if bottom <= HIGHEST_END and SHORTEST <= top - bottom and top <= LONGEST:
            parts.append(part)
    usual = np.median([len(part) for part in parts]) if parts else 0
    parts = [part for part in parts if len(part) >= LEAST_VOLUME * usual]
    return sorted((Hanging(_centre_line(part), part) for part in parts), key=lambda part: part.bottom)


def _free_runs(labels: np.ndarray, count: int, shortest: float) -> list[list[int]]:
    """The labels of each part's slices, from its lowest up to where it meets another part that is long enough."""
    lower, upper = labels[:, :-1, :], labels[:, 1:, :]
    touching = (lower > 0) & (upper > 0)
    below: dict[int, list[int]] = {}
    for pair in np.unique(lower[touching].astype(np.int64) * (count + 1) + upper[touching]).tolist():
        below.setdefault(pair % (count + 1), []).append(pair // (count + 1))
    heights = [box[1].start for box in ndimage.find_objects(labels)]
    owner = np.zeros(count + 1, int)  # the run that a slice belongs to; -1: the trunk
    runs: list[list[int]] = []
    merged: dict[int, int] = {}

    def run_of(slice_: int) -> int:
        run = int(owner[slice_])
        while run in merged:
            run = merged[run]
        return run

    for slice_ in sorted(range(1, count + 1), key=lambda number: heights[number - 1]):
        met = sorted({run_of(under) for under in below.get(slice_, [])})
        long = [r for r in met if r < 0 or heights[slice_ - 1] - heights[runs[r][0] - 1] >= shortest]
        if not met:
            runs.append([])
            owner[slice_] = len(runs) - 1
        elif len(long) > 1:
            owner[slice_] = -1
        else:
            owner[slice_] = long[0] if long else min(met, key=lambda r: heights[runs[r][0] - 1])
        merged |= {run: int(owner[slice_]) for run in met if run != owner[slice_] and run >= 0}
        if owner[slice_] >= 0:
            runs[owner[slice_]].append(slice_)
    return [run for number, run in enumerate(runs) if merged.get(number, -1) < 0 and run]


def _until_trunk(cells: np.ndarray, foot: float) -> np.ndarray:  # cells: (M, 3), by rising height
    """The cells below the first slice, above the foot, that is much larger than all below it."""
    heights, areas = np.unique(cells[:, 1], return_counts=True)
    for number in range(2, len(heights)):
        if heights[number] - heights[0] > foot and areas[number] > JUMP * areas[:number].max():
            return cells[cells[:, 1] < heights[number]]
    return cells


def _centre_line(cells: np.ndarray) -> np.ndarray:  # cells: (M, 3)
    """float64 (H, 3): the mean of the cells at each height, smoothed."""
    line = np.array([cells[cells[:, 1] == y].mean(0) for y in np.unique(cells[:, 1])])
    return ndimage.gaussian_filter1d(line, SMOOTHING_cells, axis=0, mode="nearest")
