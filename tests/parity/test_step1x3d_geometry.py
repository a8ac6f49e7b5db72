# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's geometry networks against vectors recorded from the reference implementation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.common.checkpoint import load_strictly, read_tensors
from models.common.farthest_points import farthest_points
from models.common.flow_matching import flow_times, guide
from models.common.fourier import fourier_features, octaves
from models.step1x3d.geometry.conditioner import VisualEncoder, unconditional
from models.step1x3d.geometry.config import (
    LabelEncoderConfig,
    TransformerConfig,
    VaeConfig,
    VisualEncoderConfig,
    read_config,
)
from models.step1x3d.geometry.labels import LabelEncoder
from models.step1x3d.geometry.picture import CLIP, IMAGENET, frame_subject, to_pixels
from models.step1x3d.geometry.sampler import Sampling, sample
from models.step1x3d.geometry.transformer import Denoiser, time_waves
from models.step1x3d.geometry.vae import ShapeVae

pytestmark = pytest.mark.shared

ATOL = 1e-5
TRAJECTORY_ATOL = 5e-5
FOUR_STEPS = Sampling(steps=4, guidance_scale=7.5)


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "step1x3d_geometry"


@pytest.fixture(autouse=True)
def no_gradients() -> Any:
    with torch.inference_mode():
        yield


def vectors(golden: Path, name: str) -> dict[str, Tensor]:
    with np.load(golden / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files if arrays[key].ndim}


def document(golden: Path, name: str) -> dict[str, Any]:
    return json.loads((golden / f"{name}.json").read_text())


def backbone(recorded: dict[str, Any]) -> dict[str, int]:
    """The recorded shape of a tiny vision transformer under our names."""
    return {
        "hidden_size": recorded["hidden_size"],
        "num_hidden_layers": recorded["num_hidden_layers"],
        "num_attention_heads": recorded["num_attention_heads"],
        "mlp_size": recorded.get("intermediate_size", recorded["hidden_size"] * recorded.get("mlp_ratio", 0)),
        "patch_size": recorded["patch_size"],
        "image_size": recorded["image_size"],
        "registers": recorded.get("num_register_tokens", 0),
    }


def denoiser(golden: Path, name: str) -> Denoiser:
    network = Denoiser(read_config(TransformerConfig, document(golden, name), name)).eval()
    load_strictly(network, read_tensors(golden / f"{name}.safetensors"), name)
    return network


def visual_encoder(golden: Path, name: str) -> VisualEncoder:
    options = document(golden, name)
    options["dino_config"] = backbone(options.pop("_tiny_dino_config"))
    if "_tiny_clip_config" in options:
        options["clip_config"] = backbone(options.pop("_tiny_clip_config")["vision_config"])
    network = VisualEncoder(read_config(VisualEncoderConfig, options, name)).eval()
    stored = read_tensors(golden / f"{name}.safetensors")
    used = {key: tensor for key, tensor in stored.items() if not key.startswith(VisualEncoder.UNUSED_KEYS)}
    load_strictly(network, used, name)
    return network


def label_encoder(golden: Path) -> LabelEncoder:
    network = LabelEncoder(read_config(LabelEncoderConfig, document(golden, "label_encoder"), "label_encoder"))
    load_strictly(network, read_tensors(golden / "label_encoder.safetensors"), "label_encoder")
    return network


@pytest.fixture(scope="module")
def vae(golden: Path) -> ShapeVae:
    network = ShapeVae(read_config(VaeConfig, document(golden, "vae"), "vae")).eval()
    load_strictly(network, read_tensors(golden / "vae.safetensors"), "vae")
    return network


def assert_close(found: Tensor, expected: Tensor, atol: float = ATOL) -> None:
    assert found.shape == expected.shape
    difference = float((found - expected).abs().max())
    assert difference <= atol, difference


@pytest.mark.parametrize("name", ["dit_base", "dit_label", "dit_projected_conditions"])
def test_the_transformer_s_velocity(golden: Path, name: str) -> None:
    given = vectors(golden, name)
    conditions = {key.removesuffix("_condition"): given[key] for key in given if key.endswith("_condition")}
    found = denoiser(golden, name)(given["model_input"], given["timestep"], conditions)
    assert_close(found, given["output"])


