# SPDX-License-Identifier: GPL-3.0-or-later
"""Solids made of meshes: volume, openings, thin sheets, bridges between parts."""

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from models.draft.voxels import CELLS_TOUCH, voxelise


def arrays(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)


def component_count(occupied: np.ndarray) -> int:
    return ndimage.label(occupied, CELLS_TOUCH)[1]


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.001, 5.0), (300.0, -1000.0)])
def test_a_ball_keeps_its_volume_at_any_scale_and_place(scale, shift):
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    vertices, faces = arrays(ball)
    grid = voxelise(vertices * scale + shift, faces, 64)
    assert grid.occupied.sum() * grid.pitch_m**3 == pytest.approx(ball.volume * scale**3, rel=0.03)
    assert grid.pitch_m == pytest.approx(scale / 64, rel=1e-3)
    assert not grid.occupied[[0, -1]].any() and not grid.occupied[:, :, [0, -1]].any()


def test_faces_wound_inward_make_the_same_solid():
    vertices, faces = arrays(trimesh.creation.capsule(height=1.0, radius=0.2))
    assert np.array_equal(voxelise(vertices, faces, 48).occupied, voxelise(vertices, faces[:, ::-1], 48).occupied)


def test_an_open_cup_is_filled_to_its_rim():
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    vertices, faces = arrays(ball)
    bowl = faces[(ball.triangles_center[:, 1] < 0.25)]
    grid = voxelise(vertices, bowl, 48)
    assert grid.occupied[tuple(grid.cells(np.array([0.0, -0.1, 0.0])))]
    assert grid.occupied.sum() * grid.pitch_m**3 > 0.6 * ball.volume


def test_a_sheet_without_thickness_is_kept():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    grid = voxelise(vertices, np.array([[0, 1, 2], [0, 2, 3]], np.int32), 32)
    assert 32**2 <= grid.occupied.any(axis=2).sum() <= 33**2
    assert component_count(grid.occupied) == 1


def test_parts_are_joined_by_a_thin_bridge_and_not_glued():
    left, right = trimesh.creation.box((1, 1, 1)), trimesh.creation.box((1, 1, 1))
    right.apply_translation([1.2, 0, 0])
    vertices, faces = arrays(trimesh.util.concatenate([left, right]))
    grid = voxelise(vertices, faces, 88)
    assert component_count(grid.occupied) == 1
    gap = grid.occupied[grid.cells(np.array([0.6, 0, 0]))[0]]
    assert 1 <= gap.sum() <= 4


def test_many_parts_become_one_component():
    rng = np.random.default_rng(5)
    parts = [trimesh.creation.icosphere(subdivisions=1, radius=0.05) for _ in range(25)]
    for part in parts:
        part.apply_translation(rng.uniform(-1, 1, 3))
    vertices, faces = arrays(trimesh.util.concatenate(parts))
    assert component_count(voxelise(vertices, faces, 64).occupied) == 1


def test_cells_and_centres_are_inverse():
    vertices, faces = arrays(trimesh.creation.box((1, 2, 3)))
    grid = voxelise(vertices, faces, 30)
    cells = np.argwhere(grid.occupied)
    assert np.array_equal(grid.cells(grid.centres(cells)), cells)


def test_vertices_that_no_face_uses_do_not_count():
    vertices, faces = arrays(trimesh.creation.box((1, 1, 1)))
    far = np.concatenate([vertices, [[100.0, 0.0, 0.0]]]).astype(np.float32)
    assert np.array_equal(voxelise(far, faces, 16).occupied, voxelise(vertices, faces, 16).occupied)
