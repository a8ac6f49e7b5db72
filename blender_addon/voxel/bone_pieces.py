# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone a rigid voxel moves with, so that every bone has whole pieces and no crumbs in its neighbours'."""

from __future__ import annotations

import numpy as np

from .arrays import Bools, Ints, component_labels
from .lattice import Lattice
from .mesh import Influences
from .shell import Shell
from .weights import strongest

CRUMB_SHARE = 0.25  # of its bone's largest piece: smaller ones go to the bones around them
_FACES = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
_HALF_AROUND = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) > (0, 0, 0)]


def piece_bones(lattice: Lattice, shell: Shell, cells: Influences) -> Ints:
    """The bone (N,) of every row of the shell.

    The bone that a voxel and those around it follow most together; a crumb that does not hang together with its bone's
    other voxels takes the bone of what it touches.
    """
    bones = _settled(cells, _touching(lattice, shell, _FACES))
    pairs = _touching(lattice, shell, _HALF_AROUND)
    for _ in range(len(bones)):
        crumbs = _crumbs(bones, pairs)
        if not crumbs.any():
            break
        changed = _adopted(bones, crumbs, pairs)
        if np.array_equal(changed, bones):
            break
        bones = changed
    return bones


def _touching(lattice: Lattice, shell: Shell, around: list[tuple[int, int, int]]) -> tuple[Ints, Ints]:
    """Rows of the shell's cells that one of these steps leads from and to."""
    row_of = np.full(lattice.cell_count, -1, np.int32)
    row_of[shell.cells] = np.arange(len(shell.cells))
    first, second = [], []
    for step in around:
        near = row_of[shell.cells + int(lattice.flat(np.array(step)))]
        own = np.flatnonzero(near >= 0)
        first.append(own)
        second.append(near[own].astype(np.int64))
    return np.concatenate(first), np.concatenate(second)


def _settled(cells: Influences, pairs: tuple[Ints, Ints]) -> Ints:
    """The heaviest bone of each row and its neighbours together."""
    count = len(cells.bones)
    here = np.concatenate([np.arange(count), *pairs])
    there = np.concatenate([np.arange(count), *pairs[::-1]])
    order = np.argsort(here, kind="stable")
    here, there = here[order], there[order]
    rows = np.repeat(here, cells.bones.shape[1])
    return strongest(rows, cells.bones[there].reshape(-1), cells.weights[there].reshape(-1), count).bones[:, 0]


def _crumbs(bones: Ints, pairs: tuple[Ints, Ints]) -> Bools:
    """The rows of pieces much smaller than their bone's largest that touch another bone's."""
    first, second = pairs
    same = bones[first] == bones[second]
    label = component_labels(len(bones), first[same], second[same])
    size = np.bincount(label, minlength=len(bones))
    largest = np.zeros(int(bones.max()) + 1, np.int64)
    np.maximum.at(largest, bones, size[label])
    touches = np.zeros(len(bones), bool)
    touches[label[first[~same]]] = touches[label[second[~same]]] = True
    return np.asarray((size[label] < CRUMB_SHARE * largest[bones]) & touches[label])


def _adopted(bones: Ints, crumbs: Bools, pairs: tuple[Ints, Ints]) -> Ints:
    """The bones after each row of a crumb that touches no crumb took the one that most of those around it have."""
    first, second = pairs
    here, there = np.concatenate([first, second]), np.concatenate([second, first])
    asked = crumbs[here] & ~crumbs[there]
    rows, near = here[asked], bones[there[asked]]
    voted = strongest(rows, near, np.ones(len(rows)), len(bones)).bones[:, 0]
    found = np.zeros(len(bones), bool)
    found[rows] = True
    return np.where(found, voted, bones)
