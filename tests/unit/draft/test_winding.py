# SPDX-License-Identifier: GPL-3.0-or-later
"""Winding numbers of a grid's cells, beside those of libigl and those that are plain to see."""

from __future__ import annotations

import igl
import numpy as np
import pytest
import trimesh

from models.draft import winding
from models.draft.winding import is_closed, wind_cells

SHAPE = (24, 20, 22)


def cell_centres() -> np.ndarray:
    return np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1).reshape(-1, 3).astype(float)


def box(low: tuple[int, int, int], high: tuple[int, int, int]) -> trimesh.Trimesh:
    return trimesh.creation.box(bounds=[low, high])


def test_cells_between_whole_coordinates_are_counted_once() -> None:
    """The sides lie on the lines of the grid: the cells on the low ones, or those on the high ones, not both."""
    shape = box((4, 5, 6), (10, 11, 13))
    found = wind_cells(shape.vertices, shape.faces, SHAPE)
    assert np.isin(found, (0, 1)).all()
    assert (found[4:10, 5:11, 6:13] == 1).all()
    assert found.sum() == 6 * 6 * 7


@pytest.mark.parametrize("seed", range(4))
def test_a_crumpled_ball_is_wound_as_by_libigl(seed: int) -> None:
    random = np.random.default_rng(seed)
    ball = trimesh.creation.icosphere(subdivisions=3)
    points = ball.vertices * random.uniform(3, 9, (len(ball.vertices), 1)) + np.array(SHAPE) / 2
    found = wind_cells(points, ball.faces, SHAPE)
    exact = igl.winding_number(points, np.asarray(ball.faces, np.int64), cell_centres()).reshape(SHAPE)
    assert (found == np.rint(exact)).all()


def test_overlapping_parts_add_up_and_a_turned_one_takes_away() -> None:
    outer, inner = box((2, 2, 2), (17, 17, 17)), box((5, 5, 5), (12, 12, 12))
    both = trimesh.util.concatenate([outer, inner])
    assert wind_cells(both.vertices, both.faces, SHAPE)[8, 8, 8] == 2
    inner.invert()
    hollow = trimesh.util.concatenate([outer, inner])
    found = wind_cells(hollow.vertices, hollow.faces, SHAPE)
    assert found[8, 8, 8] == 0
    assert found[3, 8, 8] == found[8, 8, 14] == 1
    assert found[20, 8, 8] == 0


def test_parts_of_the_work_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=8.3)
    points = ball.vertices + 10.0
    whole = wind_cells(points, ball.faces, SHAPE)
    monkeypatch.setattr(winding, "COLUMNS_AT_ONCE", 100)
    assert (wind_cells(points, ball.faces, SHAPE) == whole).all()


def test_a_mesh_that_reaches_beyond_the_grid_is_cut_off() -> None:
    shape = box((-9, -9, -9), (40, 40, 9))
    found = wind_cells(shape.vertices, shape.faces, SHAPE)
    assert (found[:, :, :9] == 1).all() and (found[:, :, 10:] == 0).all()


def test_what_is_closed() -> None:
    ball = trimesh.creation.icosphere(subdivisions=2)
    faces = np.asarray(ball.faces)
    assert is_closed(faces)
    assert is_closed(np.concatenate([faces, faces]))
    assert not is_closed(faces[1:])
    turned = faces.copy()
    turned[0] = turned[0, ::-1]
    assert not is_closed(turned)
