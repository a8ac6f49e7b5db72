# SPDX-License-Identifier: GPL-3.0-or-later
"""Points spread evenly over the surface, and the visible cell that each of them tells something about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Float32s, Floats, Int32s, Ints, corners_of, dot, order_of, taken, unit_normals
from .lattice import Lattice
from .mesh import SurfaceMesh
from .shell import DIRECTIONS, Shell

SPACING_cells = 0.5  # of points along a triangle's longest side: five and more a face of a voxel
MOST_SAMPLES = 3_000_000  # a cloud of large triangles is sampled more coarsely: 0.4 GiB of intermediate arrays
SAMPLES_AT_ONCE = 1 << 14  # whose intermediate arrays stay in the cache
INWARD_cells = (0.5, -0.5, 1.0)  # how far from the surface a point looks for its cell, against the normal
BACK_SHARE = 0.05  # how much a point counts that faces away from where its cell is seen
SIDEWAYS = 0.1  # sine of the angle at which a surface is still not turned away
OUTWARDS = 10.0  # a point a tenth of a cell further out counts e times as much: clothes hide the skin below them


@dataclass(frozen=True)
class Samples:
    """row: int64 (S,), of the shell. face: int64 (S,). barycentric: float32 (S, 3). weight: float32 (S,) > 0, how much
    the point's colour counts in its cell.
    """

    row: Ints
    face: Ints
    barycentric: Float32s
    weight: Float32s


def sample_surface(mesh: SurfaceMesh, lattice: Lattice, shell: Shell) -> Samples:
    """Points on a checked mesh. A cell may have none, and a point that is hidden inside has no cell and is left out."""
    corners = corners_of(lattice.to_cells(mesh.vertices), mesh.triangles)
    face, barycentric = _spread(corners)
    normals, length = unit_normals(corners)
    share = length / np.maximum(np.bincount(face, minlength=len(corners)), 1)
    cells = _Cells(lattice, shell)
    parts = []
    for start in range(0, len(face), SAMPLES_AT_ONCE):
        part = slice(start, start + SAMPLES_AT_ONCE)
        own, places = face[part], barycentric[part]
        points = np.asarray(sum(places[:, [i]] * taken(corners[:, i], own) for i in range(3)), np.float64)
        row = cells.rows_near(points, taken(normals, own))
        kept = np.flatnonzero((row >= 0) & (length[own] > 0))
        row, own = row[kept], own[kept]
        weight = share[own] * cells.standing(taken(points, kept), taken(normals, own), row)
        parts.append((row, own, taken(places, kept).T, np.maximum(weight, 1e-20).astype(np.float32)))
    row, own, places, weight = (np.concatenate(column, axis=-1) for column in zip(*parts, strict=True))
    return Samples(row, own, places.T, weight)


class _Cells:
    """The shell's cells as a table over the lattice."""

    def __init__(self, lattice: Lattice, shell: Shell) -> None:
        self._lattice = lattice
        self._row_of = np.full(lattice.cell_count, -1, np.int32)
        self._row_of[shell.cells] = np.arange(len(shell.cells))
        self._sides = shell.sides
        self._centres = lattice.unflat(shell.cells) + 0.5

    def rows_near(self, points: Floats, normals: Floats) -> Ints:
        """The shell's row of the cell that holds each point, or of the one just below the surface; -1: none is."""
        row = self._row_at(points)
        for distance in INWARD_cells:
            left = np.flatnonzero(row < 0)
            row[left] = self._row_at(taken(points, left) - distance * taken(normals, left))
        return row.astype(np.int64)

    def _row_at(self, points: Floats) -> Int32s:
        shape, steps = self._lattice.shape, self._lattice.steps
        x, y, z = (np.clip(points[:, axis].astype(np.int32), 0, shape[axis] - 1) for axis in range(3))
        return np.asarray(self._row_of[x * steps[0] + y * steps[1] + z])

    def standing(self, points: Floats, normals: Floats, row: Ints) -> Floats:
        """How much points count in the cells of these rows: more further out, little on what is turned away."""
        outward = taken(_OUTWARD, self._sides[row])
        looks_out = dot(normals, outward) > -SIDEWAYS
        upwards = np.where(looks_out[:, None], normals, outward)
        height = dot(points - taken(self._centres, row), upwards)
        return np.asarray(np.where(looks_out, 1.0, BACK_SHARE) * np.exp(OUTWARDS * height))


