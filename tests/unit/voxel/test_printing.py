# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures for a 3D printer: walls, hollows, holes and closed surfaces, on shapes whose volumes are known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from blender_addon.voxel.errors import SizeOutOfRange
from blender_addon.voxel.faces import QuadMesh
from blender_addon.voxel.figure_mesh import FigureLook, figure_mesh
from blender_addon.voxel.fill import VoxelGrid
from blender_addon.voxel.lattice import Lattice
from blender_addon.voxel.mesh import SurfaceMesh
from blender_addon.voxel.printing import PrintSettings, make_printable, print_mesh
from blender_addon.voxel.shell import find_shell
from blender_addon.voxel.voxelize import VoxelSettings, voxelize
from tests.unit.voxel.shapes import box, join, sphere, voxels


def solid_of(mesh: QuadMesh) -> trimesh.Trimesh:
    faces = np.concatenate([mesh.quads[:, [0, 1, 2]], mesh.quads[:, [0, 2, 3]]])
    return trimesh.Trimesh(mesh.vertices, faces, process=False)


def assert_closed(grid: VoxelGrid) -> trimesh.Trimesh:
    """Every edge has two faces, which run along it both ways; and the volume is that of the voxels."""
    mesh = print_mesh(grid, find_shell(grid))
    solid = solid_of(mesh)
    edges = np.sort(mesh.quads[:, [[0, 1], [1, 2], [2, 3], [3, 0]]].reshape(-1, 2), axis=1)
    assert set(np.unique(edges, axis=0, return_counts=True)[1]) == {2}
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.volume == pytest.approx(grid.solid.sum() * grid.lattice.pitch**3)
    return solid


def test_a_hollow_cube_has_the_volume_that_can_be_computed() -> None:
    """20 voxels of 2 mm each way; walls of 3 mm become two voxels; a hole of 3 mm is two voxels wide."""
    grid = voxels(box((20, 20, 20)), 20)
    made, report = make_printable(grid, PrintSettings(40, 3))
    assert made.solid.sum() == 20**3 - 16**3
    assert (report.voxel_mm, report.wall_mm, report.hollows, report.drains) == (2, 4, 1, 0)
    assert report.material_cm3 == pytest.approx((20**3 - 16**3) * 8 / 1000)
    assert report.solid_cm3 == pytest.approx(64)
    assert len(assert_closed(made).split()) == 2  # the outer and the inner shell
    drained, report = make_printable(grid, PrintSettings(40, 3, 3))
    assert drained.solid.sum() == 20**3 - 16**3 - 2 * 2 * 2
    assert report.drains == 1
    assert len(assert_closed(drained).split()) == 1
    assert report.sentence == (
        "31.2 cm³ of material instead of 64.0: walls of 4.00 mm, 1 drain hole; voxels of 2.00 mm."
    )


@pytest.mark.parametrize("size", [16, 25, 40])
def test_a_hollow_ball_is_closed_with_and_without_a_hole(size: int) -> None:
    grid = voxels(sphere(finer=4), size)
    for drain_mm in (0.0, 100 / size):
        made, report = make_printable(grid, PrintSettings(100, 2.5 * 100 / size, drain_mm))
        assert report.wall_mm == pytest.approx(3 * 100 / size)
        assert_closed(made)
        outside = ndimage.label(~made.solid)[1]
        assert outside == (1 if drain_mm else 2)
        # What is left is a shell as thick as the walls at its thinnest.
        thick = ndimage.distance_transform_cdt(np.pad(grid.solid, 1), "chessboard")[1:-1, 1:-1, 1:-1]
        if not drain_mm:
            assert made.solid[(thick > 0) & (thick <= 3)].all()
        assert report.material_cm3 < report.solid_cm3


