# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's geometry networks against small vectors of our own, and against one flipped detail at a time.

The vectors were recorded after parity with the reference's was proven: see record.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.common.attention import split_heads
from models.common.farthest_points import farthest_points
from models.step1x3d.geometry import transformer, vae, vae_blocks, vision
from models.step1x3d.geometry.block_cache import BlockCache
from models.step1x3d.geometry.picture import frame_subject
from models.step1x3d.geometry.sampler import Sampling, draw_noise, sample
from tests.parity.step1x3d_tiny import CONDITION_DIM, seeded

VECTORS = Path(__file__).parents[1] / "golden" / "step1x3d_geometry.npz"
ATOL = 1e-5
LABEL = {"symmetry": "x", "geometry_type": ["sharp"]}
SAMPLING = Sampling(steps=4, guidance_scale=3.0)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def compute() -> dict[str, np.ndarray]:
    """Every network once, on inputs made from seeds."""
    picture = np.random.default_rng(3).integers(0, 256, (40, 40, 4), np.uint8)
    picture[:5, :, 3] = 0
    tokens = seeded("visual_encoder", has_labels=True).encode(frame_subject(picture))
    labels = seeded("label_encoder", has_labels=True)([LABEL])
    denoiser = seeded("transformer", has_labels=True)
    conditions = {"visual": tokens, "label": labels}
    noise = draw_noise((1, 16, 8), 11)
    velocity = denoiser(noise, torch.tensor([437.25]), conditions)
    latents = sample(denoiser, noise, conditions, SAMPLING)
    shapes = seeded("vae")
    points = torch.from_numpy(np.random.default_rng(4).uniform(-1, 1, (50, 3)).astype(np.float32))
    surface = torch.from_numpy(np.random.default_rng(5).normal(size=(2, 1, 40, 6)).astype(np.float32) / 2)
    field = shapes.decode(latents).query(points)
    values = {"tokens": tokens[:, ::3], "labels": labels, "velocity": velocity, "latents": latents, "field": field}
    values["mean"] = shapes.encode(surface[0], surface[1]).mean
    return {name: value.numpy() for name, value in values.items()}


def largest_differences() -> dict[str, float]:
    with np.load(VECTORS) as expected:
        return {name: float(np.abs(value - expected[name]).max()) for name, value in compute().items()}


def test_our_own_vectors() -> None:
    found = largest_differences()
    assert set(found) == {"tokens", "labels", "velocity", "latents", "field", "mean"}
    assert max(found.values()) <= ATOL, found


def parts_by_width(x: Tensor, heads: int, parts: int) -> tuple[Tensor, ...]:
    return tuple(split_heads(part, heads) for part in x.chunk(parts, dim=-1))


def heads_transposed(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)