def test_the_transformer_s_inner_values(golden: Path) -> None:
    given = vectors(golden, "dit_base")
    network = denoiser(golden, "dit_base")
    seen: dict[str, Any] = {}
    parts = {
        "time": network.dit_model.time_proj,
        "double": network.dit_model.transformer_blocks[-1],
        "single": network.dit_model.single_transformer_blocks[-1],
    }
    for name, part in parts.items():
        part.register_forward_hook(lambda module, inputs, out, name=name: seen.update({name: out}))
    network(given["model_input"], given["timestep"], {"visual": given["visual_condition"]})
    assert_close(time_waves(given["timestep"], 32), given["mid_time_sinusoid"])
    assert_close(seen["time"], given["mid_temb"])
    assert_close(seen["double"][0], given["mid_double_x"])
    assert_close(seen["double"][1], given["mid_double_ctx"])
    assert_close(seen["single"], given["mid_single_out"])


def test_the_field_of_latents(golden: Path, vae: ShapeVae) -> None:
    given = vectors(golden, "vae")
    assert_close(vae.features(given["latents"]), given["decoded"])
    for item, points in enumerate(given["query_points"]):
        field = vae.decode(given["latents"][item : item + 1])
        assert_close(field.query(points), given["sdf"][item, :, 0])
        halves = torch.cat([field.query(points[:77]), field.query(points[77:])])
        assert_close(halves, given["sdf"][item, :, 0])


def test_the_latents_of_a_surface(golden: Path, vae: ShapeVae) -> None:
    given = vectors(golden, "vae")
    assert_close(vae.encoder(given["surface"], given["sharp_surface"]), given["encoder_features"])
    posterior = vae.encode(given["surface"], given["sharp_surface"])
    assert_close(posterior.mean, given["posterior_mean"])
    assert_close(posterior.logvar, given["posterior_logvar"])
    assert_close(posterior.mode(), given["latents_mode"])
    spread = torch.exp(0.5 * given["posterior_logvar"])
    assert_close(posterior.sample(torch.ones_like(spread)), given["posterior_mean"] + spread)


def test_the_points_that_cover_a_surface(golden: Path) -> None:
    given = vectors(golden, "vae")
    for name, key in (("surface", "fps_index_surface"), ("sharp_surface", "fps_index_sharp")):
        points = given[name][..., :3].half().float()
        flat = farthest_points(points, 8) + torch.arange(2)[:, None] * points.shape[1]
        assert torch.equal(flat.flatten(), given[key])


def test_the_waves_of_points(golden: Path) -> None:
    given = vectors(golden, "vae")
    assert_close(fourier_features(given["embed_points"], octaves(8)), given["embed_out"])


def test_the_dense_grid_of_a_generated_shape(golden: Path, vae: ShapeVae) -> None:
    given = vectors(golden, "end_to_end_mesh")
    field = vae.decode(given["final_latents"])
    axis = torch.arange(25, dtype=torch.float32) * (2 * 1.05 / 24) - 1.05
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)
    assert_close(vae.features(given["final_latents"]), given["decoded"])
    assert_close(field.query(points).reshape(1, 25, 25, 25), given["grid_logits"])


def test_the_tokens_of_labels(golden: Path) -> None:
    given = vectors(golden, "label_encoder")
    cases = json.loads((golden / "label_encoder_cases.json").read_text())
    found = label_encoder(golden)(cases)
    assert torch.equal(found, given["output"])
    assert torch.equal(unconditional({"label": found[:1]})["label"], given["empty"])


def test_the_picture_that_the_encoders_get(golden: Path) -> None:
    given = vectors(golden, "visual_encoder_dinov2")
    picture = given["input_rgba"].numpy()
    framed = frame_subject(picture)
    assert np.array_equal(np.asarray(framed), given["preprocessed_rgba"].numpy())
    assert np.array_equal(np.asarray(frame_subject(picture[:, :50])), given["preprocessed_square_rgba"].numpy())
    assert_close(to_pixels(framed, 70, IMAGENET), given["pixel_values"])
    assert_close(to_pixels(framed, 224, CLIP), vectors(golden, "visual_encoder_dinov2_clip")["clip_pixel_values"])


