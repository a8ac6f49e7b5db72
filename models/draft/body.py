# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements of a standing body in a voxel grid: mirror plane, legs from the ground up, the column above them.

All lengths and places are in cells; x grows to the character's left, y up, z to the front.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .tree import Solid

SLICE_TOUCH = np.zeros((3, 3, 3), bool)  # cells connected within a slice of one height only
SLICE_TOUCH[:, 1, :] = True
PLANE_RANGE = (0.15, 0.85)  # of the width: one arm or one wing shifts the middle of the width
FOOT_BAND = 0.10  # of the height: both legs start this low; wide shoes may touch below
FOOT_RISE = 0.06  # of the height above where a foot starts: toes swell into a foot as no leg does
SHORTEST_LEG, LONGEST_LEG = 0.06, 0.62  # of the height
LEG_RATIO = 4.0  # one leg may be so many times the other in volume
LEG_JUMP = 1.5  # times the slice of the leg alone: one that is larger has met a tail, a cape or the trunk,
LEG_MARGIN_cells = 2  # and counts only this far around the last slice that was the leg alone
CUT_RISE = 0.05  # of the height above a cut edge: the body is hardly wider there
CUT_WIDTH, CUT_STEEP = 0.35, 0.75  # of the usual width; of the width a little above: a round base is much wider there
COLUMN_STRAY_cells = 3  # how far the column's centre may lie beside the mirror plane


@dataclass(frozen=True)
class LegSlice:
    """One height of a leg: the number of the component it belongs to; its own centre, float64 (3,), and area."""

    number: int
    centre: np.ndarray
    area: int


@dataclass(frozen=True)
class Legs:
    """Two legs of a humanoid.

    crotch: the height where they meet. lines: float64 (N, 3) from the ground up, by side. cells: bool (X, Y, Z).
    """

    crotch: int
    lines: dict[str, np.ndarray]
    cells: np.ndarray


