# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure made in a thread: the same one, watched, given up, or with the reason why there is none."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from blender_addon.voxel.errors import MeshUnusable
from blender_addon.voxel.figure_mesh import FigureLook
from blender_addon.voxel.mesh import SurfaceMesh
from blender_addon.voxel.voxelize import VoxelSettings
from blender_addon.voxel.work import FigureOrder, FigureWork, make
from tests.unit.voxel.shapes import sphere

TIMEOUT_s = 60


def order(mesh: SurfaceMesh, size: int) -> FigureOrder:
    return FigureOrder(mesh, None, VoxelSettings(size), FigureLook())


def test_it_is_the_figure_that_is_made_at_once() -> None:
    shares: list[float] = []
    wanted = make(order(sphere(), 16), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    work = FigureWork(order(sphere(), 16))
    assert work.is_done(TIMEOUT_s)
    assert work.share == 1
    np.testing.assert_array_equal(work.result().mesh.quads.vertices, wanted.mesh.quads.vertices)
    np.testing.assert_array_equal(work.result().mesh.quads.quads, wanted.mesh.quads.quads)
    np.testing.assert_array_equal(work.result().mesh.colour, wanted.mesh.colour)


def test_what_goes_wrong_is_raised_where_the_result_is_asked_for() -> None:
    work = FigureWork(order(SurfaceMesh(np.zeros((0, 3)), np.zeros((0, 3), int)), 16))
    assert work.is_done(TIMEOUT_s)
    with pytest.raises(MeshUnusable, match="it has no faces"):
        work.result()


def test_one_that_is_given_up_ends_without_a_result() -> None:
    work = FigureWork(order(sphere(), 128))
    work.give_up()
    assert work.is_done(TIMEOUT_s)
    assert work.share < 1
    assert not any(thread.name == "figurine-voxels" for thread in threading.enumerate())
