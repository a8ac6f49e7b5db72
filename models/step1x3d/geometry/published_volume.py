# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid and the surface as the official pipeline makes them, sample by sample, for comparison with its results.

It asks a band about the surface, several times as many samples as `models.common.isosurface`, leaves NaN elsewhere,
and shrinks and shifts the mesh by a cell in R + 1.
"""

from __future__ import annotations

import numpy as np
from skimage.measure import marching_cubes

from models.common.isosurface import COARSEST, Cube, EmptyField, Sampler, Volume

NOT_ASKED = -10000.0
NEAR_SURFACE = 0.95  # of a truncated field's ±1


def published_levels(resolution: int, coarsest: int = COARSEST) -> tuple[int, ...]:
    """Cells a side of each grid, coarse to fine."""
    sides = [resolution]
    while sides[0] // 2 >= coarsest:
        sides.insert(0, sides[0] // 2)
    return tuple(sides)


def sample_published(sampler: Sampler, sides: tuple[int, ...], level: float = 0.0) -> Volume:
    """Sample the band about the surface; NaN elsewhere. sides: of `published_levels`. Raises FieldNotFinite."""
    share = 1 / len(sides)
    values = sampler.ask_all(sides[0], (0.0, share))
    queries = [values.size]
    for step, side in enumerate(sides[1:], 1):
        is_last = step == len(sides) - 1
        active = crosses_near(values, level) | (np.abs(values) < NEAR_SURFACE)
        active &= values != np.float32(NOT_ASKED)
        if not is_last:
            active = dilated(active)
        marked = np.zeros((side + 1,) * 3, bool)
        marked[tuple(2 * np.argwhere(active).T)] = True
        marked = dilated(dilated(marked)) if is_last else dilated(marked)
        values = np.full(marked.shape, NOT_ASKED, np.float32)
        values[marked] = sampler.ask(np.argwhere(marked), side, (step * share, (step + 1) * share))
        queries.append(int(marked.sum()))
    values[values == np.float32(NOT_ASKED)] = np.nan
    return Volume(values, tuple(queries))


def crosses_near(values: np.ndarray, level: float = 0.0) -> np.ndarray:  # values: (n, n, n) float32
    """Samples one of whose six neighbours has another sign; a zero's is its own. A missing neighbour counts as none."""
    lifted = values + np.float32(level)
    signs = np.sign(lifted)
    is_there = lifted > NOT_ASKED
    changes = np.zeros(values.shape, bool)
    for axis in range(3):
        first = tuple(slice(None, -1) if other == axis else slice(None) for other in range(3))
        second = tuple(slice(1, None) if other == axis else slice(None) for other in range(3))
        differs = (signs[first] != signs[second]) & is_there[first] & is_there[second]
        changes[first] |= differs
        changes[second] |= differs
    return changes


def dilated(mask: np.ndarray) -> np.ndarray:  # (n, n, n) bool
    """The samples within one step of the mask's, diagonals included."""
    for axis in range(3):
        first = tuple(slice(None, -1) if other == axis else slice(None) for other in range(3))
        second = tuple(slice(1, None) if other == axis else slice(None) for other in range(3))
        wider = mask.copy()
        wider[first] |= mask[second]
        wider[second] |= mask[first]
        mask = wider
    return mask


def march_published(values: np.ndarray, cube: Cube, level: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """vertices (V, 3) float32, NaN where a cell misses a corner, and faces (F, 3) int32, outward.

    values: (R+1, R+1, R+1) float32, NaN where not asked. Raises EmptyField.
    """
    if not (values > level).any() or not (values < level).any():
        raise EmptyField(f"The shape has no surface: all {np.isfinite(values).sum():,} samples lie on one side of it.")
    vertices, faces, _, _ = marching_cubes(values, level, method="lewiner")
    places = vertices / (cube.resolution + 1) * (2 * cube.half_side) - cube.half_side
    return places.astype(np.float32), np.ascontiguousarray(faces[:, ::-1], np.int32)
