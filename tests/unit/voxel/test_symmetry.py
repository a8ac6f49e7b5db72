# SPDX-License-Identifier: GPL-3.0-or-later
"""The middle of figures that are nearly the same on both sides, and figures that are made so."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from blender_addon.voxel.errors import MeshUnusable
from blender_addon.voxel.lattice import fit_lattice
from blender_addon.voxel.mesh import Influences, Material, SurfaceMesh
from blender_addon.voxel.symmetry import mirror_grid, mirrored_names
from blender_addon.voxel.voxelize import VoxelFigure, VoxelSettings, voxelize
from tests.unit.voxel.shapes import box, join, of, sphere, voxels

SIDES = ("LEFT", "RIGHT", "BOTH")


def person(*extra: SurfaceMesh, shift: float = 0.0) -> SurfaceMesh:
    """A head, a body, arms and legs, the same on both sides of x = shift, and what else is given."""
    head = trimesh.creation.icosphere(subdivisions=3, radius=1.2)
    head.apply_translation([0, 0, 5.2])
    parts = [of(head), box((2, 1.2, 2.4), (-1, -0.6, 1.8))]
    for x in (-1, 1):
        parts.append(box((0.8, 0.9, 1.8), (0.6 * x - 0.4, -0.45, 0)))
        parts.append(box((1.6, 0.6, 0.6), (1.8 * x - 0.8, -0.3, 3.4)))
    figure = join(*parts, *extra)
    fine = trimesh.Trimesh(figure.vertices, figure.triangles, process=False).subdivide_to_size(0.4)
    return SurfaceMesh(np.asarray(fine.vertices) + np.array([shift, 0, 0]), np.asarray(fine.faces))


TAIL = box((2.4, 0.8, 0.8), (1.0, 0.8, 0.8))


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("shift", [0.0, 3.7])
def test_a_tail_does_not_move_the_middle_whatever_the_size(size: int, shift: float) -> None:
    mesh = person(TAIL, shift=shift)
    lattice = fit_lattice(mesh.vertices, mesh.triangles, size)
    middle = lattice.origin[0] + lattice.shape[0] * lattice.pitch / 2
    assert middle == pytest.approx(shift, abs=0.02)


def test_what_has_two_different_halves_is_measured_by_its_box() -> None:
    crane = join(box((1, 1, 8), (9, 0, 0)), box((6, 1, 1), (10, 0, 7)), box((1, 1, 2), (15, 0, 5)))
    lattice = fit_lattice(crane.vertices, crane.triangles, 20)
    assert lattice.origin[0] + lattice.shape[0] * lattice.pitch / 2 == pytest.approx(12.5, abs=1e-9)


@pytest.mark.parametrize("scale", [0.013, 1.0, 250.0])
@pytest.mark.parametrize("width", [5, 6])
def test_a_drawing_of_pixels_becomes_those_pixels(width: int, scale: float) -> None:
    """Boxes where a picture has pixels, an odd and an even number of them wide, anywhere and of any size."""
    drawing = np.random.default_rng(width).random((9, width)) < 0.6
    drawing[:, 0] = drawing[:, -1] = drawing[0] = drawing[-1] = True
    pixels = [box((1, 1, 1), (x, 0, 8 - row)) for row, x in np.argwhere(drawing).tolist()]
    mesh = join(*pixels)
    mesh = SurfaceMesh(mesh.vertices * scale + np.array([3.3, -1.7, 0.4]) * scale, mesh.triangles)
    seen = voxels(mesh, 9).solid[1:-1, 1:-1, 1:-1]
    assert seen.shape == (width, 1, 9)
    np.testing.assert_array_equal(seen[:, 0, ::-1].T, drawing)


@pytest.mark.parametrize("size", [12, 16, 24, 32])
@pytest.mark.parametrize("radius", [0.06, 0.12, 0.2])
def test_thin_arms_and_legs_are_not_lost(size: int, radius: float) -> None:
    parts = [box((2, 1.2, 2.4), (-1, -0.6, 3))]
    for x in (-1, 1):
        arm = trimesh.creation.cylinder(radius=radius, segment=[[x, 0, 5.2], [3.0 * x, 0.4, 3.4]], sections=10)
        leg = trimesh.creation.cylinder(radius=radius, segment=[[0.6 * x, 0, 3.2], [0.9 * x, 0.1, 0]], sections=10)
        parts += [of(arm), of(leg)]
    grid = voxels(join(*parts), size)
    assert grid.solid.any(axis=(0, 1)).sum() >= size - 1  # the slanted end of a leg may hold no middle of a voxel
    wide = grid.solid.any(axis=(1, 2)).sum() * grid.lattice.pitch
    assert wide >= 6.0 + 2 * radius * 0.8 - 2 * grid.lattice.pitch
    assert ndimage.label(grid.solid, np.ones((3, 3, 3)))[1] == 1


def two_coloured() -> SurfaceMesh:
    """A ball that is red on its left, +X, and blue on its right, with a lump on its left."""
    mesh = join(sphere(finer=4), box((0.5, 0.4, 0.4), (0.8, -0.2, -0.2)))
    is_left = (mesh.vertices[mesh.triangles][:, :, 0].mean(1) > 0).astype(int)
    bones = np.where(mesh.vertices[:, 0] > 0, 1, 2)[:, None]
    bones[np.abs(mesh.vertices[:, 0]) < 0.1] = 0
    return SurfaceMesh(
        mesh.vertices,
        mesh.triangles,
        face_material=is_left,
        materials=(Material((0, 0, 1)), Material((1, 0, 0))),
        influences=Influences(bones, np.ones((len(bones), 1), np.float32)),
        bone_names=("spine", "arm.L", "arm.R"),
    )


def mirror_rows(figure: VoxelFigure) -> np.ndarray:
    lattice = figure.grid.lattice
    at = lattice.unflat(figure.shell.cells)
    at[:, 0] = lattice.shape[0] - 1 - at[:, 0]
    return figure.shell.rows(lattice.flat(at))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", [15, 16])
def test_cells_colours_and_weights_are_the_same_on_both_sides(side: str, size: int) -> None:
    figure = voxelize(two_coloured(), VoxelSettings(size, symmetry=side))
    np.testing.assert_array_equal(figure.grid.solid, figure.grid.solid[::-1])
    other = mirror_rows(figure)
    assert (other >= 0).all()
    np.testing.assert_array_equal(figure.colour, figure.colour[other])
    assert figure.influences is not None
    swapped = np.array([0, 2, 1])[figure.influences.bones[:, 0]]
    in_middle = other == np.arange(len(other))
    np.testing.assert_array_equal(figure.influences.bones[~in_middle, 0], swapped[other][~in_middle])
    np.testing.assert_array_equal(figure.influences.weights, figure.influences.weights[other])


def test_the_side_that_is_copied_is_the_characters() -> None:
    """The character faces -Y, so its left is +X."""
    plain = voxels(two_coloured(), 24).solid
    found = {side: voxelize(two_coloured(), VoxelSettings(24, symmetry=side)) for side in SIDES}
    for side, colour in (("LEFT", [255, 0, 0]), ("RIGHT", [0, 0, 255])):
        place = found[side].grid.lattice.unflat(found[side].shell.cells)[:, 0]
        off_middle = np.abs(place + 0.5 - found[side].grid.lattice.shape[0] / 2) > 2
        assert (found[side].palette[found[side].colour[off_middle]] == colour).all()
    assert found["RIGHT"].grid.solid.sum() < plain.sum() < found["LEFT"].grid.solid.sum()
    np.testing.assert_array_equal(found["BOTH"].grid.solid, plain | plain[::-1])
    assert voxelize(two_coloured(), VoxelSettings(24)).grid.matched_share == 1.0
    assert 0.8 < found["LEFT"].grid.matched_share < 1.0
    assert not found["LEFT"].grid.warning


def test_two_sides_that_differ_much_are_said() -> None:
    one = person(box((3, 1, 6), (1.5, -0.5, 0)), box((3, 3, 1), (1.5, 0, 0)))
    figure = voxelize(one, VoxelSettings(20, symmetry="BOTH"))
    assert figure.grid.matched_share < 0.7
    assert "The two sides of the mesh differ" in figure.grid.warning


def test_an_empty_side_cannot_be_copied() -> None:
    ball = sphere(finer=2)
    grid = voxels(ball, 8)
    grid.solid[: grid.lattice.shape[0] // 2] = False
    with pytest.raises(MeshUnusable, match="is empty"):
        mirror_grid(grid, "RIGHT")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("arm.L", "arm.R"),
        ("arm_r", "arm_l"),
        ("l_arm_01", "r_arm_01"),
        ("LeftArm", "RightArm"),
        ("mixamorig:RightHandIndex1", "mixamorig:LeftHandIndex1"),
        ("UPPER_LEFT", "UPPER_RIGHT"),
        ("Bip01 L Thigh", "Bip01 R Thigh"),
        ("arm.L.001", "arm.R.001"),
    ],
)
def test_bones_find_the_bone_of_the_other_side(name: str, other: str) -> None:
    np.testing.assert_array_equal(mirrored_names(("spine", name, "collar", other)), [0, 3, 2, 1])


def test_bones_without_another_side_stay() -> None:
    np.testing.assert_array_equal(mirrored_names(("spine", "tail.L", "ball", "skull", "lower")), np.arange(5))
    assert len(mirrored_names(())) == 0
