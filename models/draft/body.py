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
SHORTEST_LEG, LONGEST_LEG = 0.06, 0.62  # of the height
LEG_RATIO = 4.0  # one leg may be so many times the other in volume
COLUMN_STRAY_cells = 3  # how far the column's centre may lie beside the mirror plane


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
    cells = np.argwhere(occupied)
    return cells.min(0), cells.max(0)


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
    labels, count = ndimage.label(occupied, SLICE_TOUCH)
    numbers = np.arange(count + 1)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    centres = np.array(ndimage.center_of_mass(occupied, labels, numbers[1:])).reshape(-1, 3)
    centres = np.concatenate([np.zeros((1, 3)), centres])
    band = max(2, round(FOOT_BAND * height))
    rising = [_rise(labels, areas, centres, (low[1], band), side * 1.0, plane) for side in (1, -1)]
    if not all(rising):
        return None
    left, right = ({int(centres[n, 1]): n for n in leg} for leg in rising)
    shared = [y for y in left.keys() & right.keys() if left[y] == right[y]]
    crotch = min(shared) if shared else min(max(left), max(right)) + 1
    left, right = ([leg[y] for y in sorted(leg) if y < crotch] for leg in (left, right))
    if not left or not right or not SHORTEST_LEG * height <= crotch - low[1] <= LONGEST_LEG * height:
        return None
    ratio = areas[left].sum() / areas[right].sum()
    if not 1 / LEG_RATIO < ratio < LEG_RATIO:
        return None
    return Legs(int(crotch), {"L": centres[left], "R": centres[right]}, np.isin(labels, left + right))


def _rise(
    labels: np.ndarray, areas: np.ndarray, centres: np.ndarray, start: tuple[int, int], side: float, plane: float
) -> list[int]:
    """The slice components of one leg, from the lowest one up, each the one that most overlaps the one below."""
    bottom, band = start
    for y in range(bottom, bottom + band):
        here = np.unique(labels[:, y, :])
        here = here[(here > 0) & ((centres[here, 0] - plane) * side > 1.0)]
        if len(here):
            break
    else:
        return []
    leg = [int(here[areas[here].argmax()])]
    while y + 1 < labels.shape[1]:
        above = labels[:, y + 1, :][labels[:, y, :] == leg[-1]]
        above = np.bincount(above)
        above[:1] = 0
        if above.sum() == 0:
            break
        leg.append(int(above.argmax()))
        y += 1
    return leg


def find_column(solid: Solid, plane: float, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    """The trunk and head at each height from `bottom` to the top: centres float64 (N, 3) and half widths float64 (N,).

    A centre is the thickest place near the mirror plane, or anywhere at heights where there is nothing near it.
    A half width is half the run of solid cells through it, in x.
    """
    _, high = bounds(solid.grid.occupied)
    is_near = (np.abs(np.arange(solid.depth.shape[0]) - plane) <= COLUMN_STRAY_cells)[:, None]
    centres, half_widths = [], []
    for y in range(bottom, int(high[1]) + 1):
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
