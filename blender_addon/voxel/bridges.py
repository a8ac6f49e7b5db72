# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin parts stay in one piece: where a limb passes beside the centres of some cells, touched cells join its pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrays import Bools, Int32s, Ints, component_labels, expand
from .lattice import Lattice

REACH_cells = 3  # a way of touched cells between two pieces has twice as many at most
_AROUND = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)]


def bridges(solid: Bools, touched: Bools, lattice: Lattice) -> Ints:
    """The touched cells, flat, that join pieces of the solid which do not touch each other even at a corner.

    Each two pieces are joined by one way, a shortest one, and only where no other way joins them already.
    """
    lengths, number = _pieces(solid, lattice)
    if int(number.max()) <= 1:
        return np.zeros(0, np.int64)
    piece = np.zeros(lattice.cell_count, np.int32)
    piece[np.flatnonzero(solid)] = np.repeat(number, lengths)
    free = np.flatnonzero(touched & ~solid)
    steps = [int(lattice.flat(np.array(around))) for around in _AROUND]
    came_from = np.full(lattice.cell_count, -1, np.int32)
    length = np.zeros(lattice.cell_count, np.int8)
    left = free
    for distance in range(1, REACH_cells + 1):
        found, origin = np.zeros(len(left), np.int32), np.full(len(left), -1)
        for step in steps:
            fresh = (found == 0) & (piece[left + step] > 0)
            found[fresh], origin[fresh] = piece[left[fresh] + step], left[fresh] + step
        reached = found > 0
        piece[left[reached]], came_from[left[reached]] = found[reached], origin[reached]
        length[left[reached]] = distance
        left = left[~reached]
    return _joined(free[piece[free] > 0], steps, piece, length, came_from)


def _pieces(solid: Bools, lattice: Lattice) -> tuple[Ints, Ints]:
    """Lengths of the runs of solid cells, and the number, from 1, of the piece that each belongs to.

    Cells of one piece touch at faces, edges or corners.
    """
    flat = solid.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    x, y, _ = lattice.steps
    pairs = []
    for step in (y, x - y, x, x + y):
        first = np.searchsorted(ends, starts + step, "left")
        last = np.searchsorted(starts, ends + step, "right")
        a, place = expand(np.maximum(last - first, 0))
        pairs.append((a, first[a] + place))
    label = component_labels(len(starts), *(np.concatenate(side) for side in zip(*pairs, strict=True)))
    _, number = np.unique(label, return_inverse=True)
    return ends - starts, number.reshape(-1) + 1


def _joined(cells: Ints, steps: list[int], piece: Int32s, length: NDArray[np.int8], came_from: Int32s) -> Ints:
    """The cells of the ways that are taken, shortest first, as long as they join what is still apart."""
    ways = []
    for step in steps:
        own = cells[(piece[cells + step] > 0) & (piece[cells + step] != piece[cells])]
        ways.append(
            np.stack([length[own] + length[own + step], piece[own], piece[own + step], own, own + step], axis=1)
        )
    way = np.concatenate(ways).astype(np.int64)
    way = way[np.lexsort((way[:, 4], way[:, 3], way[:, 0]))]
    group = list(range(int(piece.max()) + 1))

    def root(number: int) -> int:
        while group[number] != number:
            number = group[number]
        return number

    taken: list[int] = []
    _, first = np.unique(np.sort(way[:, 1:3], axis=1), axis=0, return_index=True)
    for _, one, other, *ends in way[np.sort(first)].tolist():
        if root(one) != root(other):
            group[root(one)] = root(other)
            for cell in ends:
                while came_from[cell] >= 0:
                    taken.append(cell)
                    cell = int(came_from[cell])
    return np.array(sorted(set(taken)), np.int64)
