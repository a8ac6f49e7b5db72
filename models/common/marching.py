# SPDX-License-Identifier: GPL-3.0-or-later
"""The surface of a sampled field as a mesh: marching cubes (Lewiner et al., 2003), some layers of the grid at a time.

The library holds Python's lock until it is done, some seconds for a grid of 512 cells a side; between slabs others run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from skimage.measure import marching_cubes

from models.common.isosurface import Cube

CLEARANCE = 1e-3  # of the largest value: nearer to the level, marching cubes leaves gaps and triangles without area
SLAB_SAMPLES = 1 << 22  # marched at once: about an eighth of a second


@dataclass(frozen=True)
class Extracted:
    """A triangle mesh. vertices: (V, 3) float32. faces: (F, 3) int32, counter-clockwise seen from outside.
    is_cut: the shape reached the cube's wall and was closed there.
    """

    vertices: np.ndarray
    faces: np.ndarray
    is_cut: bool


def march(
    values: np.ndarray,  # (R+1, R+1, R+1) float32
    cube: Cube,
    level: float = 0.0,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Extracted:
    """The level's surface, closed and with two faces at every edge.

    on_progress: called before each slab with the share that is done; what it raises ends the work.

    Samples that lie on the level, or all but on it, are moved off it: the surface moves by at most about a hundredth
    of a cell. A shape that reaches the cube's wall is closed flat, half a cell outside it.
    """
    values = values - np.float32(level)
    clearance = np.float32(CLEARANCE * np.abs(values).max())
    values[(values > 0) & (values < clearance)] = clearance
    values[(values <= 0) & (values > -clearance)] = -clearance
    walls = [values.take(end, axis) for axis in range(3) for end in (0, -1)]
    is_cut = any((wall > 0).any() for wall in walls)
    if is_cut:
        values = np.pad(values, 1, mode="edge")
        for axis in range(3):
            shell = values.swapaxes(0, axis)
            shell[0], shell[-1] = -np.abs(shell[0]), -np.abs(shell[-1])
    layers = max(1, SLAB_SAMPLES // values[0].size)
    vertices, faces = joined_slabs(slabs_of(values, layers, on_progress))
    return Extracted(cube.place(vertices - is_cut).astype(np.float32), faces[:, ::-1].copy(), is_cut)


Slab = tuple[int, np.ndarray, np.ndarray]
"""The first layer of samples, vertices (V, 3) float32 counted from there, faces (F, 3) int32."""


def slabs_of(
    values: np.ndarray, layers: int, on_progress: Callable[[float], None] = lambda share: None
) -> Iterator[Slab]:
    """The surface of so many layers of cells at a time, along the first axis. A slab that it misses is left out.

    values: (A, B, C) float32, positive inside, none 0.
    """
    cells = len(values) - 1
    for start in range(0, cells, layers):
        on_progress(start / cells)
        slab = values[start : start + layers + 1]
        if slab.min() < 0 < slab.max():
            vertices, faces, _, _ = marching_cubes(slab, 0.0, method="lewiner")
            yield start, vertices, faces


def joined_slabs(slabs: Iterable[Slab]) -> tuple[np.ndarray, np.ndarray]:
    """One mesh of the slabs, in the order in which the whole grid would give it: vertices (V, 3) float64 in cells from
    the grid's first corner, faces (F, 3) int32.

    A vertex on the layer between two slabs is made by both, at the same place: the second one is left out. At least
    one slab, and none with a vertex on the grid's own first layer.
    """
    vertices, faces, count = [], [], 0
    places, names = np.zeros((0, 3)), np.zeros(0, np.int64)
    for start, found, triangles in slabs:
        earlier, earlier_names = places, names
        places, names = found + np.array([start, 0.0, 0.0]), np.full(len(found), -1)
        known, again = (np.flatnonzero(side[:, 0] == start) for side in (earlier, places))
        names[again[_order(places[again])]] = earlier_names[known[_order(earlier[known])]]
        is_new = names < 0
        names[is_new] = count + np.arange(np.count_nonzero(is_new))
        count += np.count_nonzero(is_new)
        vertices.append(places[is_new])
        faces.append(names[triangles].astype(np.int32))
    return np.concatenate(vertices), np.concatenate(faces)


def _order(places: np.ndarray) -> np.ndarray:  # (N, 3), of one layer
    return np.lexsort((places[:, 2], places[:, 1]))
