# SPDX-License-Identifier: GPL-3.0-or-later
"""From a field to the finished mesh: closed, within its budget, true to the shape, with its story told."""

from __future__ import annotations

import numpy as np
import psutil
import pytest
import torch
import trimesh

from models.step1x3d.geometry import decimation, mesh_cleanup, surface
from models.step1x3d.geometry.mesh_cleanup import Triangles, decimate, open_edges
from models.step1x3d.geometry.surface import Surface, SurfaceError, SurfaceOptions, extract
from tests.parity.analytic_fields import SHAPES, Field, box, ring_and_ball, sphere, waves

SMALL = SurfaceOptions(resolution=64, most_faces=3000)


def as_trimesh(found: Surface) -> trimesh.Trimesh:
    return trimesh.Trimesh(found.vertices, found.faces, process=False)


@pytest.mark.parametrize("name", SHAPES)
def test_the_mesh_is_closed_and_outward_by_another_judge(name: str) -> None:
    found = extract(SHAPES[name], SMALL)
    judged = as_trimesh(found)
    assert found.is_watertight and judged.is_watertight and judged.is_winding_consistent
    assert judged.volume > 0
    assert found.vertices.dtype == np.float32 and found.faces.dtype == np.int32
    assert np.isfinite(found.vertices).all()


@pytest.mark.parametrize(("most_faces", "change"), [(20_000, 0.001), (1000, 0.02), (100, 0.2)])
def test_the_budget_is_kept_and_the_shape_with_it(most_faces: int, change: float) -> None:
    found = extract(ring_and_ball, SurfaceOptions(resolution=128, most_faces=most_faces))
    full = as_trimesh(extract(ring_and_ball, SurfaceOptions(resolution=128)))
    reduced = as_trimesh(found)
    assert most_faces * 0.99 <= len(found.faces) <= most_faces
    assert reduced.is_watertight
    assert reduced.volume == pytest.approx(full.volume, rel=change)
    assert f"from {len(full.faces):,} to {len(found.faces):,} faces" in " ".join(found.notes)


def test_flat_faces_stay_flat_and_corners_stay() -> None:
    found = extract(box, SurfaceOptions(resolution=64, most_faces=200))
    low, high = found.vertices.min(axis=0), found.vertices.max(axis=0)
    assert np.abs(high - 1.05 * np.array([0.5, 0.625, 0.25])).max() < 0.005
    assert np.abs(high + low).max() < 0.005


def test_a_mesh_within_its_budget_is_left_as_it_is() -> None:
    found = extract(sphere, SurfaceOptions(resolution=64))
    assert found.notes == ()


def test_loose_specks_are_dropped_and_told() -> None:
    def with_speck(points: torch.Tensor) -> torch.Tensor:
        speck = 0.012 - (points - 0.95).norm(dim=1)
        return torch.maximum(sphere(points), (speck / 0.04).clamp(-1, 1))

    found = extract(with_speck, SurfaceOptions(resolution=128))
    assert np.linalg.norm(found.vertices, axis=1).max() < 0.9
    assert found.notes == ("Removed 1 loose speck beside the shape.",)


def test_a_shape_that_reaches_the_wall_is_told() -> None:
    found = extract(waves, SurfaceOptions(resolution=32))
    assert "closed flat there" in found.notes[0]


def test_the_published_way_gives_the_same_shape_in_its_own_place() -> None:
    ours = extract(ring_and_ball, SurfaceOptions(resolution=64))
    theirs = extract(ring_and_ball, SurfaceOptions(resolution=64, is_published=True))
    assert theirs.is_watertight and len(theirs.faces) == len(ours.faces)
    expected = (ours.vertices.min(axis=0) + 1.05) * 64 / 65 - 1.05
    assert np.allclose(theirs.vertices.min(axis=0), expected, atol=1e-6)
    assert sum(theirs.queries) > 0


def test_a_surface_that_stays_open_is_told() -> None:
    found = extract(waves, SurfaceOptions(resolution=64, is_published=True))
    assert not found.is_watertight
    assert "not closed" in found.notes[-1]


@pytest.mark.parametrize("is_published", [False, True])
@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_a_field_without_a_surface_is_one_error(value: float, is_published: bool) -> None:
    with pytest.raises(SurfaceError):
        extract(lambda points: torch.full((len(points),), value), SurfaceOptions(64, is_published=is_published))


@pytest.mark.parametrize("stop_at", [0.0, 0.4, surface.SAMPLED, surface.MARCHED])
def test_the_work_stops_where_it_is_told_to(stop_at: float) -> None:
    def stop(share: float) -> None:
        if share >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(sphere, SurfaceOptions(64, chunk_points=10_000), stop)


def test_progress_only_grows_and_ends_at_one() -> None:
    shares: list[float] = []
    extract(ring_and_ball, SurfaceOptions(128, chunk_points=20_000), shares.append)
    assert shares == sorted(shares) and len(shares) > 10
    assert shares[0] == 0.0 and shares[-1] == 1.0


def test_the_same_field_gives_the_same_mesh() -> None:
    first, second = extract(ring_and_ball, SMALL), extract(ring_and_ball, SMALL)
    assert np.array_equal(first.vertices, second.vertices) and np.array_equal(first.faces, second.faces)


@pytest.mark.parametrize("field", [ring_and_ball, sphere])
def test_a_hole_or_a_turned_face_is_counted(field: Field) -> None:
    found = extract(field, SMALL)
    holed = Triangles(found.vertices, found.faces[1:])
    assert open_edges(holed) == 3
    turned = found.faces.copy()
    turned[0] = turned[0, ::-1]
    assert open_edges(Triangles(found.vertices, turned)) == 3


def test_a_part_of_four_faces_survives_the_hardest_reduction() -> None:
    found = extract(ring_and_ball, SurfaceOptions(resolution=64))
    least = decimate(Triangles(found.vertices, found.faces), 4)
    assert open_edges(least) == 0 and 4 <= len(least.faces) < 100


def test_a_collapse_that_tears_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def tear(vertices: np.ndarray, faces: np.ndarray, most: int) -> tuple[np.ndarray, ...]:
        return vertices, faces[:most], faces, faces

    monkeypatch.setattr(decimation.igl, "qslim", tear)
    found = extract(ring_and_ball, SMALL)
    assert not found.is_watertight and "not closed" in found.notes[-1]


def test_a_large_mesh_is_reduced_apart_to_the_same_and_looks_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = extract(ring_and_ball, SurfaceOptions(resolution=64))
    mesh, looks = Triangles(whole.vertices, whole.faces), []
    here = decimate(mesh, 500)
    monkeypatch.setattr(mesh_cleanup, "COLLAPSED_HERE", 0)
    apart = decimate(mesh, 500, lambda: looks.append(1))
    assert np.array_equal(here.vertices, apart.vertices) and np.array_equal(here.faces, apart.faces)
    assert (apart.vertices.dtype, apart.faces.dtype) == (np.float32, np.int32) and looks


def test_a_large_reduction_that_is_cancelled_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_cleanup, "COLLAPSED_HERE", 0)
    before = {child.pid for child in psutil.Process().children()}

    def stop(share: float) -> None:
        if share > 0.82 and {child.pid for child in psutil.Process().children()} - before:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(ring_and_ball, SurfaceOptions(64, most_faces=500), stop)
    assert {child.pid for child in psutil.Process().children()} == before


def test_a_reduction_that_fails_apart_says_how() -> None:
    with pytest.raises(MemoryError, match="ended with code 1"):
        decimation.collapse_edges_apart(np.zeros((3, 3), np.float32), np.zeros(4, np.int32), 1, lambda: None)
