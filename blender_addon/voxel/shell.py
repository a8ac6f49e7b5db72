# SPDX-License-Identifier: GPL-3.0-or-later
"""The cells that can be seen, and what the cells behind them take over from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bytes, Ints
from .fill import VoxelGrid
from .lattice import Lattice


@dataclass(frozen=True)
class Shell:
    """cells: flat indices, ascending, of solid cells with a free face. sides: uint8 (N,), a bit for each free face, in
    the order of `DIRECTIONS`.
    """

    cells: Ints
    sides: Bytes

    def rows(self, cells: Ints) -> Ints:
        """The row of each of these cells of the shell; -1 where a cell is not of the shell."""
        at = np.minimum(np.searchsorted(self.cells, cells), max(len(self.cells) - 1, 0))
        return np.where(self.cells[at] == cells, at, -1) if len(self.cells) else np.full(len(cells), -1)


# Axis and side of a cell's six faces.
DIRECTIONS = ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1), (2, -1))


def neighbour_steps(lattice: Lattice) -> list[int]:
    """What leads from a flat cell index to the neighbour in each of the DIRECTIONS."""
    return [side * lattice.steps[axis] for axis, side in DIRECTIONS]


def find_shell(grid: VoxelGrid) -> Shell:
    """The cells with a free face."""
    flat = grid.solid.reshape(-1)
    cells = np.flatnonzero(flat)
    sides = np.zeros(len(cells), np.uint8)
    for bit, step in enumerate(neighbour_steps(grid.lattice)):
        sides |= (~flat[cells + step]).view(np.uint8) << bit
    seen = sides != 0
    return Shell(cells[seen], sides[seen])


def neighbour_rows(lattice: Lattice, shell: Shell) -> Ints:
    """(N, 26) rows of the shell's cells that share a face, an edge or a corner; N where there is none."""
    count = len(shell.cells)
    row_of = np.full(lattice.cell_count, count, np.int32)
    row_of[shell.cells] = np.arange(count)
    around = np.array([place for place in np.ndindex(3, 3, 3) if place != (1, 1, 1)]) - 1
    return np.stack([row_of[shell.cells + step] for step in lattice.flat(around)], dtype=np.int64).T


def nearest_shell(grid: VoxelGrid, shell: Shell) -> tuple[Ints, Ints]:
    """For every solid cell the row of the shell's cell that is nearest to it, counted in steps from face to face.

    Returns cells (flat, ascending) and rows. Of equally near ones the first in the order of DIRECTIONS counts.
    """
    solid = np.flatnonzero(grid.solid)
    source = np.full(grid.lattice.cell_count, -1, np.int32)
    source[solid] = -2
    source[shell.cells] = np.arange(len(shell.cells))
    front = shell.cells
    while len(front):
        reached = []
        for step in neighbour_steps(grid.lattice):
            near = front + step
            fresh = source[near] == -2
            source[near[fresh]] = source[front[fresh]]
            reached.append(near[fresh])
        front = np.concatenate(reached)
    return solid, source[solid].astype(np.int64)