def cosines_first(timestep: Tensor, width: int) -> Tensor:
    return original_waves(timestep, width).roll(width // 2, dims=-1)


original_waves = transformer.time_waves
original_features = vae.fourier_features
original_parts = vae_blocks.head_parts


def frequency_major(points: Tensor, frequencies: Tensor) -> Tensor:
    phases = (points[..., None, :] * frequencies[:, None]).flatten(-2)
    return torch.cat((points, phases.sin(), phases.cos()), dim=-1)


def scale_before_shift(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + shift[:, None]) + scale[:, None]


def coarse_norm(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-5) * (1 + scale[:, None]) + shift[:, None]


def last_point_first(points: Tensor, count: int) -> Tensor:
    return points.shape[1] - 1 - farthest_points(points.flip(1), count)


@pytest.mark.parametrize(
    ("place", "flipped", "changed"),
    [
        ("vae_blocks.head_parts", parts_by_width, "field"),
        ("vae_blocks.split_heads", heads_transposed, "field"),
        ("vae_blocks.LAYER_NORM_EPS", 1e-6, "field"),
        ("vae.fourier_features", frequency_major, "field"),
        ("vae.octaves", lambda count, device=None: torch.pi * 2.0 ** torch.arange(count), "field"),
        ("vae.farthest_points", last_point_first, "mean"),
        ("transformer.split_heads", heads_transposed, "velocity"),
        ("transformer.time_waves", cosines_first, "velocity"),
        ("transformer.time_waves", lambda time, width: original_waves(time / 1000, width), "velocity"),
        ("transformer.modulate", scale_before_shift, "velocity"),
        ("transformer.modulate", coarse_norm, "velocity"),
        ("vision.split_heads", heads_transposed, "tokens"),
        ("vision.QUICK_GELU_SLOPE", 1.6, "tokens"),
        ("vision.DINO_EPS", 1e-4, "tokens"),
        ("sampler.euler_step", lambda x, velocity, change: x - change * velocity, "latents"),
        ("sampler.guide", lambda without, conditioned, scale: conditioned + scale * (without - conditioned), "latents"),
        ("sampler.unconditional", lambda conditions: {k: v + 0.01 for k, v in conditions.items()}, "latents"),
        ("labels.QUALITIES", {"normal": 0, "smooth": 2, "sharp": 1}, "labels"),
    ],
)
def test_one_flipped_detail_is_noticed(
    monkeypatch: pytest.MonkeyPatch, place: str, flipped: object, changed: str
) -> None:
    monkeypatch.setattr(f"models.step1x3d.geometry.{place}", flipped)
    if place == "vae_blocks.LAYER_NORM_EPS":
        monkeypatch.setattr("models.step1x3d.geometry.vae.LAYER_NORM_EPS", flipped)
    assert largest_differences()[changed] > 2 * ATOL


@pytest.mark.parametrize("changed", ["velocity", "field", "tokens"])
def test_another_gelu_is_noticed(monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    exact = F.gelu
    other = {None: "tanh", "none": "tanh", "tanh": "none"}
    monkeypatch.setattr(F, "gelu", lambda x, approximate="none": exact(x, approximate=other[approximate]))
    assert largest_differences()[changed] > 2 * ATOL


def test_the_order_of_the_streams_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention cannot tell an order of tokens; the split after it can."""
    attend = transformer.attend
    monkeypatch.setattr(transformer, "attend", lambda q, k, v: attend(q.roll(3, 2), k, v))
    assert largest_differences()["velocity"] > 2 * ATOL


def with_cache(threshold: float) -> tuple[Tensor, BlockCache]:
    denoiser = seeded("transformer")
    tokens = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 9, CONDITION_DIM)).astype(np.float32))
    cache = BlockCache(threshold)
    x = draw_noise((1, 16, 8), 2)
    for time in (600.0, 599.9):
        velocity = denoiser(x, torch.tensor([time]), {"visual": tokens}, cache)
    return velocity, cache


def test_first_block_caching_runs_the_rest_only_where_the_first_block_changes_much() -> None:
    exact, never = with_cache(1e-9)
    near, often = with_cache(0.5)
    assert (never.hits, never.misses) == (0, 2)
    assert (often.hits, often.misses) == (1, 1)
    difference = float((near - exact).abs().max())
    assert 0 < difference < 0.1 * float(exact.abs().max())


def test_guidance_can_be_limited_to_an_interval() -> None:
    denoiser = seeded("transformer")
    calls: list[int] = []
    denoiser.register_forward_pre_hook(lambda module, given: calls.append(len(given[0])))
    tokens = {"visual": torch.ones(1, 3, CONDITION_DIM)}
    sample(denoiser, draw_noise((1, 16, 8), 0), tokens, Sampling(steps=5, guidance_interval=(0.3, 0.8)))
    assert calls == [2, 2, 1, 1]  # levels 0.75, 0.5, 0.25, 0.001; the first step asks nothing


def test_steps_are_told_and_can_end_the_walk() -> None:
    told: list[int] = []

    def stop_at_two(step: int, latents: Tensor) -> None:
        told.append(step)
        if step == 2:
            raise KeyboardInterrupt

    tokens = {"visual": torch.ones(1, 3, CONDITION_DIM)}
    with pytest.raises(KeyboardInterrupt):
        sample(seeded("transformer"), draw_noise((1, 16, 8), 0), tokens, Sampling(steps=5), stop_at_two)
    assert told == [1, 2]


def test_noise_is_of_the_seed_alone() -> None:
    assert torch.equal(draw_noise((2, 3), 5), draw_noise((2, 3), 5))
    assert not torch.equal(draw_noise((2, 3), 5), draw_noise((2, 3), 6))


def test_the_class_token_stays_when_the_registers_go() -> None:
    encoder = seeded("visual_encoder")
    pixels = torch.ones(1, 3, 70, 70)
    seen = encoder.dino_model(pixels)
    assert torch.equal(encoder(pixels), torch.cat((seen[:, :1], seen[:, 5:]), dim=1))
    assert vision.DINO_EPS == encoder.dino_model.layernorm.eps
