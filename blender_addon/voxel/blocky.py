# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of rigid pieces: every voxel moves with one bone and keeps its shape.

The pieces are closed: where two bones' voxels meet, both have faces. At a joint both hold the inner voxels of a ball
about it. A ball stays where it is when a bone turns about its middle, so a bent joint shows a knuckle and no gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Floats, Int32s, Ints
from .faces import QuadMesh, corner_steps
from .fill import VoxelGrid
from .lattice import Lattice
from .shell import Shell, nearest_shell, neighbour_steps


@dataclass(frozen=True)
class Skeleton:
    """heads: float64 (J, 3), in the mesh's frame and unit. parents: int (J,), -1 for a root."""

    heads: Floats
    parents: Ints


@dataclass(frozen=True)
class BlockyMesh:
    """mesh: its vertices are shared inside a bone only. vertex_bones: int64 (V,). rows: int64 (Q,), of the shell, that
    a quad has its colour from.
    """

    mesh: QuadMesh
    vertex_bones: Ints
    rows: Ints


def blocky_mesh(grid: VoxelGrid, shell: Shell, bones: Ints, skeleton: Skeleton) -> BlockyMesh:
    """The quads of a figure of rigid pieces. bones: (N,), of the shell's rows; voxels inside go with the nearest."""
    lattice = grid.lattice
    solid, source = nearest_shell(grid, shell)
    bone_of = np.full(lattice.cell_count, -1, np.int32)
    bone_of[solid] = bones[source]
    row_of = np.full(lattice.cell_count, -1, np.int32)
    row_of[solid] = source
    extra = _knuckles(lattice, bone_of, shell, skeleton)
    is_shared = np.zeros(lattice.cell_count, bool)
    is_shared[extra % lattice.cell_count] = True
    corners, cells = [], []
    own = np.concatenate([bone_of[solid].astype(np.int64), extra // lattice.cell_count])
    cell = np.concatenate([solid, extra % lattice.cell_count])
    for direction, step in enumerate(neighbour_steps(lattice)):
        near = cell + step
        bare = np.flatnonzero(bone_of[near] != own)
        held = bare[is_shared[near[bare]]]
        held = held[_holds(extra, own[held] * lattice.cell_count + near[held])]
        bare = np.setdiff1d(bare, held, assume_unique=True)
        base = own[bare] * lattice.cell_count + cell[bare]
        corners.append(np.stack([base + add for add in corner_steps(lattice, direction)], axis=1))
        cells.append(cell[bare])
    distinct, quads = np.unique(np.concatenate(corners), return_inverse=True)
    quad_cells = np.concatenate(cells)
    vertices = lattice.to_points(lattice.unflat(distinct % lattice.cell_count))
    mesh = QuadMesh(vertices, quads.reshape(-1, 4), quad_cells)
    return BlockyMesh(mesh, distinct // lattice.cell_count, row_of[quad_cells].astype(np.int64))


def _holds(keys: Ints, wanted: Ints) -> Bools:
    """Which of the wanted are among the keys, which ascend."""
    if not len(keys):
        return np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.asarray(keys[at] == wanted)


def _knuckles(lattice: Lattice, bone_of: Int32s, shell: Shell, skeleton: Skeleton) -> Ints:
    """The voxels that a second bone holds too, as bone * cell_count + cell, ascending.

    For bones that meet and of which one hangs on the other: the inner voxels of both in a ball about the lower bone's
    head. Its radius is the middle distance of the seam that they have on the surface: larger would stand out when bent.
    """
    seams = _seams(lattice, bone_of, shell)
    inner = np.ones(lattice.cell_count, bool)
    inner[shell.cells] = False
    heads = lattice.to_cells(np.asarray(skeleton.heads, np.float64))
    found = [np.zeros(0, np.int64)]
    for (upper, lower), seam in seams.items():
        if _hangs_on(lower, upper, skeleton.parents):
            pivot = heads[lower]
        elif _hangs_on(upper, lower, skeleton.parents):
            pivot = heads[upper]
        else:
            continue
        radius = float(np.median(np.linalg.norm(lattice.unflat(seam) + 0.5 - pivot, axis=1)))
        ball = _ball(lattice, pivot, radius)
        ball = ball[inner[ball]]
        for own, other in ((upper, lower), (lower, upper)):
            found.append(own * lattice.cell_count + ball[bone_of[ball] == other])
    return np.unique(np.concatenate(found))


def _seams(lattice: Lattice, bone_of: Int32s, shell: Shell) -> dict[tuple[int, int], Ints]:
    """The shell's cells at which two bones (lower number first) meet."""
    own = bone_of[shell.cells]
    pairs, cells = [], []
    for step in neighbour_steps(lattice):
        near = bone_of[shell.cells + step]
        meets = np.flatnonzero((near >= 0) & (near != own))
        pairs.append(np.sort(np.stack([own[meets], near[meets]], axis=1), axis=1))
        cells.append(shell.cells[meets])
    pair, cell = np.concatenate(pairs), np.concatenate(cells)
    distinct, which = np.unique(pair, axis=0, return_inverse=True)
    which = which.reshape(-1)
    return {(int(a), int(b)): np.unique(cell[which == index]) for index, (a, b) in enumerate(distinct)}


def _hangs_on(bone: int, above: int, parents: Ints) -> bool:
    """Whether `above` is one of the bone's ancestors."""
    for _ in range(len(parents)):
        bone = int(parents[bone])
        if bone == above or bone < 0:
            return bone == above
    return False


def _ball(lattice: Lattice, pivot: Floats, radius: float) -> Ints:
    """The cells of the lattice, flat, whose centres lie in a ball (in cells)."""
    low = np.clip(np.floor(pivot - radius), 0, lattice.shape).astype(int)
    high = np.clip(np.ceil(pivot + radius), 0, lattice.shape).astype(int)
    x, y, z = ((np.arange(a, b) + 0.5 - at) ** 2 for a, b, at in zip(low, high, pivot, strict=True))
    inside = x[:, None, None] + y[:, None] + z <= radius**2
    return lattice.flat(np.argwhere(inside) + low)
