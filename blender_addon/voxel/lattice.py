# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the cells lie: their size, and how they are set against the figure so that its front view is clean pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Floats, Ints, corners_of, unit_normals
from .errors import MeshUnusable, SizeOutOfRange

SMALLEST_SIZE, LARGEST_SIZE = 1, 512  # cells along the height
MOST_CELLS = 1 << 27  # nine bytes each at most: 1.2 GiB
PAD_cells = 1  # free cells on every side, so that neighbours need no bounds and the outside is connected
SHORTEST = 1e-9  # of a body's longest side, as a part of its distance from the origin: below, rounding shapes it
FLAT = 1 / 8  # a body flatter than this part of its longest side is measured along that side
SYMMETRIC = 0.75  # of the surface that finds its mirror image, tails and swords not: below, the box's middle is it
BETTER = 0.02  # so much more of the surface must mirror about another plane than about the middle of the box
HEIGHT_BANDS = 24  # in which a figure's left and right are compared
COLUMNS = 64  # along the longest side, in which left and right are compared, whatever the size of the voxels
FINER = 8  # columns for one, in which the plane that was found is placed
NEAR_columns = 2  # how far from it
TOLERANCE_cells = 1e-6  # a body that is this little longer than whole cells is not given another one


@dataclass(frozen=True)
class Lattice:
    """origin: float64 (3,), outer corner of cell (0, 0, 0). pitch: edge of a cell, in the mesh's unit. shape: cells,
    with a free border of PAD_cells.
    """

    origin: Floats
    pitch: float
    shape: tuple[int, int, int]

    @property
    def steps(self) -> tuple[int, int, int]:
        """What a flat cell index grows by along X, Y and Z."""
        return self.shape[1] * self.shape[2], self.shape[2], 1

    @property
    def cell_count(self) -> int:
        """All cells, the border too."""
        return int(np.prod(self.shape, dtype=np.int64))

    def to_cells(self, points: Floats) -> Floats:
        """Points (…, 3) in cells from the origin: cell i reaches from i to i + 1."""
        return np.asarray((points - self.origin) / self.pitch)

    def to_points(self, places: Floats | Ints) -> Floats:
        """The inverse of `to_cells`."""
        return np.asarray(self.origin + np.asarray(places, np.float64) * self.pitch)

    def flat(self, cells: Ints) -> Ints:  # cells: (..., 3)
        """Flat indices of cells, Z fastest."""
        x, y, _ = self.steps
        return np.asarray(cells[..., 0] * x + cells[..., 1] * y + cells[..., 2])

    def unflat(self, flat: Ints) -> Ints:
        """The inverse of `flat`: (N, 3)."""
        return np.stack(np.unravel_index(flat, self.shape), axis=-1)

    def empty(self) -> Bools:
        """A grid of cells, none of them set."""
        return np.zeros(self.shape, bool)


def fit_lattice(vertices: Floats, triangles: Ints, size: int) -> Lattice:
    """Cells for a checked mesh, `size` of them along its height (Z); along the longest side of a flat one.

    The feet stand on a border between cells and, where the measured side is the height, the head ends at one. The
    figure's plane of symmetry, or the middle of its box, is the middle of the grid's width, which has the whole number
    of cells that is nearest to the figure's, so that left and right become mirror images.
    Raises SizeOutOfRange, MeshUnusable.
    """
    if isinstance(size, bool) or int(size) != size or not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise SizeOutOfRange("Size", SMALLEST_SIZE, LARGEST_SIZE, size)
    corners = corners_of(vertices, triangles)
    low, high = corners.min((0, 1)), corners.max((0, 1))
    extent = high - low
    longest = float(extent.max())
    if longest <= SHORTEST * float(np.abs(corners).max()):
        raise MeshUnusable("it has no extent")
    pitch = (float(extent[2]) if extent[2] >= FLAT * longest else longest) / size
    middle = symmetry_plane(corners)
    half = max(high[0] - middle, middle - low[0])
    counts = [
        _centred_cells(2 * half / pitch, extent[0] / pitch),
        _whole_cells(extent[1] / pitch),
        _whole_cells(extent[2] / pitch),
    ]
    total = int(np.prod([count + 2 * PAD_cells for count in counts], dtype=object))
    if total > MOST_CELLS:
        raise SizeOutOfRange.too_wide(total, MOST_CELLS)
    centre = np.array([middle, (low[1] + high[1]) / 2])
    ground = centre - np.array(counts[:2]) * pitch / 2
    origin = np.array([*ground, low[2]]) - PAD_cells * pitch
    return Lattice(origin, pitch, (counts[0] + 2, counts[1] + 2, counts[2] + 2))


