# SPDX-License-Identifier: GPL-3.0-or-later
"""Cells of shapes that can be computed exactly, and of meshes with openings."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from blender_addon.voxel.errors import MeshUnusable, SizeOutOfRange, UvMissing
from blender_addon.voxel.fill import hollow
from blender_addon.voxel.flood import outside
from blender_addon.voxel.lattice import LARGEST_SIZE
from blender_addon.voxel.mesh import Influences, Material, SurfaceMesh, check_mesh
from blender_addon.voxel.touching import mark_touched
from tests.unit.voxel.shapes import box, centres, join, of, sphere, touches_box, voxels


def test_touched_cells_are_those_that_the_box_test_finds() -> None:
    rng = np.random.default_rng(3)
    low = np.stack(np.meshgrid(*[np.arange(7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for _ in range(8):
        triangle = rng.random((3, 3)) * 5 + 1
        grid = np.zeros((7, 7, 7), bool)
        mark_touched(grid, triangle[None])
        expected = [touches_box(triangle, cell, cell + 1) for cell in low]
        np.testing.assert_array_equal(grid.reshape(-1), expected)


def test_a_triangle_on_the_grids_own_plane_is_one_layer() -> None:
    grid = np.zeros((6, 6, 6), bool)
    mark_touched(grid, np.array([[[1.0, 1, 3], [5, 1, 3], [1, 5, 3]]]))
    assert set(np.argwhere(grid)[:, 2]) == {3}


@pytest.mark.parametrize("size", [16, 31, 64])
def test_a_sphere_has_the_cells_whose_centres_it_holds(size: int) -> None:
    grid = voxels(sphere(), size)
    distance = np.linalg.norm(centres(grid), axis=-1)
    # The facets lie up to 2 ‰ of the radius below the sphere.
    certain = np.abs(distance - 1) > 0.002
    np.testing.assert_array_equal(grid.solid[certain], (distance < 1)[certain])
    assert not grid.warning


def test_a_torus_keeps_its_hole() -> None:
    grid = voxels(of(trimesh.creation.torus(1.0, 0.4, major_sections=160, minor_sections=80)), 24)
    at = centres(grid)
    distance = np.hypot(np.hypot(at[..., 0], at[..., 1]) - 1, at[..., 2])
    certain = np.abs(distance - 0.4) > 0.003
    np.testing.assert_array_equal(grid.solid[certain], (distance < 0.4)[certain])


@pytest.mark.parametrize("extents", [(8.0, 4, 16), (3, 5, 16)])
def test_a_box_of_whole_cells_is_exactly_those(extents: tuple[float, float, float]) -> None:
    grid = voxels(box(extents, (7.5, -3, 2.25)), 16)
    assert grid.solid.sum() == np.prod(extents)


def test_an_upright_plate_without_thickness_is_one_layer_everywhere() -> None:
    plate = SurfaceMesh(
        np.array([[0, 0.3, 0], [10, 0.3, 0], [10, 0.3, 10], [0, 0.3, 10.0]]), np.array([[0, 1, 2], [0, 2, 3]])
    )
    grid = voxels(plate, 10)
    assert grid.solid.sum() == 100
    assert (grid.solid.any(axis=1).sum(), grid.solid.sum(axis=1).max()) == (100, 1)


def test_a_flat_plate_on_the_ground_is_measured_along_its_side() -> None:
    square = np.array([[0, 0, 1], [4, 0, 1], [4, 4, 1], [0, 4, 1.0]])
    grid = voxels(SurfaceMesh(square, np.array([[0, 1, 2], [0, 2, 3]])), 8)
    assert grid.solid.sum() == 64


def test_a_slanted_rod_thinner_than_a_cell_stays_in_one_piece() -> None:
    rod = trimesh.creation.cylinder(radius=0.02, height=10, sections=8)
    rod.apply_transform(trimesh.transformations.rotation_matrix(0.3, [1, 0.4, 0]))
    grid = voxels(of(rod), 24)
    assert ndimage.label(grid.solid, np.ones((3, 3, 3)))[1] == 1
    assert grid.solid.any(axis=(0, 1)).sum() == 24


@pytest.mark.parametrize("radius", [0.12, 0.2, 0.3])
def test_a_limb_that_some_centres_miss_stays_in_one_piece(radius: float) -> None:
    """Rods of about a cell between two balls, tilted: what touches becomes a bridge where the centres leave gaps."""
    for tilt in (0.05, 0.2, 0.5):
        rod = trimesh.creation.cylinder(radius=radius, height=9, sections=12)
        ends = [trimesh.creation.icosphere(subdivisions=2, radius=1.0) for _ in range(2)]
        for ball, z in zip(ends, (-5, 5), strict=True):
            ball.apply_translation([0, 0, z])
        figure = trimesh.util.concatenate([rod, *ends])
        figure.apply_transform(trimesh.transformations.rotation_matrix(tilt, [1, 0.4, 0]))
        grid = voxels(of(figure), 20)
        assert ndimage.label(grid.solid, np.ones((3, 3, 3)))[1] == 1


def test_two_figures_that_only_share_cells_of_no_ones_are_not_joined_further() -> None:
    """Two boxes with a free layer between them stay two."""
    grid = voxels(join(box((4, 4, 16)), box((4, 4, 16), (6, 0, 0))), 16)
    assert ndimage.label(grid.solid, np.ones((3, 3, 3)))[1] == 2
    assert grid.solid.sum() == 2 * 256


def bowl(opening: float) -> SurfaceMesh:
    """A sphere of radius 1 without what lies above z = opening."""
    full = trimesh.creation.icosphere(subdivisions=4)
    stays = full.vertices[full.faces][:, :, 2].max(1) < opening
    return SurfaceMesh(np.asarray(full.vertices), np.asarray(full.faces)[stays])


def test_an_open_bowl_is_its_wall_and_says_so() -> None:
    mesh = bowl(0.1)
    grid = voxels(mesh, 16)
    touched = np.zeros_like(grid.solid)
    mark_touched(touched, grid.lattice.to_cells(mesh.vertices)[mesh.triangles] - [0, 0, 1e-9])
    np.testing.assert_array_equal(grid.solid, touched)
    assert grid.openings_left == 1
    assert "1 large opening is left" in grid.warning
    at = centres(grid)
    inside = (np.linalg.norm(at, axis=-1) < 1) & (at[..., 2] < 0.1)
    assert grid.hollow_cells == pytest.approx(np.count_nonzero(inside & ~grid.solid), rel=0.1)


def test_a_bowl_is_full_where_all_openings_are_to_be_closed() -> None:
    grid = voxels(bowl(0.1), 16, openings="ALL")
    at = centres(grid)
    assert grid.solid[(np.linalg.norm(at, axis=-1) < 0.95) & (at[..., 2] < -0.05)].all()
    assert (grid.openings_closed, grid.warning) == (1, "")


def test_a_small_opening_of_an_open_part_is_closed_too() -> None:
    """A bowl with a hole in its bottom, under a lid that is a part of its own: full, as no way leads in."""
    mesh = bowl(0.1)
    low = mesh.vertices[mesh.triangles][:, :, 2].min(1) > -0.97
    lid = trimesh.creation.cylinder(radius=1.2, height=0.2)
    lid.apply_translation([0, 0, 0.1])
    pot = join(SurfaceMesh(mesh.vertices, mesh.triangles[low]), of(lid))
    grid = voxels(pot, 32)
    assert (grid.openings_closed, grid.openings_left, grid.warning) == (1, 1, "")
    np.testing.assert_array_equal(ndimage.binary_fill_holes(grid.solid), grid.solid)
    assert grid.solid[tuple(np.array(grid.solid.shape) // 2)]


def test_a_flag_that_hides_nothing_is_no_reason_to_warn() -> None:
    square = np.array([[0, 0, 0], [4, 0, 0], [4, 0, 4], [0, 0, 4.0]])
    grid = voxels(SurfaceMesh(square, np.array([[0, 1, 2], [0, 2, 3]])), 8)
    assert (grid.openings_left, grid.hollow_cells, grid.warning) == (1, 0, "")


def test_small_openings_do_not_make_a_figure_hollow() -> None:
    mesh = bowl(0.95)
    whole = voxels(sphere(finer=4), 32)
    grid = voxels(mesh, 32)
    assert grid.openings_closed == 1
    assert grid.solid.sum() > 0.97 * whole.solid.sum()
    leaking = voxels(mesh, 32, openings="NONE")
    assert leaking.openings_left == 1
    assert leaking.warning
    assert leaking.solid.sum() < 0.5 * whole.solid.sum()


def test_overlapping_and_inverted_parts_are_one_solid() -> None:
    one, other = box((4, 4, 16)), box((4, 4, 16), (2, 2, 0))
    inverted = SurfaceMesh(other.vertices, other.triangles[:, ::-1])
    expected = voxels(join(one, other), 16)
    np.testing.assert_array_equal(voxels(join(one, inverted), 16).solid, expected.solid)
    assert expected.solid.sum() == (16 + 16 - 4) * 16


def test_seams_of_unshared_vertices_are_no_openings() -> None:
    mesh = sphere(finer=3)
    loose = SurfaceMesh(mesh.vertices[mesh.triangles].reshape(-1, 3), np.arange(len(mesh.triangles) * 3).reshape(-1, 3))
    grid = voxels(loose, 20)
    np.testing.assert_array_equal(grid.solid, voxels(mesh, 20).solid)
    assert not grid.warning


@pytest.mark.parametrize("size", [15, 16, 33])
def test_a_mirrored_figure_becomes_mirrored_voxels_standing_on_the_ground(size: int) -> None:
    figure = join(sphere(finer=3), box((0.7, 0.4, 0.5), (0.8, -0.2, -0.6)), box((0.7, 0.4, 0.5), (-1.5, -0.2, -0.6)))
    figure = SurfaceMesh(figure.vertices + np.array([12.34, 5, 0.7]), figure.triangles)
    grid = voxels(figure, size)
    np.testing.assert_array_equal(grid.solid, grid.solid[::-1])
    assert grid.lattice.origin[2] + grid.lattice.pitch == pytest.approx(-0.3)
    assert grid.solid.any(axis=(0, 1)).sum() == size


def test_a_sword_does_not_move_the_middle_of_the_figure() -> None:
    body = join(
        sphere(finer=4),
        box((0.3, 0.3, 0.9), (0.2, -0.15, -1.9)),
        box((0.3, 0.3, 0.9), (-0.5, -0.15, -1.9)),
        box((0.02, 0.02, 0.02), (2.2, 0, 0)),
    )
    grid = voxels(body, 29)
    figure = grid.solid.copy()
    figure[(centres(grid)[..., 0] > 1.5)] = False
    np.testing.assert_array_equal(figure, figure[::-1])
    aside = voxels(SurfaceMesh(body.vertices + np.array([3.0, 0, 0]), body.triangles), 29).lattice
    assert aside.origin[0] + aside.shape[0] * aside.pitch / 2 == pytest.approx(3.0, abs=aside.pitch / 4)


def test_the_outside_is_what_a_flood_reaches() -> None:
    rng = np.random.default_rng(5)
    for density in (0.2, 0.45, 0.7):
        walls = np.zeros((20, 15, 18), bool)
        walls[1:-1, 1:-1, 1:-1] = rng.random((18, 13, 16)) < density
        label, _ = ndimage.label(~walls)
        np.testing.assert_array_equal(outside(walls), label == label[0, 0, 0])


@pytest.mark.parametrize("wall", [1, 2, 3])
def test_a_hollow_figure_has_a_wall_of_that_thickness(wall: int) -> None:
    grid = voxels(sphere(finer=3), 20)
    deep = ndimage.distance_transform_cdt(grid.solid, "chessboard")
    np.testing.assert_array_equal(hollow(grid, wall).solid, grid.solid & (deep <= wall))
    with pytest.raises(SizeOutOfRange):
        hollow(grid, 0)


TRIANGLE = SurfaceMesh(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1.0]]), np.array([[0, 1, 2]]))


@pytest.mark.parametrize(
    ("mesh", "says"),
    [
        (SurfaceMesh(np.zeros((3, 3)), np.zeros((0, 3), int)), "no faces"),
        (SurfaceMesh(np.zeros((0, 3)), np.zeros((0, 3), int)), "no faces"),
        (SurfaceMesh(np.array([[0, 0, np.nan], [1, 0, 0], [0, 1, 0]]), TRIANGLE.triangles), "finite"),
        (SurfaceMesh(np.array([[0, 0, np.inf], [1, 0, 0], [0, 1, 0]]), TRIANGLE.triangles), "finite"),
        (SurfaceMesh(TRIANGLE.vertices, np.array([[0, 1, 3]])), "not there"),
        (SurfaceMesh(np.zeros((3, 3)), TRIANGLE.triangles), "no extent"),
        (SurfaceMesh(TRIANGLE.vertices * 1.7e308 - 0.9e308, TRIANGLE.triangles), "further than"),
        (SurfaceMesh(np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2.0]]), TRIANGLE.triangles), "area"),
        (SurfaceMesh(TRIANGLE.vertices, TRIANGLE.triangles, uv=np.zeros((2, 3, 2))), "UV map"),
        (SurfaceMesh(TRIANGLE.vertices, TRIANGLE.triangles, materials=()), "material"),
        (
            SurfaceMesh(
                TRIANGLE.vertices, TRIANGLE.triangles, influences=Influences(np.zeros((9, 1), int), np.ones((9, 1)))
            ),
            "weights",
        ),
    ],
)
def test_a_mesh_that_cannot_be_voxelized_is_said_in_one_sentence(mesh: SurfaceMesh, says: str) -> None:
    with pytest.raises(MeshUnusable, match=says) as caught:
        voxels(mesh, 16)
    assert caught.value.hint


@pytest.mark.parametrize("size", [0, -1, LARGEST_SIZE + 1, 10_000, 2.5, True])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(SizeOutOfRange, match="from 1 to 512"):
        voxels(TRIANGLE, size)


def test_a_texture_without_a_uv_map_is_refused() -> None:
    textured = SurfaceMesh(
        TRIANGLE.vertices, TRIANGLE.triangles, materials=(Material(image=np.zeros((2, 2, 3), np.uint8)),)
    )
    with pytest.raises(UvMissing):
        check_mesh(textured)


def test_a_grid_that_would_not_fit_into_memory_is_refused() -> None:
    with pytest.raises(SizeOutOfRange, match="so wide"):
        voxels(box((7.5, 7.5, 1)), LARGEST_SIZE)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
def test_size_and_place_of_the_mesh_do_not_matter(scale: float) -> None:
    mesh = sphere(finer=3)
    moved = SurfaceMesh(mesh.vertices * scale + np.array([3.0, -2, 1]) * scale * 8, mesh.triangles)
    assert abs(int(voxels(moved, 24).solid.sum()) - int(voxels(mesh, 24).solid.sum())) <= 8
