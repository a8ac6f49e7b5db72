# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a surface through finer grids: the dense grid's mesh for few of its samples, closed, whatever the field."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from models.common import isosurface, marching
from models.common.isosurface import Cube, EmptyField, FieldNotFinite, Sampler, sample_surface
from models.common.marching import Extracted, march
from tests.parity.analytic_fields import HALF_SIDE, SHAPES, Field, plate, ring_and_ball, specks, sphere, steps, waves

RESOLUTION = 128
MOST_OF_DENSE = 0.05


def sampler(field: Field) -> Sampler:
    return Sampler(field, HALF_SIDE, 1 << 16)


def followed(field: Field, resolution: int = RESOLUTION) -> Extracted:
    cube = Cube(HALF_SIDE, resolution)
    return march(sample_surface(sampler(field), cube).values, cube)


@functools.cache
def dense(field: Field, resolution: int = RESOLUTION) -> Extracted:
    return march(sampler(field).ask_all(resolution), Cube(HALF_SIDE, resolution))


def are_same(one: Extracted, other: Extracted) -> bool:
    return np.array_equal(one.vertices, other.vertices) and np.array_equal(one.faces, other.faces)


def edge_counts(faces: np.ndarray) -> np.ndarray:
    """How many faces have each edge."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


@pytest.mark.parametrize("name", SHAPES)
def test_the_mesh_is_the_dense_grid_s(name: str) -> None:
    assert are_same(followed(SHAPES[name]), dense(SHAPES[name]))


@pytest.mark.full
@pytest.mark.parametrize("field", [ring_and_ball, sphere])
@pytest.mark.parametrize("resolution", [256, 384])
def test_the_mesh_is_the_dense_grid_s_at_the_artist_s_resolutions(field: Field, resolution: int) -> None:
    assert are_same(followed(field, resolution), dense(field, resolution))


@pytest.mark.parametrize("field", [ring_and_ball, sphere])
def test_at_384_a_twentieth_of_the_dense_grid_s_samples_is_enough(field: Field) -> None:
    asked = 0

    def counted(points: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += len(points)
        return field(points)

    volume = sample_surface(sampler(counted), Cube(HALF_SIDE, 384))
    assert asked == sum(volume.queries)
    assert asked < MOST_OF_DENSE * 385**3


@pytest.mark.parametrize("name", SHAPES)
def test_every_edge_has_two_faces_and_every_face_an_area(name: str) -> None:
    mesh = followed(SHAPES[name], 64)
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(float) for corner in range(3))
    assert (edge_counts(mesh.faces) == 2).all()
    assert (np.linalg.norm(np.cross(b - a, c - a), axis=1) > 0).all()
    assert (a * np.cross(b, c)).sum() > 0  # outward


def test_places_are_the_shape_s_own() -> None:
    distance = np.linalg.norm(followed(sphere).vertices - [0.03, -0.02, 0.01], axis=1)
    assert np.abs(distance - 0.8).max() < 1e-3


def test_a_shape_that_reaches_the_wall_is_closed_there_and_told() -> None:
    mesh = followed(waves)
    assert mesh.is_cut and not followed(sphere).is_cut
    assert np.abs(mesh.vertices).max() == pytest.approx(HALF_SIDE + HALF_SIDE / RESOLUTION)


def test_another_level_is_a_smaller_or_larger_shape() -> None:
    cube = Cube(HALF_SIDE, 64)
    mesh = march(sample_surface(sampler(sphere), cube, 0.5).values, cube, 0.5)
    distance = np.linalg.norm(mesh.vertices - [0.03, -0.02, 0.01], axis=1)
    assert np.abs(distance - 0.78).max() < 4e-3
    assert (edge_counts(mesh.faces) == 2).all()


def no_dips(values: np.ndarray, known: np.ndarray, level: float) -> np.ndarray:
    return np.zeros(values.shape, bool)


def not_followed(*given: object) -> int:
    return 0


def test_specks_between_samples_are_seen_by_the_dip_that_they_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isosurface, "_dips", no_dips)
    assert len(followed(specks).faces) < len(dense(specks).faces)


def test_what_no_coarse_grid_saw_is_reached_by_following(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isosurface, "_follow", not_followed)
    assert not are_same(followed(plate), dense(plate))


def test_samples_on_the_level_would_tear_the_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marching, "CLEARANCE", 0.0)
    assert not (edge_counts(followed(steps, 64).faces) == 2).all()


@pytest.mark.parametrize(("value", "where"), [(-1.0, "outside"), (1.0, "inside"), (0.0, "outside")])
def test_a_field_without_a_surface_is_refused(value: float, where: str) -> None:
    with pytest.raises(EmptyField, match=f"no surface.*{where}"):
        followed(lambda points: torch.full((len(points),), value), 64)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("is_fine", [False, True])
def test_a_field_that_overflowed_is_refused(value: float, is_fine: bool) -> None:
    """is_fine: only samples between those of the first grid are lost."""

    def broken(points: torch.Tensor) -> torch.Tensor:
        cells = (points + HALF_SIDE) * 64 / (2 * HALF_SIDE)
        lost = ((cells - cells.round()).abs().amax(dim=1) > 0.1) if is_fine else points[:, 0] > 0.5
        return torch.where(lost, value, sphere(points))

    with pytest.raises(FieldNotFinite, match=r"not a number at [1-9]"):
        followed(broken)


def test_the_work_can_be_stopped_before_every_chunk() -> None:
    shares: list[float] = []

    def stop_at_fifth(share: float) -> None:
        shares.append(share)
        if len(shares) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_surface(Sampler(sphere, HALF_SIDE, 10_000, stop_at_fifth), Cube(HALF_SIDE, 64))
    assert shares == sorted(shares) and 0 <= shares[0] < shares[-1] < 1


def test_chunks_do_not_change_the_mesh_and_are_kept_to() -> None:
    sizes: list[int] = []

    def noted(points: torch.Tensor) -> torch.Tensor:
        sizes.append(len(points))
        return ring_and_ball(points)

    cube = Cube(HALF_SIDE, RESOLUTION)
    volume = sample_surface(Sampler(noted, HALF_SIDE, 777), cube)
    assert max(sizes) == 777
    assert are_same(march(volume.values, cube), dense(ring_and_ball))


def test_half_precision_answers_are_taken() -> None:
    mesh = followed(lambda points: sphere(points).half(), 64)
    assert mesh.vertices.dtype == np.float32 and (edge_counts(mesh.faces) == 2).all()


@pytest.mark.parametrize(
    ("resolution", "sides"),
    [(512, (64, 128, 256, 512)), (384, (96, 192, 384)), (256, (64, 128, 256)), (125, (125,)), (24, (24,))],
)
def test_grids_of_a_resolution(resolution: int, sides: tuple[int, ...]) -> None:
    assert Cube(HALF_SIDE, resolution).levels() == sides


def test_a_resolution_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(ValueError, match="385 cannot be halved often enough"):
        Cube(HALF_SIDE, 385).levels()


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("layers", [1, 7])
def test_slabs_give_the_mesh_that_the_whole_grid_gives(name: str, layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cube = Cube(HALF_SIDE, 48)
    values = sampler(SHAPES[name]).ask_all(48)
    monkeypatch.setattr(marching, "SLAB_SAMPLES", values.size * 2)
    whole = march(values, cube)
    told: list[float] = []
    monkeypatch.setattr(marching, "SLAB_SAMPLES", layers * 51**2)
    slabs = march(values, cube, on_progress=told.append)
    assert told == sorted(told) and len(told) >= 48 // layers and told[0] == 0 and told[-1] < 1
    assert np.array_equal(slabs.faces, whole.faces) and slabs.is_cut == whole.is_cut
    assert np.array_equal(slabs.vertices[:, 1:], whole.vertices[:, 1:])
    # Along the slabs, places are counted from nearer by: the whole grid's are rounded to a larger number's last bit.
    assert np.abs(slabs.vertices - whole.vertices).max() <= 2 * np.finfo(np.float32).eps


def test_marching_ends_between_two_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marching, "SLAB_SAMPLES", 33**2)
    told: list[float] = []

    def stop(share: float) -> None:
        told.append(share)
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        march(sampler(sphere).ask_all(32), Cube(HALF_SIDE, 32), on_progress=stop)
    assert len(told) == 18
