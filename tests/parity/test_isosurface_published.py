# SPDX-License-Identifier: GPL-3.0-or-later
"""The official pipeline's grid, surface and clean-up: against vectors recorded from it, and against ones of our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.common.isosurface import Cube, EmptyField, Sampler, Volume
from models.step1x3d.geometry import published_volume
from models.step1x3d.geometry.mesh_cleanup import Triangles, drop_floaters, drop_undefined, open_edges
from models.step1x3d.geometry.published_volume import crosses_near, march_published, published_levels, sample_published
from models.step1x3d.geometry.vae import ShapeVae
from tests.parity.analytic_fields import HALF_SIDE, Field, ring_and_ball, sphere, waves

FIELD_ATOL = 1e-5
PLACE_ATOL = 1e-6
OWN_VECTORS = Path(__file__).parents[1] / "golden" / "isosurface.npz"
OWN_SIDES = (8, 16, 32)


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "step1x3d_geometry"


def sampled(field: Field, sides: tuple[int, ...]) -> Volume:
    return sample_published(Sampler(field, HALF_SIDE, 1 << 16), sides)


def area_and_volume(mesh: Triangles) -> tuple[float, float]:
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(float) for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2), float((a * np.cross(b, c)).sum() / 6)


def largest_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Where both are numbers; infinite where only one is."""
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return np.inf
    return float(np.nanmax(np.abs(found - expected)))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "field", "coarsest"),
    [("marching_cubes", ring_and_ball, 7), ("marching_cubes_nan_interior", sphere, 9)],
)
def test_the_grid_is_the_reference_s(golden: Path, name: str, field: Field, coarsest: int) -> None:
    vectors = np.load(golden / f"{name}.npz")
    sides = published_levels(int(vectors["octree_resolution"]), coarsest)
    assert sides == tuple(vectors["hier_levels"])
    volume = sampled(field, sides)
    assert volume.queries == tuple(vectors["hier_queries_per_level"])
    assert largest_difference(volume.values, vectors["hier_grid"][0]) < FIELD_ATOL


@pytest.mark.shared
@pytest.mark.parametrize("suffix", ["", "_invalid"])
def test_the_mask_near_the_surface_is_the_reference_s(golden: Path, suffix: str) -> None:
    vectors = np.load(golden / "marching_cubes.npz")
    mask = crosses_near(vectors["nearsurf_in" + suffix])
    assert np.array_equal(mask, vectors["nearsurf_mask" + suffix])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "grid", "prefix"),
    [
        ("marching_cubes", "hier_grid", "hier_"),
        ("marching_cubes", "dense_grid", "dense_"),
        ("marching_cubes_nan_interior", "hier_grid", "raw_"),
        ("end_to_end_mesh", "grid_logits", ""),
    ],
)
def test_the_surface_is_the_reference_s(golden: Path, name: str, grid: str, prefix: str) -> None:
    vectors = np.load(golden / f"{name}.npz")
    cube = Cube(float(vectors["bounds"]), int(vectors["octree_resolution"]))
    vertices, faces = march_published(vectors[grid][0], cube)
    assert np.array_equal(faces, vectors[f"{prefix}faces"]) and faces.dtype == np.int32
    assert largest_difference(vertices, vectors[f"{prefix}verts"]) < PLACE_ATOL


@pytest.mark.shared
def test_the_network_s_field_gives_the_reference_s_mesh(golden: Path, reference_vae: ShapeVae) -> None:
    vectors = np.load(golden / "end_to_end_mesh.npz")
    shape = reference_vae.decode(torch.from_numpy(vectors["final_latents"]))
    values = Sampler(shape.query, HALF_SIDE, 1000).ask_all(24)
    assert largest_difference(values, vectors["grid_logits"][0]) < FIELD_ATOL
    vertices, faces = march_published(values, Cube(HALF_SIDE, 24))
    assert np.array_equal(faces, vectors["faces"])
    assert largest_difference(vertices, vectors["verts"]) < FIELD_ATOL


