# SPDX-License-Identifier: GPL-3.0-or-later
"""The latent texture behind six views against vectors recorded from the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.common.bake.mesh import UvMesh
from models.step1x3d.texture.coverage import find_coverage
from models.step1x3d.texture.mesh_preparation import PreparedMesh
from models.step1x3d.texture.nearest import nearest_known
from models.step1x3d.texture.scheduler import ShiftedDDPM
from models.step1x3d.texture.synchronize import Coverage, cover, paint_texture, show_texture

SYNC_ATOL = 1e-5


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "step1x3d_texture"


def largest_difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).detach().abs().max())


def relative_difference(found: Tensor, expected: np.ndarray) -> float:
    return float(np.abs(found.numpy() - expected).max() / np.abs(expected).max())


def coverage_of(vectors: dict[str, np.ndarray]) -> Coverage:
    face = vectors["pix_to_face"].astype(np.int64)
    corners = vectors["uv"][vectors["uv_faces"].astype(np.int64)][np.maximum(face, 0)]
    uv = np.einsum("vhwc,vhwcd->vhwd", vectors["bary"], corners).astype(np.float32)
    tensors = (face >= 0, uv, vectors["cos_view"], vectors["visible_triangles"])
    return cover(*(torch.from_numpy(item) for item in tensors))


@pytest.mark.shared
def test_synchronisation_is_that_of_the_reference(golden: Path) -> None:
    vectors = dict(np.load(golden / "texture_sync.npz"))
    coverage, side = coverage_of(vectors), vectors["cos_map"].shape[1]
    for view in range(6):
        hits = torch.bincount(coverage.texels[view], minlength=side**2).view(side, side)
        assert np.array_equal(hits.numpy(), vectors["hit_count"][view])
    assert largest_difference(coverage.cosines.view(6, side, side), torch.from_numpy(vectors["cos_map"])) < SYNC_ATOL
    views, texture = torch.from_numpy(vectors["bake_in"]), torch.from_numpy(vectors["noise_texture"])
    for exponent, name in ((0.36, "baked_exp036"), (0.0, "baked_exp0")):
        painted = paint_texture(coverage, views, exponent)
        assert largest_difference(painted, torch.from_numpy(vectors[name])) < SYNC_ATOL
    mask = torch.from_numpy(vectors["noise_views"][:, 4:])
    assert torch.equal(coverage.mask(), mask)
    shown = show_texture(coverage, texture)
    assert largest_difference(shown, torch.from_numpy(vectors["noise_views"][:, :4]) * mask) < SYNC_ATOL


@pytest.mark.shared
def test_a_synchronised_step_is_that_of_the_reference(golden: Path) -> None:
    vectors, ddpm = dict(np.load(golden / "texture_sync.npz")), ShiftedDDPM()
    coverage, t = coverage_of(vectors), int(vectors["step_t"])
    names = ("bake_in", "noise_texture", "step_eps", "step_noise")
    views, texture, eps, noise = (torch.from_numpy(vectors[name]) for name in names)
    clean = ddpm.clean(eps, t, views)
    assert relative_difference(clean, vectors["pred_x0_views"]) < SYNC_ATOL
    shared = paint_texture(coverage, clean, float(vectors["step_exp"]))
    stepped = ddpm.step(shared, texture, noise, ddpm.weights(t, t - ddpm.stride(50)))
    assert largest_difference(stepped, torch.from_numpy(vectors["prev_tex"])) < SYNC_ATOL
    mask = coverage.mask()
    expected = torch.from_numpy(vectors["prev_sample"]) * mask
    assert largest_difference(show_texture(coverage, stepped), expected) < SYNC_ATOL


def test_every_texel_takes_a_near_known_one() -> None:
    generator = torch.Generator().manual_seed(3)
    known = torch.rand(48, 48, generator=generator) < 0.03
    source = nearest_known(known)
    assert known.flatten()[source].all()
    places = torch.stack(torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij"), -1).view(-1, 2).float()
    exact = torch.cdist(places, places[known.flatten()]).min(1).values
    found = (places - places[source]).norm(dim=1)
    assert (found >= exact - 1e-5).all()
    assert ((found - exact) < 1e-5).float().mean() > 0.97  # jump flooding misses a few


def test_nothing_known_stays_as_it_is() -> None:
    assert torch.equal(nearest_known(torch.zeros(4, 4, dtype=torch.bool)), torch.arange(16))


def test_a_view_that_sees_nothing_gives_nothing() -> None:
    covered = torch.zeros(6, 4, 4, dtype=torch.bool)
    covered[0] = True
    uv = torch.rand(6, 4, 4, 2, generator=torch.Generator().manual_seed(0))
    visible = torch.zeros(6, 16, 16, dtype=torch.bool)
    visible[0] = True
    coverage = cover(covered, uv, torch.ones(6, 4, 4), visible)
    views = torch.full((6, 1, 4, 4), 5.0)
    views[0] = 2.0
    assert torch.allclose(paint_texture(coverage, views, 1.0), torch.full((1, 16, 16), 2.0))


@pytest.mark.shared
def test_what_views_see_of_a_texture_is_what_the_reference_finds(golden: Path) -> None:
    vectors = dict(np.load(golden / "texture_sync.npz"))
    vertices, faces = vectors["vertices"], vectors["faces"].astype(np.int32)
    uv = vectors["uv"][vectors["uv_faces"].astype(np.int64)].astype(np.float32)
    mesh = PreparedMesh(vertices, faces, uv, UvMesh(vertices, faces, uv))
    size, side = vectors["cos_view"].shape[1], vectors["cos_map"].shape[1]
    found, expected = find_coverage(mesh, size, side), coverage_of(vectors)
    assert torch.equal(found.mask(), expected.mask())
    assert torch.equal(found.visible, expected.visible)
    assert all(torch.equal(*pair) for pair in zip(found.pixels, expected.pixels, strict=True))
    moved = [float((a != b).float().mean()) for a, b in zip(found.texels, expected.texels, strict=True)]
    assert max(moved) < 0.01  # a texel's border may fall to either side
    same = [view for view, share in enumerate(moved) if share == 0]
    assert same and largest_difference(found.cosines[same], expected.cosines[same]) < SYNC_ATOL