def _whole_cells(cells: float) -> int:
    return max(int(np.ceil(cells - TOLERANCE_cells)), 1)


def _centred_cells(cells: float, own: float) -> int:
    """Enough cells for the width about the middle, odd or even as the figure's own width comes nearest to."""
    count = _whole_cells(cells)
    return count + (count - max(round(own), 1)) % 2


def symmetry_plane(corners: Floats) -> float:
    """The x of the plane about which the surface mirrors best; else the middle of its box.

    corners: (F, 3, 3). Compares how much surface lies at each width and height with its mirror image. Near to the
    object's own middle, x = 0, about which figures are modelled, it is that.
    """
    low, high = corners.min((0, 1)), corners.max((0, 1))
    middle = float((low[0] + high[0]) / 2)
    column = float((high - low).max()) / COLUMNS
    if float(high[0] - low[0]) < 2 * column:
        return middle
    _, areas = unit_normals(corners)
    if not areas.any():
        return middle
    coarse = _profile(corners, areas, middle, column)
    reach = len(coarse) // 2
    scores = {shift: _mirrored_share(coarse, shift) for shift in range(-reach, reach + 1)}
    best = max(scores, key=lambda shift: (round(scores[shift], 3), -abs(shift)))
    if scores[best] < SYMMETRIC or scores[best] < scores[0] + BETTER:
        return middle
    fine = _profile(corners, areas, middle, column / FINER)
    reach = len(fine) // 2
    near = range(max((best - NEAR_columns) * FINER, -reach), min((best + NEAR_columns) * FINER, reach) + 1)
    placed = max(near, key=lambda shift: (round(_mirrored_share(fine, shift), 3), -abs(shift)))
    found = middle + placed * column / FINER / 2
    return 0.0 if abs(found) <= column else found


def _profile(corners: Floats, areas: Floats, middle: float, column: float) -> Floats:
    """The surface in columns of this width and HEIGHT_BANDS bands, as many columns on each side of the middle."""
    low, high = corners[:, :, 2].min(), corners[:, :, 2].max()
    centres = corners.mean(1)
    count = int(np.ceil((np.abs(corners[:, :, 0] - middle).max()) / column)) + 1
    # Columns are counted from the middle of the box, so that a figure that fills it evenly mirrors exactly.
    place = np.clip(np.floor((centres[:, 0] - middle) / column + count), 0, 2 * count - 1).astype(np.int64)
    band = np.floor((centres[:, 2] - low) / max(high - low, np.finfo(float).tiny) * HEIGHT_BANDS)
    band = np.minimum(band, HEIGHT_BANDS - 1).astype(np.int64)
    total = np.bincount(place * HEIGHT_BANDS + band, areas, 2 * count * HEIGHT_BANDS)
    profile = total.reshape(2 * count, -1).astype(np.float64)
    return (profile + np.roll(profile, 1, 0) + np.roll(profile, -1, 0)) / 3


def _mirrored_share(profile: Floats, shift: int) -> float:
    """The part of the surface that lies where its mirror image does. shift: of the plane, in half columns."""
    mirrored = np.zeros_like(profile)
    flipped = profile[::-1]
    count = len(profile)
    if shift >= 0:
        mirrored[shift:] = flipped[: count - shift]
    else:
        mirrored[:shift] = flipped[-shift:]
    return float(np.minimum(profile, mirrored).sum() / profile.sum())
