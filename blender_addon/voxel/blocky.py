# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of rigid pieces: every voxel moves with one bone and keeps its shape.

The pieces are closed: where two bones' voxels meet, both have faces. At a joint each bone borrows those of the other's
voxels that stay within the limb when it bends: they turn into the gap, so a bent joint shows a knuckle and no hole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Floats, Int32s, Ints, distinct, dot, order_of, taken
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
ROWS_AT_ONCE = 2048  # voxels that are turned together: for more, matrix libraries start threads
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
    holders = _Holders(lattice, borrowed)
    corners, cells, places = [], [], []
    own = np.concatenate([bone_of[solid].astype(np.int64), holders.bones])
    cell = np.concatenate([solid, holders.cells])
    for direction, step in enumerate(neighbour_steps(lattice)):
        near = cell + step
        bare = np.flatnonzero(bone_of[near] != own)
        bare = bare[~holders.hold(own[bare], near[bare])]
        base = own[bare] * lattice.cell_count + cell[bare]
        corners.append(np.stack([base + add for add in corner_steps(lattice, direction)], axis=1))
        cells.append(cell[bare])
        places.append(bare)
    vertices, which = distinct(np.concatenate(corners).reshape(-1))
    quads = which.reshape(-1, 4)
    vertex_bones, corner = np.divmod(vertices, lattice.cell_count)
    depth = 1 + vertex_bones[:, None] % SUNK_LAYERS
    at = lattice.unflat(corner) - depth * _sunk(quads, places, len(solid), len(vertices))
    quad_cells = np.concatenate(cells)
    mesh = QuadMesh(lattice.to_points(at), quads, quad_cells)
    return BlockyMesh(mesh, vertex_bones, row_of[quad_cells].astype(np.int64))


def _sunk(quads: Ints, places: list[Ints], own_count: int, vertex_count: int) -> Floats:
    """How far (V, 3), in cells, the vertices lie below the surface: those that only faces of borrowed voxels have.

    At rest a borrowed voxel lies where the voxel that it repeats is, and two faces in one plane flicker. places: of
    each direction's quads, their voxel; from own_count on it is a borrowed one.
    """
    direction = np.repeat(np.arange(len(places)), [len(place) for place in places])
    is_borrowed = np.concatenate(places) >= own_count
    is_free = np.ones(vertex_count, bool)
    is_free[quads[~is_borrowed]] = False
    sunk = np.zeros((3, vertex_count))
    for index, (axis, side) in enumerate(DIRECTIONS):
        is_below = np.zeros(vertex_count, bool)
        is_below[quads[is_borrowed & (direction == index)]] = True
        sunk[axis, is_below & is_free] += side * SUNK_cells
    return sunk.T


class _Holders:
    """Which bones borrow which voxels. borrowed: bone * cell_count + cell, ascending."""

    def __init__(self, lattice: Lattice, borrowed: Ints) -> None:
        self._borrowed, self._cell_count = borrowed, lattice.cell_count
        self.bones, self.cells = np.divmod(borrowed, lattice.cell_count)
        self._first, self._last = np.full((2, lattice.cell_count), -1, np.int32)
        self._first[self.cells[::-1]] = self.bones[::-1]
        self._last[self.cells] = self.bones
        self._has_more = np.zeros(lattice.cell_count, bool)
        is_between = (self._first[self.cells] != self.bones) & (self._last[self.cells] != self.bones)
        self._has_more[self.cells[is_between]] = True

    def hold(self, bones: Ints, cells: Ints) -> Bools:
        """Which of these bones borrow these cells. Few voxels have more than two borrowers: those are searched for."""
        held: Bools = (self._first[cells] == bones) | (self._last[cells] == bones)
        open_ = np.flatnonzero(~held & self._has_more[cells])
        if len(open_):
            wanted = bones[open_] * self._cell_count + cells[open_]
            at = np.minimum(np.searchsorted(self._borrowed, wanted), len(self._borrowed) - 1)
            held[open_] = self._borrowed[at] == wanted
        return held


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
        cells, offsets = _ball(lattice, bone_of, pair, (pivot, float(np.sqrt(dot(away, away).max()))))
        is_lower = bone_of[cells] == lower
        if is_lower.all() or not is_lower.any():
            continue
        below, above = np.flatnonzero(is_lower), np.flatnonzero(~is_lower)
        of_below, of_above = taken(offsets, below), taken(offsets, above)
        along = of_below.mean(0) - of_above.mean(0)
        along /= np.linalg.norm(along)
        found.append(upper * lattice.cell_count + cells[below[_fills(of_below, away, along)]])
        found.append(lower * lattice.cell_count + cells[above[_fills(of_above, away, -along)]])
    keys = np.concatenate(found)
    return _sinkable(lattice, bone_of, keys[order_of(keys)])