def _spread(corners: Floats) -> tuple[Ints, Float32s]:
    """The centres of the n² small triangles of each triangle: every one stands for the same area."""
    sides = [corners[:, i] - corners[:, i - 1] for i in range(3)]
    longest = np.sqrt(np.maximum.reduce([dot(side, side) for side in sides]))
    steps = np.maximum(np.ceil(longest / SPACING_cells), 1)
    total = float((steps**2).sum())
    if total > MOST_SAMPLES:
        steps = np.maximum(np.floor(steps * np.sqrt(MOST_SAMPLES / total)), 1)
    faces, places = [], []
    for step in np.flatnonzero(np.bincount(steps.astype(np.int64))).tolist():
        own = np.flatnonzero(steps == step)
        i, j = (index.reshape(-1) for index in np.meshgrid(np.arange(step), np.arange(step), indexing="ij"))
        upright, inverted = i + j < step, i + j < step - 1
        first = np.concatenate([i[upright] + 1 / 3, i[inverted] + 2 / 3]) / step
        second = np.concatenate([j[upright] + 1 / 3, j[inverted] + 2 / 3]) / step
        faces.append(np.repeat(own, len(first)))
        places.append(np.tile(np.stack([first, second, 1 - first - second]).astype(np.float32), len(own)))
    return np.concatenate(faces), np.concatenate(places, axis=1).T


def rows_near(points: Floats, normals: Floats, lattice: Lattice, shell: Shell) -> Ints:
    """The shell's row of the cell that holds each point, or of the one just below the surface; -1 where none is."""
    return _Cells(lattice, shell).rows_near(points, normals)


def _outward_of_sides() -> Floats:
    """(64, 3) unit vectors to where a cell with these free sides is free; zero where they face each other."""
    outward = np.zeros((1 << len(DIRECTIONS), 3))
    for bit, (axis, side) in enumerate(DIRECTIONS):
        outward[:, axis] += np.where(np.arange(len(outward)) >> bit & 1, side, 0)
    length = np.linalg.norm(outward, axis=1, keepdims=True)
    return np.asarray(outward / np.maximum(length, 1e-9))


_OUTWARD = _outward_of_sides()


def representatives(samples: Samples, count: int) -> Ints:
    """For each of `count` rows the index of one good sample of it; -1 where it has none."""
    chosen = np.full(count, -1, np.int64)
    order = order_of(samples.weight.view(np.uint32))  # whose bits ascend as positive numbers do
    chosen[samples.row[order]] = order  # the last, the heaviest, stays
    return chosen


def borrow(lattice: Lattice, shell: Shell, has: Bools) -> Ints:
    """For each row the row that it takes its colour and bones from: itself, or the nearest that has samples.

    Nearest counts steps to any of the 26 neighbours. Rows that no step leads to keep themselves.
    """
    source = np.where(has, np.arange(len(has)), -1)
    around = [
        int(lattice.flat(np.array((x, y, z))))
        for x in (0, -1, 1)
        for y in (0, -1, 1)
        for z in (0, -1, 1)
        if x or y or z
    ]
    missing = np.flatnonzero(~has)
    while len(missing):
        found = np.full(len(missing), -1)
        for step in around:
            near = shell.rows(shell.cells[missing] + step)
            found = np.where((found < 0) & (near >= 0), np.where(near >= 0, source[near], -1), found)
        if (found < 0).all():
            break
        source[missing] = found
        missing = missing[found < 0]
    return np.where(source < 0, np.arange(len(has)), source)