@pytest.fixture(scope="module")
def reference_vae(golden: Path) -> ShapeVae:
    from models.common.checkpoint import load_strictly, read_tensors
    from models.step1x3d.geometry.config import VaeConfig, read_config

    network = ShapeVae(read_config(VaeConfig, json.loads((golden / "vae.json").read_text()), "vae.json")).eval()
    load_strictly(network, read_tensors(golden / "vae.safetensors"), "vae")
    return network


@pytest.mark.shared
def test_triangles_that_miss_a_corner_are_dropped_and_the_rest_is_closed(golden: Path) -> None:
    vectors = np.load(golden / "marching_cubes_nan_interior.npz")
    mesh = drop_undefined(Triangles(vectors["raw_verts"], vectors["raw_faces"]))
    assert (len(mesh.vertices), len(mesh.faces)) == (vectors["clean_n_verts"], vectors["clean_n_faces"])
    area, volume = area_and_volume(mesh)
    assert area == pytest.approx(float(vectors["clean_area"]), rel=1e-6)
    assert volume == pytest.approx(float(vectors["clean_signed_volume"]), rel=1e-6)
    assert open_edges(mesh) == 0


@pytest.mark.shared
@pytest.mark.parametrize("resolution", [128, 256, pytest.param(384, marks=pytest.mark.full)])
def test_the_artist_s_resolutions_give_the_reference_s_numbers(golden: Path, resolution: int) -> None:
    stats = json.loads((golden / "marching_cubes_default_resolution_stats.json").read_text())[str(resolution)]
    volume = sampled(ring_and_ball, published_levels(resolution))
    vertices, faces = march_published(volume.values, Cube(HALF_SIDE, resolution))
    lost = np.isnan(vertices).any(axis=1)
    assert list(volume.queries) == stats["queries_per_level"]
    assert int(np.isnan(volume.values).sum()) == stats["nan_voxels"]
    assert (len(vertices), len(faces), int(lost.sum())) == (stats["n_verts"], stats["n_faces"], stats["nan_verts"])
    assert np.allclose(vertices[~lost].min(axis=0), stats["bbox_min"], rtol=0, atol=1e-5)
    assert np.allclose(vertices[~lost].max(axis=0), stats["bbox_max"], rtol=0, atol=1e-5)
    clean = stats["after_nan_removal_and_merge"]
    if clean is not None:
        mesh = drop_undefined(Triangles(vertices, faces))
        area, volume_inside = area_and_volume(mesh)
        assert (len(mesh.vertices), len(mesh.faces)) == (clean["n_verts"], clean["n_faces"])
        assert (open_edges(mesh) == 0) is clean["watertight"]
        assert (round(area, 4), round(volume_inside, 5)) == (clean["area"], clean["signed_volume"])


