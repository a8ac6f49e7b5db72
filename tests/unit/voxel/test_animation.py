# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of an animation: one lattice, the colours of the rest pose, no flicker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blender_addon.voxel.animation import VoxelFrame, cast, lattice_around, voxel_frame
from blender_addon.voxel.errors import MeshUnusable, SizeOutOfRange
from blender_addon.voxel.lattice import Lattice
from blender_addon.voxel.mesh import Material, SurfaceMesh
from blender_addon.voxel.voxelize import VoxelSettings, static_mesh
from tests.unit.voxel.shapes import limb

SETTINGS = VoxelSettings(32)


def two_coloured() -> SurfaceMesh:
    """The limb, green above z = 4."""
    mesh, _, _ = limb()
    above = mesh.vertices[mesh.triangles].mean(1)[:, 2] > 4
    return replace(mesh, face_material=above.astype(int), materials=(Material((1, 0, 0)), Material((0, 1, 0))))


def middles(frame: VoxelFrame) -> np.ndarray:
    return frame.quads.vertices[frame.quads.quads].mean(1)


def test_at_rest_a_frame_is_the_figure() -> None:
    mesh = two_coloured()
    actor = cast(mesh, SETTINGS)
    frame = voxel_frame(actor, mesh.vertices)
    still = static_mesh(actor.figure)
    assert sorted(map(tuple, frame.quads.vertices.round(6))) == sorted(map(tuple, still.vertices.round(6)))
    assert len(frame.quads.quads) == len(still.quads)
    seen, wanted = np.bincount(frame.colour), np.bincount(actor.figure.colour[actor.figure.shell.rows(still.cells)])
    np.testing.assert_array_equal(seen, wanted)


def test_a_step_of_whole_voxels_moves_the_figure_and_changes_nothing_else() -> None:
    mesh = two_coloured()
    actor = cast(mesh, SETTINGS)
    pitch = actor.figure.grid.lattice.pitch
    first = voxel_frame(actor, mesh.vertices)
    for step in ([3, 0, 0], [0, -40, 0], [7, 2, 11]):
        moved = voxel_frame(actor, mesh.vertices + np.array(step) * pitch)
        np.testing.assert_allclose(moved.quads.vertices, first.quads.vertices + np.array(step) * pitch, atol=1e-9)
        np.testing.assert_array_equal(moved.quads.quads, first.quads.quads)
        np.testing.assert_array_equal(moved.colour, first.colour)


def test_all_frames_lie_on_the_lattice_of_the_rest_pose() -> None:
    mesh = two_coloured()
    actor = cast(mesh, SETTINGS)
    for angle in np.radians([10, 47, 90, 200]):
        turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        frame = voxel_frame(actor, mesh.vertices @ turn.T + [0.123, 0.456, 0.789])
        places = actor.figure.grid.lattice.to_cells(frame.quads.vertices)
        np.testing.assert_allclose(places, np.round(places), atol=1e-9)


def test_colours_move_with_the_surface() -> None:
    mesh = two_coloured()
    actor = cast(mesh, SETTINGS)
    frame = voxel_frame(actor, mesh.vertices * [1, -1, -1])  # upside down
    height = middles(frame)[:, 2]
    green = actor.figure.palette[frame.colour][:, 1] > 0
    pitch = actor.figure.grid.lattice.pitch
    assert green[height < -4 - pitch].all()
    assert not green[height > -4 + pitch].any()


def test_what_no_frame_can_be_made_of_is_said() -> None:
    mesh = two_coloured()
    actor = cast(mesh, SETTINGS)
    with pytest.raises(MeshUnusable, match="number of its vertices"):
        voxel_frame(actor, mesh.vertices[:-1])
    with pytest.raises(MeshUnusable, match="not a finite number"):
        voxel_frame(actor, np.where(mesh.vertices > 4, np.nan, mesh.vertices))
    with pytest.raises(SizeOutOfRange, match="so wide"):
        voxel_frame(actor, mesh.vertices * 1000)


def test_the_lattice_around_something_is_the_same_lattice() -> None:
    fixed = Lattice(np.array([0.1, 0.2, 0.3]), 0.25, (9, 9, 9))
    rng = np.random.default_rng(5)
    for _ in range(20):
        corners = rng.normal(size=(7, 3, 3)) * 3
        found = lattice_around(fixed, corners)
        steps = (found.origin - fixed.origin) / fixed.pitch
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
        places = found.to_cells(corners)
        assert (places.min((0, 1)) >= 1).all()
        assert (places.max((0, 1)) <= np.array(found.shape) - 1).all()
        assert (places.min((0, 1)) < 2).all()


def test_the_same_pose_gives_the_same_arrays() -> None:
    mesh = two_coloured()
    actor = cast(mesh, SETTINGS)
    one, other = (voxel_frame(actor, mesh.vertices * 1.07) for _ in range(2))
    np.testing.assert_array_equal(one.quads.vertices, other.quads.vertices)
    np.testing.assert_array_equal(one.colour, other.colour)
