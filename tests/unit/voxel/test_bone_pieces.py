# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone a rigid voxel moves with: whole pieces, no crumbs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from blender_addon.voxel.bone_pieces import piece_bones
from blender_addon.voxel.fill import VoxelGrid
from blender_addon.voxel.lattice import Lattice
from blender_addon.voxel.mesh import Influences
from blender_addon.voxel.shell import Shell, find_shell

BAR = (8, 8, 32)  # cells of a solid bar, its border included; bones below and above its middle


def bar() -> tuple[Lattice, Shell, np.ndarray]:
    """A bar, and the bone that each of its visible cells belongs to."""
    solid = np.zeros(BAR, bool)
    solid[1:-1, 1:-1, 1:-1] = True
    lattice = Lattice(np.zeros(3), 1.0, BAR)
    shell = find_shell(VoxelGrid(lattice, solid))
    return lattice, shell, (lattice.unflat(shell.cells)[:, 2] >= BAR[2] // 2).astype(np.int64)


def skin(bones: np.ndarray) -> Influences:
    return Influences(bones[:, None], np.ones((len(bones), 1), np.float32))


def test_clear_bones_stay() -> None:
    lattice, shell, bones = bar()
    np.testing.assert_array_equal(piece_bones(lattice, shell, skin(bones)), bones)


def test_crumbs_go_to_the_bone_around_them() -> None:
    lattice, shell, bones = bar()
    at = lattice.unflat(shell.cells)
    patch = (at[:, 2] > 4) & (at[:, 2] < 9) & (at[:, 0] == 1)
    ring = (at[:, 2] > 21) & (at[:, 2] < 24)
    spoiled = np.where(patch, 1, np.where(ring, 0, bones))
    np.testing.assert_array_equal(piece_bones(lattice, shell, skin(spoiled)), bones)


def test_a_ragged_border_is_evened() -> None:
    lattice, shell, bones = bar()
    at = lattice.unflat(shell.cells)
    middle = BAR[2] // 2
    noisy = np.where(np.abs(at[:, 2] - middle) <= 2, np.random.default_rng(0).integers(0, 2, len(at)), bones)
    made = piece_bones(lattice, shell, skin(noisy))
    for bone in (0, 1):
        grid = np.zeros(BAR, bool)
        grid.reshape(-1)[shell.cells[made == bone]] = True
        assert ndimage.label(grid, np.ones((3, 3, 3)))[1] == 1
    rows = np.arange(len(at))
    pairs = [(a, b) for a in rows for b in rows[a + 1 :] if np.abs(at[a] - at[b]).sum() == 1]
    a, b = np.array(pairs).T
    assert (made[a] != made[b]).sum() < 0.8 * (noisy[a] != noisy[b]).sum()


def test_two_like_pieces_of_one_bone_and_a_piece_that_touches_nothing_stay() -> None:
    solid = np.zeros((5, 5, 40), bool)
    solid[1:-1, 1:-1, 1:25] = True
    solid[2, 2, 30] = True  # a bead of its own
    lattice = Lattice(np.zeros(3), 1.0, solid.shape)
    shell = find_shell(VoxelGrid(lattice, solid))
    height = lattice.unflat(shell.cells)[:, 2]
    bones = ((height >= 8) & (height < 17)).astype(np.int64)
    np.testing.assert_array_equal(piece_bones(lattice, shell, skin(bones)), bones)