def balls(face_counts: list[int]) -> Triangles:
    """Strips of so many triangles each, apart from each other."""
    vertices, faces = [], []
    for place, count in enumerate(face_counts):
        start = sum(len(strip) for strip in vertices)
        rows = np.arange(count + 2)
        vertices.append(np.stack([rows // 2, rows % 2, np.full(count + 2, place)], axis=1).astype(np.float32))
        faces.append(start + np.stack([rows[:-2], rows[1:-1], rows[2:]], axis=1))
    return Triangles(np.concatenate(vertices), np.concatenate(faces).astype(np.int32))


@pytest.mark.shared
def test_floaters_are_those_of_the_reference(golden: Path) -> None:
    cases = json.loads((golden / "postprocess_cases.json").read_text())["floater_removal"]["cases"]
    assert len(cases) == 2
    for case in cases:
        kept, dropped = drop_floaters(balls(case["component_face_counts"]))
        assert dropped == len(case["removed"])
        assert len(kept.faces) == sum(case["component_face_counts"]) - sum(case["removed"])


@pytest.mark.parametrize(
    ("face_counts", "dropped"), [([5000, 4], 1), ([5000, 5], 0), ([999, 1], 0), ([3000, 3000, 2, 2, 3], 2)]
)
def test_floaters_have_fewer_faces_than_a_thousandth_of_the_largest_part(face_counts: list[int], dropped: int) -> None:
    kept, found = drop_floaters(balls(face_counts))
    assert found == dropped
    assert kept.faces.max() + 1 == len(kept.vertices) == len(np.unique(kept.faces))


def soft_egg(points: torch.Tensor) -> torch.Tensor:
    """An egg whose field is truncated far from its surface, so that the band is wider than a coarse cell."""
    stretched = (points - torch.tensor([0.05, 0.02, -0.1])) * torch.tensor([1.0, 1.4, 0.8])
    return ((0.55 - stretched.norm(dim=1)) / 0.3).clamp(-1, 1)


def compute() -> dict[str, np.ndarray]:
    """The small grid of an egg, and its surface as it comes out of it."""
    volume = sampled(soft_egg, OWN_SIDES)
    vertices, faces = march_published(volume.values, Cube(HALF_SIDE, OWN_SIDES[-1]))
    return {
        "queries": np.array(volume.queries),
        "asked": np.packbits(~np.isnan(volume.values)),
        "vertices": vertices,
        "faces": faces,
    }


def is_as_recorded() -> bool:
    found = compute()
    with np.load(OWN_VECTORS) as expected:
        exact = all(np.array_equal(found[name], expected[name]) for name in ("queries", "asked", "faces"))
        return exact and largest_difference(found["vertices"], expected["vertices"]) < PLACE_ATOL


def test_our_own_vectors() -> None:
    assert is_as_recorded()


def less_dilated(mask: np.ndarray) -> np.ndarray:
    wider = mask.copy()
    wider[1:] |= mask[:-1]
    wider[:-1] |= mask[1:]
    return wider


def flipped_faces(values: np.ndarray, *given: Any, **named: Any) -> tuple[np.ndarray, ...]:
    from skimage.measure import marching_cubes

    vertices, faces, normals, found = marching_cubes(values, *given, **named)
    return vertices, faces[:, ::-1], normals, found


def axes_swapped(values: np.ndarray, *given: Any, **named: Any) -> tuple[np.ndarray, ...]:
    from skimage.measure import marching_cubes

    vertices, *rest = marching_cubes(values, *given, **named)
    return vertices[:, ::-1], *rest


@pytest.mark.parametrize(
    ("name", "flipped"),
    [
        ("NEAR_SURFACE", 0.9),
        ("dilated", less_dilated),
        ("crosses_near", lambda values, level: np.zeros(values.shape, bool)),
        ("marching_cubes", flipped_faces),
        ("marching_cubes", axes_swapped),
    ],
)
def test_one_flipped_detail_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, flipped: Any) -> None:
    monkeypatch.setattr(published_volume, name, flipped)
    assert not is_as_recorded()


@pytest.mark.parametrize(
    "misplaced",
    [
        lambda cube: Cube(cube.half_side, cube.resolution - 1),  # divided by R, not by R + 1
        lambda cube: Cube(1.0, cube.resolution),
    ],
)
def test_another_place_is_noticed(misplaced: Callable[[Cube], Cube]) -> None:
    volume = sampled(soft_egg, OWN_SIDES)
    vertices, _ = march_published(volume.values, misplaced(Cube(HALF_SIDE, OWN_SIDES[-1])))
    with np.load(OWN_VECTORS) as expected:
        assert largest_difference(vertices, expected["vertices"]) > 10 * PLACE_ATOL


def test_a_field_without_a_surface_is_refused() -> None:
    with pytest.raises(EmptyField, match="4,913 samples lie on one side"):
        march_published(np.ones((17, 17, 17), np.float32), Cube(HALF_SIDE, 16))


def test_an_open_surface_is_counted() -> None:
    volume = sampled(waves, (16, 32))
    mesh = drop_undefined(Triangles(*march_published(volume.values, Cube(HALF_SIDE, 32))))
    assert open_edges(mesh) > 100
