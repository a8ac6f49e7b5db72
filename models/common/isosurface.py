# SPDX-License-Identifier: GPL-3.0-or-later
"""The surface of a field that costs much to ask: sampled coarsely everywhere, finely only where the surface passes.

The field is positive inside. Its grid has `resolution` cells a side and a sample at every corner of a cell, index
order [x, y, z], over the cube [-half_side, half_side]³, ends included.

    SurfaceError (ValueError)
    ├── EmptyField        no sample, or every sample, lies inside
    └── FieldNotFinite    the field answered with NaN or infinity
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Field = Callable[[Tensor], Tensor]
"""(N, 3) float32 points on the CPU → (N,) values, on any device and of any float type."""

COARSEST = 63  # cells a side below which the first grid is not halved: a finger is then about a cell thick
MOST_AT_ONCE = 160  # cells a side of the largest grid that is asked whole: 4 million samples
DEPTH_OF_DIP = 1.5  # how far, in falls to it, a sample's value may lie from the level and still hide a surface


class SurfaceError(ValueError):
    """The field has no surface that a mesh can be made of. The message says what happened and why."""


class EmptyField(SurfaceError):
    """The field does not cross its level."""


class FieldNotFinite(SurfaceError):
    """The field holds NaN or infinity."""


@dataclass(frozen=True)
class Cube:
    """Where the field is sampled. half_side: of the cube about the origin. resolution: cells a side."""

    half_side: float
    resolution: int

    def levels(self) -> tuple[int, ...]:
        """Cells a side of each grid, coarse to fine, each twice the one before.

        Raises ValueError where the first would be too large to be asked whole.
        """
        sides = [self.resolution]
        while sides[0] % 2 == 0 and sides[0] // 2 >= COARSEST:
            sides.insert(0, sides[0] // 2)
        if sides[0] > MOST_AT_ONCE:
            raise ValueError(f"A resolution of {self.resolution} cannot be halved often enough; 256, 384 and 512 can.")
        return tuple(sides)

    def place(self, indices: np.ndarray) -> np.ndarray:  # indices: (N, 3) float32 of the finest grid
        """Positions of samples, or of points between them: (N, 3) float32."""
        return indices * np.float32(2 * self.half_side / self.resolution) - np.float32(self.half_side)


@dataclass(frozen=True)
class Volume:
    """A sampled field. values: (R+1, R+1, R+1) float32; a sample that was not asked tells only the side of the level
    it is on, by level ± 1. queries: how many samples of each grid were asked.
    """

    values: np.ndarray
    queries: tuple[int, ...]


class Sampler:
    """Asks a field in chunks and counts.

    on_progress is called before each chunk with a share of the whole, 0..1; what it raises stops the work.
    """

    def __init__(
        self, field: Field, half_side: float, chunk_points: int, on_progress: Callable[[float], None] = lambda _: None
    ) -> None:
        self._field = field
        self._half_side = half_side
        self._chunk_points = chunk_points
        self._on_progress = on_progress

    @torch.inference_mode()
    def ask(self, indices: np.ndarray, resolution: int, span: tuple[float, float]) -> np.ndarray:  # indices: (N, 3)
        """Values at samples of a grid: (N,) float32. span: the progress before and after. Raises FieldNotFinite."""
        scale = np.float32(2 * self._half_side / resolution)
        found = np.empty(len(indices), np.float32)
        for start in range(0, len(indices), self._chunk_points):
            self._on_progress(span[0] + (span[1] - span[0]) * start / len(indices))
            chunk = slice(start, start + self._chunk_points)
            points = indices[chunk].astype(np.float32) * scale - np.float32(self._half_side)
            found[chunk] = self._field(torch.from_numpy(points)).float().cpu().numpy()
        lost = int((~np.isfinite(found)).sum())
        if lost:
            raise FieldNotFinite(
                f"The shape's field is not a number at {lost:,} of {len(found):,} points: the network overflowed."
            )
        return found

    def ask_all(self, resolution: int, span: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
        """Values of a whole grid: (r+1, r+1, r+1) float32. Raises FieldNotFinite."""
        side = resolution + 1
        indices = np.indices((side, side, side), dtype=np.int32).reshape(3, -1).T
        return self.ask(indices, resolution, span).reshape(side, side, side)


def sample_surface(sampler: Sampler, cube: Cube, level: float = 0.0) -> Volume:
    """Sample the field finely along its surface.

    Each next grid is asked in the cells of the last one that the level crosses, and around samples where the field
    dips towards it; from there the surface is followed until every cell that it crosses has all its corners. What
    marching cubes finds is then what it finds in the whole grid, save for parts that no coarse grid saw.
    Raises EmptyField, FieldNotFinite.
    """
    sides = cube.levels()
    share = 1 / len(sides)
    values = sampler.ask_all(sides[0], (0.0, share))
    known = np.ones(values.shape, bool)
    queries = [values.size]
    for step, side in enumerate(sides[1:], 1):
        cells = _crossed(values > level) | _around(_dips(values, known, level))
        wanted = _corners_of(_halved(cells))
        values, known = _refined(values, known, level)
        wanted &= ~known
        values[wanted] = sampler.ask(np.argwhere(wanted), side, (step * share, (step + 1) * share))
        known |= wanted
        followed = _follow(sampler, values, known, level, (step + 1) * share)
        queries.append(int(wanted.sum()) + followed)
    inside = values > level
    if inside.all() or not inside.any():
        where = "inside" if inside.any() else "outside"
        raise EmptyField(f"The shape has no surface: all of the {values.size:,} samples lie {where}.")
    return Volume(values, tuple(queries))


def _follow(sampler: Sampler, values: np.ndarray, known: np.ndarray, level: float, progress: float) -> int:
    """Ask, in place, for the missing corners of crossed cells until none is missing: how many were asked."""
    side = values.shape[0] - 1
    offsets = np.array(list(np.ndindex(2, 2, 2)), dtype=np.int32)
    cells = np.argwhere(_crossed(values > level) & ~_joined(known, np.logical_and)).astype(np.int32)
    asked = 0
    while len(cells):
        corners = _distinct((cells[:, None] + offsets).reshape(-1, 3), side + 1)
        corners = corners[~known[tuple(corners.T)]]
        values[tuple(corners.T)] = sampler.ask(corners, side, (progress, progress))
        known[tuple(corners.T)] = True
        asked += len(corners)
        near = (corners[:, None] - offsets).reshape(-1, 3)
        near = _distinct(near[((near >= 0) & (near < side)).all(axis=1)], side)
        of_cell = tuple(np.moveaxis(near[:, None] + offsets, 2, 0))
        inside = values[of_cell] > level
        cells = near[inside.any(axis=1) & ~inside.all(axis=1) & ~known[of_cell].all(axis=1)]
    return asked


def _distinct(places: np.ndarray, side: int) -> np.ndarray:  # (N, 3) int32, each below side
    """Every place once, in index order."""
    flat = np.unique(np.ravel_multi_index(tuple(places.T), (side, side, side)))
    return np.stack(np.unravel_index(flat, (side, side, side)), axis=1).astype(np.int32)


def _refined(values: np.ndarray, known: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Values and known of the grid with half the cells' size: samples between those that are there take a side."""
    inside = values > level
    for axis in range(3):
        inside = inside.repeat(2, axis)
    inside = inside[:-1, :-1, :-1]
    fine = np.where(inside, np.float32(level + 1), np.float32(level - 1))
    fine[::2, ::2, ::2] = values
    is_known = np.zeros(fine.shape, bool)
    is_known[::2, ::2, ::2] = known
    return fine, is_known