def test_the_tokens_of_a_picture(golden: Path) -> None:
    given = vectors(golden, "visual_encoder_dinov2")
    network = visual_encoder(golden, "visual_encoder_dinov2")
    assert_close(network.dino_model(given["pixel_values"]), given["dino_last_hidden_state_with_registers"])
    assert_close(network.encode(frame_subject(given["input_rgba"].numpy())), given["image_embeds"])


def test_the_tokens_of_a_picture_for_the_label_model(golden: Path) -> None:
    picture = frame_subject(vectors(golden, "visual_encoder_dinov2")["input_rgba"].numpy())
    given = vectors(golden, "visual_encoder_dinov2_clip")
    network = visual_encoder(golden, "visual_encoder_dinov2_clip")
    clip = network.clip_model["vision_model"]
    assert_close(clip(given["clip_pixel_values"]), given["clip_last_hidden_state"])
    assert_close(network.encode(picture), given["image_embeds"])


@pytest.mark.parametrize("steps", [1, 2, 4, 30, 50])
def test_the_times_of_the_flow(golden: Path, steps: int) -> None:
    given = vectors(golden, "pipeline_trajectory")
    times, levels = flow_times(steps)
    assert torch.equal(times, given[f"timesteps_{steps}"])
    assert torch.equal(levels, given[f"sigmas_{steps}"])


@pytest.mark.parametrize("is_split", [False, True])
def test_the_path_of_the_base_model(golden: Path, is_split: bool) -> None:
    given = vectors(golden, "pipeline_trajectory")
    network = denoiser(golden, "dit_base")
    path: list[Tensor] = []
    sampling = replace(FOUR_STEPS, is_split=is_split)
    conditions = {"visual": given["image_embeds"]}
    found = sample(network, given["latents0"], conditions, sampling, lambda step, latents: path.append(latents))
    assert_close(torch.stack(path), given["base_latents_per_step"], TRAJECTORY_ATOL)
    assert_close(found, given["base_final_latents"], TRAJECTORY_ATOL)


def test_the_velocities_of_the_base_model(golden: Path) -> None:
    given = vectors(golden, "pipeline_trajectory")
    network = denoiser(golden, "dit_base")
    tokens = torch.cat((torch.zeros_like(given["image_embeds"]), given["image_embeds"]))
    before = [given["latents0"], *given["base_latents_per_step"][:-1]]
    for step, x in enumerate(before):
        pair = network(torch.cat((x, x)), given["base_timesteps"][step].expand(2), {"visual": tokens})
        assert_close(pair, given["base_model_output_uncond_cond"][step], TRAJECTORY_ATOL)
        expected = given["base_velocity_after_cfg_and_zero_init"][step]
        assert_close(guide(pair[:1], pair[1:], 7.5) * (step > 0), expected, TRAJECTORY_ATOL)


def test_the_path_without_the_idle_first_step(golden: Path) -> None:
    given = vectors(golden, "pipeline_trajectory")
    path: list[Tensor] = []
    found = sample(
        denoiser(golden, "dit_base"),
        given["latents0"],
        {"visual": given["image_embeds"]},
        replace(FOUR_STEPS, zero_init=False),
        lambda step, latents: path.append(latents),
    )
    assert_close(torch.stack(path), given["base_nozeroinit_latents_per_step"], TRAJECTORY_ATOL)
    assert_close(found, given["base_nozeroinit_final_latents"], TRAJECTORY_ATOL)


def test_the_path_of_the_label_model(golden: Path) -> None:
    given = vectors(golden, "pipeline_trajectory")
    network = denoiser(golden, "dit_label")
    labels = label_encoder(golden)([{"symmetry": "x", "edge_type": "sharp"}])
    assert torch.equal(labels, given["label_embeds"])
    path: list[Tensor] = []
    conditions = {"visual": given["image_embeds"], "label": labels}
    found = sample(network, given["latents0"], conditions, FOUR_STEPS, lambda step, latents: path.append(latents))
    assert_close(torch.stack(path), given["label_latents_per_step"], TRAJECTORY_ATOL)
    assert_close(found, given["label_final_latents"], TRAJECTORY_ATOL)
    without = {"visual": given["image_embeds"], "label": torch.zeros_like(labels)}
    found = sample(network, given["latents0"], without, FOUR_STEPS)
    assert_close(found, given["labelmodel_no_label_final_latents"], TRAJECTORY_ATOL)