def bounds(occupied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last solid cell on each axis, int64 (3,) each."""
    outlines = occupied.any(axis=0)
    spans = [np.flatnonzero(line) for line in (occupied.any(axis=(1, 2)), outlines.any(axis=1), outlines.any(axis=0))]
    return np.array([span[0] for span in spans]), np.array([span[-1] for span in spans])


def find_mirror(occupied: np.ndarray) -> tuple[float, float]:
    """The plane x = const that the solid is most alike across, in half cells, and the IoU with its mirror image."""
    width = occupied.shape[0]
    spectrum = np.fft.rfft(occupied.reshape(width, -1).astype(np.float32), 2 * width, axis=0)
    overlap = np.fft.irfft((spectrum**2).sum(axis=1), 2 * width)[: 2 * width - 1]  # at x + x' = index
    low, high = bounds(occupied)
    first, last = (2 * (low[0] + np.array(PLANE_RANGE) * (high[0] - low[0]))).round().astype(int)
    best = first + int(overlap[first : last + 1].round().argmax())
    common = float(overlap[best])
    return best / 2, common / (2 * occupied.sum() - common)


def find_legs(occupied: np.ndarray, plane: float) -> Legs | None:
    """The two parts that rise from the ground on either side of the plane until they meet; None without such parts."""
    low, high = bounds(occupied)
    height = high[1] - low[1] + 1
    labels, _ = ndimage.label(occupied, SLICE_TOUCH)
    left, right = (_rise(labels, (low[1], height), side, plane) for side in (1.0, -1.0))
    if not left or not right:
        return None
    shared = [y for y in left.keys() & right.keys() if left[y].number == right[y].number]
    crotch = min(shared) if shared else min(max(left), max(right)) + 1
    legs = {name: [leg[y] for y in leg if y < crotch] for name, leg in (("L", left), ("R", right))}
    if not all(legs.values()) or not SHORTEST_LEG * height <= crotch - low[1] <= LONGEST_LEG * height:
        return None
    volumes = [sum(part.area for part in leg) for leg in legs.values()]
    if max(volumes) >= LEG_RATIO * min(volumes):
        return None
    lines = {name: np.array([part.centre for part in leg]) for name, leg in legs.items()}
    return Legs(int(crotch), lines, np.isin(labels, [part.number for leg in legs.values() for part in leg]))


def _rise(labels: np.ndarray, body: tuple[int, int], side: float, plane: float) -> dict[int, LegSlice]:
    """One leg's slices by height, each the part that most overlaps the one below; body: its lowest cell and height."""
    bottom, height = body
    leg: dict[int, LegSlice] = {}
    foot = alone = np.zeros(labels[:, 0, :].shape, bool)
    for y in range(bottom, bottom + max(2, round(FOOT_BAND * height))):
        for number in np.unique(labels[:, y, :])[1:]:
            part = labels[:, y, :] == number
            if (np.nonzero(part)[0].mean() - plane) * side > 1.0 and part.sum() > foot.sum():
                foot = part
        if foot.any():
            break
    part = alone = foot
    beside: np.ndarray | None = None  # of the last slice that was the leg alone, once it is asked for
    foot_top = y + FOOT_RISE * height
    while part.any():
        x, z = np.nonzero(part)
        leg[y] = LegSlice(int(labels[x[0], y, z[0]]), np.array([x.mean(), y, z.mean()]), len(x))
        y += 1
        above = np.bincount(labels[:, y, :][part])
        above[0] = 0
        part = (labels[:, y, :] == above.argmax()) & above.any()
        if y < foot_top or part.sum() <= LEG_JUMP * alone.sum():
            alone, beside = part, None
        else:
            beside = ndimage.binary_dilation(alone, iterations=LEG_MARGIN_cells) if beside is None else beside
            part = part & beside
    return leg


def is_cut_off(occupied: np.ndarray, plane: float) -> bool:
    """Whether the trunk ends at the ground with its full width, as where a picture's edge has cut the legs off."""
    low, high = bounds(occupied)
    rise = max(3, round(CUT_RISE * (high[1] + 1 - low[1])))
    labels, _ = ndimage.label(occupied, SLICE_TOUCH)
    edge, above = (_middle_width(labels[:, min(low[1] + y, high[1]), :], plane) for y in (1, rise))
    usual = np.median(occupied.any(axis=2).sum(axis=0)[low[1] : high[1] + 1])
    return bool(above >= CUT_WIDTH * usual and edge >= CUT_STEEP * above)


def _middle_width(labels: np.ndarray, plane: float) -> int:  # labels: (X, Z)
    """How wide the part of a slice is that lies across the plane; 0 where there is none."""
    numbers = labels[round(plane)]
    return int((labels == numbers.max()).any(axis=1).sum()) if numbers.any() else 0


def find_column(solid: Solid, plane: float, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    """The trunk and head at each height from `bottom` up: centres float64 (N, 3) and half widths float64 (N,).

    A centre is the thickest place near the mirror plane, or anywhere at heights where there is nothing near it. The
    column ends where only ears or horns rise on, on both sides of the plane.
    A half width is half the run of solid cells through it, in x.
    """
    _, high = bounds(solid.grid.occupied)
    beside = np.arange(solid.depth.shape[0]) - plane
    is_near = (np.abs(beside) <= COLUMN_STRAY_cells)[:, None]
    is_there = solid.grid.occupied.any(axis=2)
    near_top = int(np.flatnonzero(is_there[is_near[:, 0]].any(axis=0)).max(initial=bottom))
    are_ears = all(is_there[side, near_top + 1].any() for side in (beside < 0, beside > 0))
    top = near_top if are_ears else int(high[1])
    centres, half_widths = [], []
    for y in range(bottom, top + 1):
        thick = solid.depth[:, y, :] * is_near
        if not thick.any():
            thick = solid.depth[:, y, :]
        x, z = np.unravel_index(thick.argmax(), thick.shape)
        empty = np.flatnonzero(~solid.grid.occupied[:, y, z])
        half_widths.append((empty[empty > x].min() - empty[empty < x].max() - 1) / 2)
        centres.append((plane if is_near[x] else x, y, z))
    smooth = ndimage.gaussian_filter1d(np.array(centres, float), 2.0, axis=0, mode="nearest")
    return smooth, ndimage.median_filter(np.array(half_widths), 3, mode="nearest")


def column_cells(occupied: np.ndarray, column: np.ndarray) -> np.ndarray:  # column: (N, 3)
    """bool (X, Y, Z): in each slice the component that holds the column's centre: a head with its hat, but no arm."""
    labels, count = ndimage.label(occupied, SLICE_TOUCH)
    held = np.zeros(count + 1, bool)
    held[labels[tuple(np.round(column).astype(int).T)]] = True
    held[0] = False
    return held[labels]


def lengthwise(solid: Solid, axis: int, bottom: int = 0) -> float:
    """How many times longer along an axis than high the thick parts above a height in cells are."""
    cells = solid.cells[solid.cells[:, 1] >= bottom]
    thick = solid.depth[tuple(cells.T)] ** 2
    away = cells - np.average(cells, axis=0, weights=thick)
    spread = np.sqrt(np.average(away**2, axis=0, weights=thick))
    return float(spread[axis] / max(spread[1], 0.5))