def test_every_hollow_is_drained_at_its_lowest_place() -> None:
    """Two boxes joined by a bar thinner than the walls: two hollows, two holes, both in the floor."""
    two = join(box((8, 8, 16)), box((8, 8, 16), (12, 0, 0)), box((4, 2, 2), (8, 3, 7)))
    grid = voxels(two, 16)
    made, report = make_printable(grid, PrintSettings(16, 2, 1))
    assert (report.hollows, report.drains) == (2, 2)
    assert np.count_nonzero(grid.solid[:, :, 1] & ~made.solid[:, :, 1]) == 2
    assert ndimage.label(~made.solid)[1] == 1
    assert_closed(made)


def test_a_hollow_that_saves_nothing_is_filled() -> None:
    made, report = make_printable(voxels(box((6, 6, 6)), 6), PrintSettings(6, 2, 1))
    assert made.solid.sum() == 6**3
    assert (report.hollows, report.drains) == (0, 0)
    assert report.sentence == "0.2 cm³ of material; voxels of 1.00 mm."


def test_voxels_that_meet_in_an_edge_are_joined_by_another() -> None:
    for shift in ((4, 4, 0), (0, 4, 4), (4, 0, 4), (4, -4, 0)):
        grid = voxels(join(box((4, 4, 4)), box((4, 4, 4), shift)), 4 + abs(shift[2]))
        assert ndimage.label(grid.solid)[1] == 2
        made, _ = make_printable(grid, PrintSettings(10))
        assert ndimage.label(made.solid)[1] == 1
        assert made.solid[grid.solid].all()
        assert made.solid.sum() == 2 * 64 + 4
        assert_closed(made)


def test_any_voxels_become_a_closed_surface() -> None:
    for seed, density in ((1, 0.1), (2, 0.5), (3, 0.8)):
        solid = np.zeros((12, 11, 13), bool)
        solid[1:-1, 1:-1, 1:-1] = np.random.default_rng(seed).random((10, 9, 11)) < density
        made, _ = make_printable(VoxelGrid(Lattice(np.zeros(3), 0.5, solid.shape), solid), PrintSettings(10))
        assert made.solid[solid].all()
        assert_closed(made)


def test_joining_keeps_left_and_right_the_same() -> None:
    half = np.random.default_rng(5).random((5, 9, 11)) < 0.3
    solid = np.zeros((12, 11, 13), bool)
    solid[1:-1, 1:-1, 1:-1] = np.concatenate([half, half[::-1]])
    made, _ = make_printable(VoxelGrid(Lattice(np.zeros(3), 0.5, solid.shape), solid), PrintSettings(10))
    np.testing.assert_array_equal(made.solid, made.solid[::-1])


def test_a_figure_for_print_is_one_closed_mesh_with_colours() -> None:
    figure = voxelize(sphere(finer=4), VoxelSettings(24, printing=PrintSettings(60, 4, 4)))
    assert figure.printed is not None
    mesh = figure_mesh(figure, None, FigureLook("NONE"))
    assert solid_of(mesh.quads).is_watertight
    assert len(mesh.colour) == len(mesh.quads.quads)
    assert voxelize(sphere(finer=2), VoxelSettings(8)).printed is None


@pytest.mark.parametrize(
    "lengths",
    [(0, 1, 0), (-5, 1, 0), (100, -1, 0), (100, 1, -2), (100_000, 1, 0), (100, 2000, 0), (float("nan"), 1, 0)],
)
def test_lengths_that_no_printer_knows_are_refused(lengths: tuple[float, float, float]) -> None:
    with pytest.raises(SizeOutOfRange, match="mm"):
        PrintSettings(*lengths)


def test_walls_thicker_than_the_figure_are_refused() -> None:
    plate = SurfaceMesh(np.array([[0, 0, 0], [4, 0, 0], [4, 0, 4], [0, 0, 4.0]]), np.array([[0, 1, 2], [0, 2, 3]]))
    with pytest.raises(SizeOutOfRange, match="wall"):
        make_printable(voxels(plate, 8), PrintSettings(8, 500))
