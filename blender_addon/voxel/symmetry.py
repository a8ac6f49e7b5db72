# SPDX-License-Identifier: GPL-3.0-or-later
"""The same on both sides: one half of a figure copied to the other, cells, colours and weights.

The character faces -Y, so its left is +X. The plane is the middle of the grid's width.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

import numpy as np

from .arrays import Bools, Ints
from .errors import MeshUnusable
from .fill import VoxelGrid
from .lattice import Lattice
from .mesh import Influences
from .samples import Samples
from .shell import Shell

Symmetry = Literal["NONE", "LEFT", "RIGHT", "BOTH"]

# Left or right as a word of a name: whole, or a letter between separators or at an end.
_SIDE = re.compile(r"left|right|(?<![a-z0-9])[lr](?![a-z0-9])", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


def mirrored_names(names: tuple[str, ...]) -> Ints:
    """For each bone the number of the one on the other side: itself where no name is the mirrored one."""
    number = {name: index for index, name in enumerate(names)}
    return np.array([number.get(_SIDE.sub(_swapped, name), index) for index, name in enumerate(names)], np.int64)


def _swapped(found: re.Match[str]) -> str:
    word = found.group()
    other = _OTHER[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other


def mirror_grid(grid: VoxelGrid, symmetry: Symmetry) -> VoxelGrid:
    """LEFT, RIGHT: that half and its mirror image. BOTH: what is solid on one side is on both. Raises MeshUnusable."""
    mirrored = grid.solid[::-1]
    matched = float(np.count_nonzero(grid.solid & mirrored) / np.count_nonzero(grid.solid))
    if symmetry == "BOTH":
        return replace(grid, solid=grid.solid | mirrored, matched_share=matched)
    is_kept = _is_kept(np.arange(grid.lattice.shape[0]), grid.lattice, symmetry)
    solid = np.where(is_kept[:, None, None], grid.solid, mirrored)
    if not solid.any():
        raise MeshUnusable("the side that should be copied is empty", "Choose the other side.")
    return replace(grid, solid=solid, matched_share=matched)


def fold(lattice: Lattice, shell: Shell, symmetry: Symmetry) -> Ints:
    """For each row of a mirrored figure's shell the row of the half that is kept, its own or its mirror image."""
    at = lattice.unflat(shell.cells)
    is_kept = _is_kept(at[:, 0], lattice, symmetry)
    at[:, 0] = np.where(is_kept, at[:, 0], lattice.shape[0] - 1 - at[:, 0])
    return shell.rows(lattice.flat(at))


def folded_samples(samples: Samples, own: Ints, symmetry: Symmetry) -> Samples:
    """The samples of the half that is kept; for BOTH those of the other half too, in the mirrored rows. own: `fold`."""
    row = own[samples.row]
    if symmetry == "BOTH":
        return replace(samples, row=row)
    kept = np.flatnonzero(row == samples.row)
    return Samples(samples.row[kept], samples.face[kept], samples.barycentric[kept], samples.weight[kept])


def mirror_influences(influences: Influences, own: Ints, names: tuple[str, ...]) -> Influences:
    """Of every row the weights of the kept half's; in the other half those of the bones of that side."""
    is_other = own != np.arange(len(own))
    bones = influences.bones[own]
    bones[is_other] = mirrored_names(names)[bones[is_other]]
    return Influences(bones, influences.weights[own])


def _is_kept(x: Ints, lattice: Lattice, symmetry: Symmetry) -> Bools:
    """Which places across the width are of the half that is kept; the column in the middle is."""
    twice = 2 * x + 1 - lattice.shape[0]
    return np.asarray(twice <= 0 if symmetry == "RIGHT" else twice >= 0)