def _dips(values: np.ndarray, known: np.ndarray, level: float) -> np.ndarray:
    """Samples that come nearer to the level than both neighbours along an axis, on the same side of it, and so near
    that the level may be crossed twice before the next one: a sheet or a speck that lies between samples.
    """
    inside, away = values > level, np.abs(values - np.float32(level))
    found = np.zeros(values.shape, bool)
    for axis in range(3):
        before, here, after = (_shifted(axis, start) for start in range(3))
        fall = np.maximum(away[before], away[after]) - away[here]
        is_least = (away[here] <= away[before]) & (away[here] <= away[after])
        is_one_side = (inside[here] == inside[before]) & (inside[here] == inside[after])
        is_known = known[before] & known[here] & known[after]
        found[here] |= is_least & is_one_side & is_known & (away[here] <= DEPTH_OF_DIP * fall)
    return found


def _shifted(axis: int, start: int) -> tuple[slice, ...]:
    """The first, middle or last of three samples in a row along an axis."""
    stop = start - 2 or None
    return tuple(slice(start, stop) if other == axis else slice(None) for other in range(3))


def _crossed(inside: np.ndarray) -> np.ndarray:
    """(n, n, n) samples → (n-1, n-1, n-1) cells with corners on both sides."""
    return _joined(inside, np.logical_or) & ~_joined(inside, np.logical_and)


def _joined(samples: np.ndarray, join: np.ufunc) -> np.ndarray:
    """What the eight corners of each cell give together."""
    for axis in range(3):
        lower = tuple(slice(None, -1) if other == axis else slice(None) for other in range(3))
        upper = tuple(slice(1, None) if other == axis else slice(None) for other in range(3))
        samples = join(samples[lower], samples[upper])
    return samples


def _around(samples: np.ndarray) -> np.ndarray:
    """The cells that have one of the samples as a corner."""
    return _joined(samples, np.logical_or)


def _halved(cells: np.ndarray) -> np.ndarray:
    """The same cells in the grid with half the cells' size."""
    for axis in range(3):
        cells = cells.repeat(2, axis)
    return cells


def _corners_of(cells: np.ndarray) -> np.ndarray:
    """(n, n, n) cells → (n+1, n+1, n+1) samples that are corners of one."""
    return _joined(np.pad(cells, 1), np.logical_or)
