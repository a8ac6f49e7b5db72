# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of rigid pieces: every voxel moves with one bone and keeps its shape.

The pieces are closed: where two bones' voxels meet, both have faces. At a joint each bone borrows those of the other's
voxels that stay within the limb when it bends: they turn into the gap, so a bent joint shows a knuckle and no hole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Floats, Int32s, Ints
from .faces import QuadMesh, corner_steps
from .fill import VoxelGrid
from .lattice import Lattice
from .shell import DIRECTIONS, Shell, nearest_shell, neighbour_steps

SUNK_cells = 0.02  # of a borrowed face below the one that it repeats: seen by the depth buffer and not by the eye
SUNK_LAYERS = 4  # times as deep for one bone as for the next: two may borrow the same voxel
BENDS_rad = (
    np.pi / 6,
    np.pi / 3,
)  # after which nothing borrowed stands out of a limb; elbows and knees seldom bend more
DIRECTIONS_AROUND = 16  # in which the limb's thickness is measured
FURTHEST_JOINT = 2  # bones with voxels up the chain: an arm meets its collar bone and the chest, and may touch the hips
TRIANGLE = 3  # corners
HALF_CELL = 0.5  # from a voxel's middle to its surface


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
    borrowed = _knuckles(lattice, bone_of, shell, skeleton)
    is_shared = np.zeros(lattice.cell_count, bool)
    is_shared[borrowed % lattice.cell_count] = True
    corners, cells, places = [], [], []
    own = np.concatenate([bone_of[solid].astype(np.int64), borrowed // lattice.cell_count])
    cell = np.concatenate([solid, borrowed % lattice.cell_count])
    for direction, step in enumerate(neighbour_steps(lattice)):
        near = cell + step
        bare = np.flatnonzero(bone_of[near] != own)
        held = bare[is_shared[near[bare]]]
        held = held[_holds(borrowed, own[held] * lattice.cell_count + near[held])]
        bare = np.setdiff1d(bare, held, assume_unique=True)
        base = own[bare] * lattice.cell_count + cell[bare]
        corners.append(np.stack([base + add for add in corner_steps(lattice, direction)], axis=1))
        cells.append(cell[bare])
        places.append(bare)
    distinct, quads = np.unique(np.concatenate(corners), return_inverse=True)
    quads = quads.reshape(-1, 4)
    depth = 1 + distinct[:, None] // lattice.cell_count % SUNK_LAYERS
    at = lattice.unflat(distinct % lattice.cell_count) - depth * _sunk(quads, places, len(solid), len(distinct))
    quad_cells = np.concatenate(cells)
    mesh = QuadMesh(lattice.to_points(at), quads, quad_cells)
    return BlockyMesh(mesh, distinct // lattice.cell_count, row_of[quad_cells].astype(np.int64))


def _sunk(quads: Ints, places: list[Ints], own_count: int, vertex_count: int) -> Floats:
    """How far (V, 3), in cells, the vertices lie below the surface: those that only faces of borrowed voxels have.

    At rest a borrowed voxel lies where the voxel that it repeats is, and two faces in one plane flicker. places: of
    each direction's quads, their voxel; from own_count on it is a borrowed one.
    """
    direction = np.repeat(np.arange(len(places)), [len(place) for place in places])
    is_borrowed = np.concatenate(places) >= own_count
    is_fixed = np.zeros(vertex_count, bool)
    is_fixed[quads[~is_borrowed]] = True
    sunk = np.zeros((vertex_count, 3))
    for index, (axis, side) in enumerate(DIRECTIONS):
        vertices = np.unique(quads[is_borrowed & (direction == index)])
        sunk[vertices[~is_fixed[vertices]], axis] += side * SUNK_cells
    return sunk


def _holds(keys: Ints, wanted: Ints) -> Bools:
    """Which of the wanted are among the keys, which ascend."""
    if not len(keys):
        return np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.asarray(keys[at] == wanted)


def _knuckles(lattice: Lattice, bone_of: Int32s, shell: Shell, skeleton: Skeleton) -> Ints:
    """The voxels that a second bone holds too, as bone * cell_count + cell, ascending.

    Where two bones meet of which one hangs on the other, each borrows the other's voxels about the lower bone's head.
    """
    heads = lattice.to_cells(np.asarray(skeleton.heads, np.float64))
    has_voxels = np.isin(np.arange(len(heads)), bone_of[shell.cells])
    found = [np.zeros(0, np.int64)]
    for pair, seam in _seams(lattice, bone_of, shell).items():
        joined = [(a, b) for a, b in (pair, pair[::-1]) if _hangs_on(b, a, skeleton.parents, has_voxels)]
        if not joined:
            continue
        upper, lower = joined[0]
        pivot = heads[lower]
        away = lattice.unflat(seam) + 0.5 - pivot
        cells = _ball(lattice, pivot, float(np.linalg.norm(away, axis=1).max()))
        cells = cells[np.isin(bone_of[cells], pair)]
        is_lower = bone_of[cells] == lower
        if is_lower.all() or not is_lower.any():
            continue
        offsets = lattice.unflat(cells) + 0.5 - pivot
        along = offsets[is_lower].mean(0) - offsets[~is_lower].mean(0)
        along /= np.linalg.norm(along)
        for holder, is_other, out in ((upper, is_lower, along), (lower, ~is_lower, -along)):
            found.append(holder * lattice.cell_count + cells[is_other][_fills(offsets[is_other], away, out)])
    return _sinkable(lattice, bone_of, np.unique(np.concatenate(found)))


def _sinkable(lattice: Lattice, bone_of: Int32s, borrowed: Ints) -> Ints:
    """Those whose faces on the surface can be sunk: a triangle that hangs on the holder's own voxels cannot."""
    holder, cell = np.divmod(borrowed, lattice.cell_count)
    x, y, z = lattice.steps
    around = [-(i * x + j * y + k * z) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    stuck = np.zeros(len(borrowed), bool)
    for direction, step in enumerate(neighbour_steps(lattice)):
        bare = np.flatnonzero(bone_of[cell + step] < 0)
        hanging = np.zeros(len(bare), np.int64)
        for corner in corner_steps(lattice, direction):
            near = cell[bare] + corner
            hanging += np.logical_or.reduce([bone_of[near + each] == holder[bare] for each in around])
        stuck[bare[hanging >= TRIANGLE]] = True
    return borrowed[~stuck]


def _fills(offsets: Floats, seam: Floats, out: Floats) -> Ints:
    """Which of a bone's voxels its neighbour borrows: all that do not stand out of the limb whichever way it bends.

    offsets (C, 3), seam (S, 3): from the pivot in cells. out: unit vector along the limb, into the lending bone. Of a
    bend away from one side the limb's surface on that side, as far off the pivot as the seam is, turns over what stays.
    """
    side = np.cross(out, np.eye(3)[np.abs(out).argmin()])
    side /= np.linalg.norm(side)
    turn = np.arange(DIRECTIONS_AROUND) * (2 * np.pi / DIRECTIONS_AROUND)
    around = np.outer(np.cos(turn), side) + np.outer(np.sin(turn), np.cross(out, side))
    reach = np.maximum((seam @ around.T).max(0), 0) + HALF_CELL
    # Two opposite sides together bound the height: this parts most of them at once.
    steepest = (reach + np.roll(reach, DIRECTIONS_AROUND // 2)).min() / 2 / np.sin(BENDS_rad[-1])
    fitting = np.flatnonzero(offsets @ out <= steepest)
    for bend in BENDS_rad:
        for turned, limit in zip(around * np.cos(bend) + out * np.sin(bend), reach, strict=True):
            fitting = fitting[offsets[fitting] @ turned <= limit]
    return fitting


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


def _hangs_on(bone: int, above: int, parents: Ints, has_voxels: Bools) -> bool:
    """Whether `above` is one of the next bones with voxels up the bone's chain."""
    steps = 0
    for _ in range(len(parents)):
        bone = int(parents[bone])
        if bone < 0 or steps == FURTHEST_JOINT:
            return False
        if bone == above:
            return True
        steps += int(has_voxels[bone])
    return False


def _ball(lattice: Lattice, pivot: Floats, radius: float) -> Ints:
    """The cells of the lattice, flat, whose centres lie in a ball (in cells)."""
    low = np.clip(np.floor(pivot - radius), 0, lattice.shape).astype(int)
    high = np.clip(np.ceil(pivot + radius), 0, lattice.shape).astype(int)
    x, y, z = ((np.arange(a, b) + 0.5 - at) ** 2 for a, b, at in zip(low, high, pivot, strict=True))
    inside = x[:, None, None] + y[:, None] + z <= radius**2
    return lattice.flat(np.argwhere(inside) + low)
