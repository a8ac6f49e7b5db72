# SPDX-License-Identifier: GPL-3.0-or-later
"""Quads of the visible faces, merged ones, and the smooth skin."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from blender_addon.voxel.faces import QuadMesh, merged_quads, shell_quads
from blender_addon.voxel.fill import VoxelGrid
from blender_addon.voxel.lattice import Lattice
from blender_addon.voxel.mesh import SurfaceMesh
from blender_addon.voxel.shell import find_shell, nearest_shell
from blender_addon.voxel.voxelize import VoxelSettings, smooth_mesh, static_mesh, vox_scene, voxelize
from blender_addon.voxel.weights import strongest
from tests.unit.voxel.shapes import box, limb, sphere, voxels


def random_grid(seed: int, density: float) -> VoxelGrid:
    solid = np.zeros((9, 8, 10), bool)
    solid[1:-1, 1:-1, 1:-1] = np.random.default_rng(seed).random((7, 6, 8)) < density
    return VoxelGrid(Lattice(np.array([1.0, 2, 3]), 0.5, (9, 8, 10)), solid)


def covered(mesh: QuadMesh, lattice: Lattice) -> dict[tuple[int, int], set[tuple[int, int, int]]]:
    """The unit faces that quads cover, by axis and side, as the cell behind each; counter-clockwise from outside."""
    found: dict[tuple[int, int], set[tuple[int, int, int]]] = {}
    corners = np.round((mesh.vertices[mesh.quads] - lattice.origin) / lattice.pitch).astype(int)
    for quad in corners:
        normal = np.cross(quad[1] - quad[0], quad[2] - quad[0])
        axis = int(np.abs(normal).argmax())
        side = int(np.sign(normal[axis]))
        low, high = quad.min(0), quad.max(0)
        assert low[axis] == high[axis]
        assert abs(normal[axis]) == np.prod(np.delete(high - low, axis))
        ranges = [range(a, b) for a, b in zip(low, high, strict=True)]
        ranges[axis] = range(low[axis] - (side > 0), low[axis] - (side > 0) + 1)
        for cell in ((x, y, z) for x in ranges[0] for y in ranges[1] for z in ranges[2]):
            faces = found.setdefault((axis, side), set())
            assert cell not in faces, "a face is covered twice"
            faces.add(cell)
    return found


def free_faces(solid: np.ndarray) -> dict[tuple[int, int], set[tuple[int, int, int]]]:
    return {
        (axis, side): {tuple(cell) for cell in np.argwhere(solid & ~np.roll(solid, -side, axis)).tolist()}
        for axis in range(3)
        for side in (1, -1)
    }


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_quads_are_exactly_the_faces_that_can_be_seen(density: float) -> None:
    grid = random_grid(1, density)
    shell = find_shell(grid)
    mesh = shell_quads(grid.lattice, shell)
    assert covered(mesh, grid.lattice) == free_faces(grid.solid)
    assert len(np.unique(mesh.vertices, axis=0)) == len(mesh.vertices)


@pytest.mark.parametrize("colours", [1, 3])
def test_merged_quads_cover_the_same_faces_in_the_same_colours(colours: int) -> None:
    grid = random_grid(2, 0.6)
    shell = find_shell(grid)
    colour = np.random.default_rng(3).integers(0, colours, len(shell.cells)).astype(np.uint8)
    merged = merged_quads(grid.lattice, shell, colour)
    assert covered(merged, grid.lattice) == free_faces(grid.solid)
    colour_of = dict(zip(map(tuple, grid.lattice.unflat(shell.cells).tolist()), colour.tolist(), strict=True))
    for row in range(len(merged.quads)):
        one = QuadMesh(merged.vertices, merged.quads[[row]], merged.cells[[row]])
        own = colour[shell.rows(merged.cells[[row]])][0]
        assert {colour_of[cell] for cells in covered(one, grid.lattice).values() for cell in cells} == {own}


def test_a_box_of_one_colour_merges_to_six_rectangles() -> None:
    figure = voxelize(box((4, 6, 16)), VoxelSettings(16))
    assert len(static_mesh(figure).quads) == 6
    assert len(static_mesh(figure).vertices) == 8


def test_inner_voxels_take_after_the_nearest_visible_one() -> None:
    grid = voxels(sphere(finer=3), 14)
    shell = find_shell(grid)
    cells, rows = nearest_shell(grid, shell)
    np.testing.assert_array_equal(cells, np.flatnonzero(grid.solid))
    at, seen = grid.lattice.unflat(cells), grid.lattice.unflat(shell.cells)
    steps = np.abs(at[:, None] - seen[None]).sum(2)
    np.testing.assert_array_equal(steps[np.arange(len(at)), rows], steps.min(1))


def test_the_vox_scene_holds_every_solid_voxel() -> None:
    figure = voxelize(sphere(finer=3), VoxelSettings(14))
    cells, _ = vox_scene(figure).cells()
    assert {tuple(c) for c in cells.tolist()} == {tuple(c) for c in (np.argwhere(figure.grid.solid) - 1).tolist()}


def test_the_strongest_four_weights_stay_and_sum_to_one() -> None:
    rng = np.random.default_rng(0)
    rows, bones, weights = rng.integers(0, 50, 900), rng.integers(0, 12, 900), rng.random(900)
    kept = strongest(rows, bones, weights, 51)
    table = np.zeros((51, 12))
    np.add.at(table, (rows, bones), weights)
    for row in range(50):
        best = np.argsort(-table[row], kind="stable")[:4]
        np.testing.assert_array_equal(kept.bones[row], best)
        np.testing.assert_allclose(kept.weights[row], table[row, best] / table[row, best].sum(), rtol=1e-6)
    assert (kept.bones[50].tolist(), kept.weights[50].tolist()) == ([0, 0, 0, 0], [1, 0, 0, 0])


def test_a_skin_comes_over_to_the_corners() -> None:
    mesh, _, _ = limb()
    figure = voxelize(mesh, VoxelSettings(24))
    quads, skin = smooth_mesh(figure)
    weight = (skin.weights * (skin.bones == 1)).sum(1)
    expected = np.clip(quads.vertices[:, 2] - 3.5, 0, 1)
    assert np.abs(weight - expected).max() < 0.5  # a voxel is a third of the bend long
    np.testing.assert_allclose(skin.weights.sum(1), 1, rtol=1e-6)
    assert (weight[quads.vertices[:, 2] < 2.5] == 0).all()
    assert (weight[quads.vertices[:, 2] > 5.5] == 1).all()


def test_turning_a_bone_moves_only_its_voxels_and_leaves_no_crack() -> None:
    mesh, _, _ = limb()
    quads, skin = smooth_mesh(voxelize(mesh, VoxelSettings(24)))
    moved = (skin.weights * (skin.bones == 1)).sum(1) > 0
    assert quads.vertices[moved][:, 2].min() > 2.5
    edges = np.sort(np.stack([quads.quads, np.roll(quads.quads, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert set(uses.tolist()) <= {2, 4}  # closed: every edge belongs to two faces, or four where voxels touch


def test_a_figure_without_a_skin_has_none() -> None:
    figure = voxelize(sphere(finer=2), VoxelSettings(10))
    assert smooth_mesh(figure)[1] is None


def test_the_same_mesh_gives_the_same_arrays() -> None:
    mesh, _, _ = limb()
    one, other = (smooth_mesh(voxelize(mesh, VoxelSettings(20, is_dithered=True))) for _ in range(2))
    for a, b in zip(
        (*vars(one[0]).values(), *vars(one[1]).values()),
        (*vars(other[0]).values(), *vars(other[1]).values()),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_the_work_can_be_watched_and_ended() -> None:
    seen: list[float] = []
    voxelize(sphere(finer=2), VoxelSettings(10), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    class Stop(Exception):
        pass

    def stop(share: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        voxelize(sphere(finer=2), VoxelSettings(10), stop)


def test_faces_that_nothing_can_be_sampled_from_borrow_their_colour() -> None:
    """The lid of a closed opening has no surface of its own."""
    full = sphere(finer=3)
    low = full.vertices[full.triangles][:, :, 2].max(1) < 0.5
    figure = voxelize(SurfaceMesh(full.vertices, full.triangles[low]), VoxelSettings(16, openings="ALL"))
    assert (figure.palette[figure.colour] == figure.palette[figure.colour][0]).all()
    assert ndimage.binary_fill_holes(figure.grid.solid).sum() == figure.grid.solid.sum()
