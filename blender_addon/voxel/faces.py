# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxels as a mesh of squares: with shared corners for a rig, or merged to as few rectangles as possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bytes, Floats, Ints
from .lattice import Lattice
from .shell import DIRECTIONS, Shell


@dataclass(frozen=True)
class QuadMesh:
    """vertices: float64 (V, 3), the mesh's frame and unit. quads: int64 (Q, 4), counter-clockwise from outside.

    cells: int64 (Q,), flat index of the voxel that a quad belongs to (of a merged quad: its first).
    """

    vertices: Floats
    quads: Ints
    cells: Ints


def corner_steps(lattice: Lattice, direction: int, length: tuple[Ints, Ints] | tuple[int, int] = (1, 1)) -> list[Ints]:
    """What leads from a cell's flat index to the flat indices of its face's four corners, counter-clockwise.

    Corner (x, y, z) is that of cell (x, y, z) nearest to the origin. length: of the face along the two axes that follow
    the direction's own, cyclic.
    """
    axis, side = DIRECTIONS[direction]
    along = np.array(lattice.steps[(axis + 1) % 3]) * length[0]
    across = np.array(lattice.steps[(axis + 2) % 3]) * length[1]
    base = np.zeros_like(along) + (lattice.steps[axis] if side > 0 else 0)
    ring = [base, base + along, base + along + across, base + across]
    return ring if side > 0 else ring[::-1]


def shell_quads(lattice: Lattice, shell: Shell) -> QuadMesh:
    """Every free face of the shell as a quad; quads that meet share their corners."""
    corners, cells = [], []
    for direction in range(len(DIRECTIONS)):
        own = shell.cells[(shell.sides >> direction & 1).astype(bool)]
        corners.append(np.stack([own + step for step in corner_steps(lattice, direction)], axis=1))
        cells.append(own)
    return _indexed(lattice, np.concatenate(corners), np.concatenate(cells))


def merged_quads(lattice: Lattice, shell: Shell, colour: Bytes) -> QuadMesh:  # colour: (N,)
    """The free faces merged to rectangles of one colour: along one axis first, then equal runs along the other.

    For figures that do not bend: the rectangles meet in T-junctions. Corners are shared where they coincide.
    """
    corners, cells = [], []
    for direction, (axis, _) in enumerate(DIRECTIONS):
        rows = np.flatnonzero(shell.sides >> direction & 1)
        at = lattice.unflat(shell.cells[rows])
        layer, u, v = at[:, axis], at[:, (axis + 1) % 3], at[:, (axis + 2) % 3]
        order = np.lexsort((u, v, layer))
        faces = np.stack([layer, v, u, colour[rows].astype(np.int64)], axis=1)[order]
        cell = shell.cells[rows][order]
        starts, lengths = _runs(faces, 2, [])
        faces, cell = np.concatenate([faces[starts], lengths[:, None]], axis=1), cell[starts]
        order = np.lexsort((faces[:, 1], faces[:, 4], faces[:, 2], faces[:, 0]))
        faces, cell = faces[order], cell[order]
        starts, widths = _runs(faces, 1, [4])
        faces, cell = faces[starts], cell[starts]
        steps = corner_steps(lattice, direction, (faces[:, 4], widths))
        corners.append(np.stack([cell + step for step in steps], axis=1))
        cells.append(cell)
    return _indexed(lattice, np.concatenate(corners), np.concatenate(cells))


def _runs(faces: Ints, moving: int, equal: list[int]) -> tuple[Ints, Ints]:
    """First row and length of the runs of rows (layer, v, u, colour…) whose column `moving` grows by one each."""
    fixed = [0, 2 if moving == 1 else 1, 3, *equal]
    goes_on = faces[1:, moving] == faces[:-1, moving] + 1
    for column in fixed:
        goes_on &= faces[1:, column] == faces[:-1, column]
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(faces), 1), bool), ~goes_on]))
    return starts, np.diff(starts, append=len(faces))


def _indexed(lattice: Lattice, corners: Ints, cells: Ints) -> QuadMesh:
    is_corner = np.zeros(lattice.cell_count, bool)
    is_corner[corners] = True
    places = np.flatnonzero(is_corner)
    number = np.empty(lattice.cell_count, np.int32)
    number[places] = np.arange(len(places))
    return QuadMesh(lattice.to_points(lattice.unflat(places)), number[corners].astype(np.int64), cells)
