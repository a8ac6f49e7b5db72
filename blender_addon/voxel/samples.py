# SPDX-License-Identifier: GPL-3.0-or-later
"""Points spread evenly over the surface, and the visible cell that each of them tells something about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Float32s, Floats, Ints
from .lattice import Lattice
from .mesh import SurfaceMesh
from .shell import DIRECTIONS, Shell

SPACING_cells = 0.5  # of points along a triangle's longest side: five and more a face of a voxel
MOST_SAMPLES = 3_000_000  # a cloud of large triangles is sampled more coarsely: 0.4 GiB of intermediate arrays
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
    corners = lattice.to_cells(mesh.vertices)[mesh.triangles]
    face, barycentric = _spread(corners)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    normal /= np.maximum(length, np.finfo(np.float64).tiny)[:, None]
    share = length / np.maximum(np.bincount(face, minlength=len(corners)), 1)
    point = sum(barycentric[:, [i]] * corners[face, i] for i in range(3))
    row = rows_near(point, normal[face], lattice, shell)
    kept = np.flatnonzero((row >= 0) & (length[face] > 0))
    row, face = row[kept], face[kept]
    outward = _outward_of(shell)[row]
    centre = lattice.unflat(shell.cells)[row] + 0.5
    facing = np.einsum("si,si->s", normal[face], outward)
    looks_out = facing > -SIDEWAYS
    upwards = np.where(looks_out[:, None], normal[face], outward)
    height = np.einsum("si,si->s", point[kept] - centre, upwards)
    weight = share[face] * np.where(looks_out, 1.0, BACK_SHARE) * np.exp(OUTWARDS * height)
    return Samples(row, face, barycentric[kept], np.maximum(weight, 1e-20).astype(np.float32))


def _spread(corners: Floats) -> tuple[Ints, Float32s]:
    """The centres of the n² small triangles of each triangle: every one stands for the same area."""
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    steps = np.maximum(np.ceil(sides / SPACING_cells), 1)
    total = float((steps**2).sum())
    if total > MOST_SAMPLES:
        steps = np.maximum(np.floor(steps * np.sqrt(MOST_SAMPLES / total)), 1)
    faces, places = [], []
    for step in np.unique(steps).astype(int).tolist():
        own = np.flatnonzero(steps == step)
        i, j = (index.reshape(-1) for index in np.meshgrid(np.arange(step), np.arange(step), indexing="ij"))
        upright, inverted = i + j < step, i + j < step - 1
        first = np.concatenate([i[upright] + 1 / 3, i[inverted] + 2 / 3]) / step
        second = np.concatenate([j[upright] + 1 / 3, j[inverted] + 2 / 3]) / step
        lattice = np.stack([first, second, 1 - first - second], axis=1).astype(np.float32)
        faces.append(np.repeat(own, len(lattice)))
        places.append(np.tile(lattice, (len(own), 1)))
    return np.concatenate(faces), np.concatenate(places)


def rows_near(point: Floats, normal: Floats, lattice: Lattice, shell: Shell) -> Ints:
    """The shell's row of the cell that holds each point, or of the one just below the surface; -1 where none is."""
    row_of = np.full(lattice.cell_count, -1, np.int32)
    row_of[shell.cells] = np.arange(len(shell.cells))
    top = np.array(lattice.shape) - 1
    row = row_of[lattice.flat(np.clip(point.astype(np.int64), 0, top))]
    for distance in INWARD_cells:
        left = np.flatnonzero(row < 0)
        moved = point[left] - distance * normal[left]
        row[left] = row_of[lattice.flat(np.clip(moved.astype(np.int64), 0, top))]
    return row.astype(np.int64)


def _outward_of(shell: Shell) -> Floats:
    """(N, 3) unit vectors to where a cell is free; zero where its free sides face each other."""
    outward = np.zeros((len(shell.cells), 3))
    for bit, (axis, side) in enumerate(DIRECTIONS):
        outward[:, axis] += np.where(shell.sides >> bit & 1, side, 0)
    length = np.linalg.norm(outward, axis=1, keepdims=True)
    return np.asarray(outward / np.maximum(length, 1e-9))


def representatives(samples: Samples, count: int) -> Ints:
    """For each of `count` rows the index of one good sample of it; -1 where it has none."""
    chosen = np.full(count, -1, np.int64)
    order = np.argsort(samples.weight, kind="stable")
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