def _sinkable(lattice: Lattice, bone_of: Int32s, borrowed: Ints) -> Ints:
    """Those whose faces on the surface can be sunk: a triangle that hangs on the holder's own voxels cannot."""
    holder, cell = np.divmod(borrowed, lattice.cell_count)
    stuck = np.zeros(len(borrowed), bool)
    for (axis, _), step in zip(DIRECTIONS, neighbour_steps(lattice), strict=True):
        bare = np.flatnonzero(bone_of[cell + step] < 0)
        own, at = holder[bare], cell[bare]
        u, v = lattice.steps[(axis + 1) % 3], lattice.steps[(axis + 2) % 3]
        has = {
            (i, j): (bone_of[at + (i * u + j * v)] == own) | (bone_of[at + (i * u + j * v + step)] == own)
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        }
        corners = [has[0, 0] | has[i, 0] | has[0, j] | has[i, j] for i in (-1, 1) for j in (-1, 1)]
        stuck[bare[np.sum(corners, axis=0) >= TRIANGLE]] = True
    return borrowed[~stuck]


def _fills(offsets: Floats, seam: Floats, out: Floats) -> Ints:
    """Which of a bone's voxels its neighbour borrows: all that do not stand out of the limb whichever way it bends.

    offsets (C, 3), seam (S, 3): from the pivot in cells. out: unit vector along the limb, into the lending bone. Of a
    bend away from one side the limb's surface on that side, as far off the pivot as the seam is, turns over what stays.
    """
    side = _across(out, np.eye(3)[np.abs(out).argmin()])
    side /= np.linalg.norm(side)
    turn = np.arange(DIRECTIONS_AROUND) * (2 * np.pi / DIRECTIONS_AROUND)
    around = np.outer(np.cos(turn), side) + np.outer(np.sin(turn), _across(out, side))
    reach = np.maximum((seam @ around.T).max(0), 0) + HALF_CELL
    # Two opposite sides together bound the height: this parts most of them at once.
    steepest = (reach + np.roll(reach, DIRECTIONS_AROUND // 2)).min() / 2 / np.sin(BENDS_rad[-1])
    near = np.flatnonzero(dot(offsets, out) <= steepest)
    places = taken(offsets, near)
    turned = np.concatenate([around * np.cos(bend) + out * np.sin(bend) for bend in BENDS_rad])
    limit = np.tile(reach, len(BENDS_rad))[:, None]
    parts = [places[start : start + ROWS_AT_ONCE] for start in range(0, len(places), ROWS_AT_ONCE)]
    is_within = np.concatenate([np.zeros(0, bool), *((turned @ part.T <= limit).all(0) for part in parts)])
    return np.asarray(near[is_within])


def _across(a: Floats, b: Floats) -> Floats:
    """The vector product of two vectors, for which np.cross takes ten times as long."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _seams(lattice: Lattice, bone_of: Int32s, shell: Shell) -> dict[tuple[int, int], Ints]:
    """The shell's cells at which two bones (lower number first) meet."""
    own = bone_of[shell.cells]
    count = int(own.max(initial=0)) + 1
    pairs, cells = [], []
    for step in neighbour_steps(lattice):
        near = bone_of[shell.cells + step]
        meets = np.flatnonzero((near >= 0) & (near != own))
        low, high = np.minimum(own[meets], near[meets]), np.maximum(own[meets], near[meets])
        pairs.append(low.astype(np.int64) * count + high)
        cells.append(shell.cells[meets])
    cell = np.concatenate(cells)
    found, which = distinct(np.concatenate(pairs))
    return {divmod(pair, count): np.unique(cell[which == index]) for index, pair in enumerate(found.tolist())}


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


def _ball(lattice: Lattice, bone_of: Int32s, pair: tuple[int, int], ball: tuple[Floats, float]) -> tuple[Ints, Floats]:
    """The two bones' cells, flat, whose centres lie in a ball (pivot and radius, in cells), and where from it."""
    pivot, radius = ball
    low = np.clip(np.floor(pivot - radius), 0, lattice.shape).astype(int)
    high = np.clip(np.ceil(pivot + radius), 0, lattice.shape).astype(int)
    x, y, z = ((np.arange(a, b) + 0.5 - at) ** 2 for a, b, at in zip(low, high, pivot, strict=True))
    box = bone_of.reshape(lattice.shape)[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    inside = ((box == pair[0]) | (box == pair[1])) & (x[:, None, None] + y[:, None] + z <= radius**2)
    places = np.stack(np.unravel_index(np.flatnonzero(inside), box.shape)).T + low
    return lattice.flat(places), places + 0.5 - pivot
