# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's texture networks against vectors recorded from the reference, and against small ones of our own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.common.checkpoint import CheckpointDamaged, CheckpointMismatch, CheckpointMissing, load_strictly
from models.step1x3d.texture.attention import Looking, MultiViewAttention
from models.step1x3d.texture.denoiser import SDXL_UNET, MultiViewDenoiser, Words, load_denoiser
from models.step1x3d.texture.nearest import nearest_known
from models.step1x3d.texture.scheduler import ShiftedDDPM
from models.step1x3d.texture.synchronize import Coverage, cover, paint_texture, show_texture
from tests.parity.seeded import plain_weights

OWN_VECTORS = Path(__file__).parents[1] / "golden" / "step1x3d_texture.npz"
ATTENTION_ATOL = 2e-6
UNET_ATOL = 2e-5
SYNC_ATOL = 1e-5
SCHEDULER_RTOL = 1e-5
ADDED_PARAMETERS, BASE_PARAMETERS, FILE_BYTES = 900_606_400, 2_567_463_684, 3_602_425_600


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "step1x3d_texture"


def largest_difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max())


def relative_difference(found: Tensor, expected: np.ndarray) -> float:
    return float(np.abs(found.numpy() - expected).max() / np.abs(expected).max())


def attention_layer(weights: dict[str, Tensor], looking: Looking) -> Attention:
    channels = len(weights["to_q.weight"])
    layer = Attention(channels, heads=4, dim_head=channels // 4)
    layer.set_processor(MultiViewAttention(channels, "layer", looking))
    load_strictly(layer, weights, "layer")
    return layer.eval()


@pytest.mark.shared
def test_attention_is_that_of_the_reference(golden: Path) -> None:
    vectors = load_file(golden / "attn_rowcol.safetensors")
    looking = Looking(sees_reference=(False, True), reference={"layer": vectors["in_ref"][6:]})
    layer = attention_layer({key[2:]: x for key, x in vectors.items() if key.startswith("w.")}, looking)
    with torch.inference_mode():
        for mv_scale, ref_scale, name in ((1, 1, "mv1_ref1"), (0.7, 0.4, "mv07_ref04"), (1, 0, "mv1_ref0")):
            looking.mv_scale, looking.ref_scale = mv_scale, ref_scale
            assert largest_difference(layer(vectors["in_hidden"]), vectors[f"out_{name}"]) < ATTENTION_ATOL
        looking.keeps = {}
        plain = layer(vectors["in_hidden"][:1])
    assert largest_difference(plain, vectors["out_plain_first"]) < ATTENTION_ATOL
    assert torch.equal(looking.keeps["layer"], vectors["cached"])


@pytest.fixture(scope="module")
def tiny(golden: Path) -> MultiViewDenoiser:
    network = MultiViewDenoiser(json.loads((golden / "tiny_config.json").read_text())["unet"])
    base = {f"unet.{key}": x for key, x in load_file(golden / "tiny_unet_base.safetensors").items()}
    added = {
        f"adapter.{key}" if key.startswith("adapter.") else f"unet.{key}": x
        for key, x in load_file(golden / "tiny_adapter.safetensors").items()
    }
    load_strictly(network, base | added, "tiny")
    return network.eval()


@pytest.mark.shared
def test_the_network_is_that_of_the_reference(tiny: MultiViewDenoiser, golden: Path) -> None:
    io, maps = load_file(golden / "tiny_unet_io.safetensors"), np.load(golden / "geometry_maps.npz")
    both = np.concatenate([maps["position"] + 0.5, maps["normal"] / 2 + 0.5], axis=-1).clip(0, 1)
    control = torch.from_numpy(both).permute(0, 3, 1, 2).float()
    sizes = torch.tensor([[96.0, 96, 0, 0, 96, 96]])
    wanted, unwanted = (Words(io[f"prompt_embeds_{end}"], io[f"pooled_{end}"], sizes) for end in ("pos", "neg"))
    kept: dict[str, Tensor] = {}
    with torch.inference_mode():
        tiny.remember(io["ref_latents"], wanted)
        kept.update(tiny._looking.reference)
        features = tiny.control_features(control)
        noise = tiny(io["latents"], 501, (unwanted, wanted), features, (False, True))
        halves = [
            tiny(io["latents"], 501, [words], features, [sees]) for words, sees in ((unwanted, False), (wanted, True))
        ]
    seen = {key.removeprefix("ref_cache."): x for key, x in io.items() if key.startswith("ref_cache.")}
    assert kept.keys() == seen.keys() and len(seen) > 10
    assert max(largest_difference(kept[key], x) for key, x in seen.items()) < UNET_ATOL
    assert max(largest_difference(features[i], io[f"adapter_feat.{i}"]) for i in range(4)) < UNET_ATOL
    assert largest_difference(noise, io["noise_pred"]) < UNET_ATOL
    assert largest_difference(torch.cat(halves), io["noise_pred"]) < UNET_ATOL
    without, toward = noise.chunk(2)
    assert largest_difference(without + 3 * (toward - without), io["noise_pred_cfg3"]) < UNET_ATOL


@pytest.mark.shared
def test_steps_are_those_of_the_reference(golden: Path) -> None:
    vectors, ddpm = np.load(golden / "scheduler.npz"), ShiftedDDPM()
    np.testing.assert_allclose(ddpm.alphas_cumprod, vectors["alphas_cumprod"], rtol=SCHEDULER_RTOL)
    np.testing.assert_allclose(ShiftedDDPM(1.0).alphas_cumprod, vectors["base_alphas_cumprod"], rtol=SCHEDULER_RTOL)
    assert ddpm.timesteps(50) == vectors["timesteps"].tolist()
    x, eps, noise = (torch.from_numpy(vectors[name]) for name in ("sample", "model_output", "noise"))
    for t in (981, 501, 481, 21, 1):
        clean = ddpm.clean(eps, t, x)
        assert relative_difference(clean, vectors[f"pred_x0_{t}"]) < SCHEDULER_RTOL
        stepped = ddpm.step(clean, x, noise, ddpm.weights(t, t - ddpm.stride(50)))
        assert relative_difference(stepped, vectors[f"prev_sample_{t}"]) < SCHEDULER_RTOL


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


def full_size() -> MultiViewDenoiser:
    with torch.device("meta"):
        return MultiViewDenoiser(SDXL_UNET)


def added_shapes(network: MultiViewDenoiser) -> dict[str, list[int]]:
    """What the published file holds, by its own names."""
    shapes = {}
    for key, tensor in network.state_dict().items():
        if "_mv." in key or "_ref." in key:
            shapes[key.removeprefix("unet.")] = list(tensor.shape)
        elif key.startswith("adapter."):
            shapes[key.removeprefix("adapter.")] = list(tensor.shape)
    return shapes


@pytest.mark.shared
def test_the_published_shapes_match_key_by_key(golden: Path) -> None:
    keys = json.loads((golden / "checkpoint_keys.json").read_text())
    assert added_shapes(full_size()) == keys["unet_adapter"] | keys["cond_encoder"]


def test_sizes_of_the_published_networks() -> None:
    network = full_size()
    added = sum(math.prod(shape) for shape in added_shapes(network).values())
    assert added == ADDED_PARAMETERS and 4 * added == FILE_BYTES
    assert sum(tensor.numel() for tensor in network.state_dict().values()) - added == BASE_PARAMETERS


OWN_UNET = SDXL_UNET | {
    "block_out_channels": [8, 16, 16],
    "attention_head_dim": [2, 2, 4],
    "cross_attention_dim": 12,
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 34,
    "transformer_layers_per_block": [1, 1, 1],
    "norm_num_groups": 4,
    "sample_size": 8,
}


def own_network() -> MultiViewDenoiser:
    network = MultiViewDenoiser(OWN_UNET).eval()
    load_strictly(network, plain_weights(network), "own")
    return network


def own_noise() -> Tensor:
    """Of six views at 8 × 8 that see a reference, by a network with weights from its keys' names."""
    vectors = {key: torch.from_numpy(x) for key, x in np.load(OWN_VECTORS).items()}
    network = own_network()
    words = [Words(vectors["tokens"][i : i + 1], vectors["pooled"][i : i + 1], torch.ones(1, 6)) for i in (0, 1)]
    with torch.inference_mode():
        network.remember(vectors["reference"], words[1])
        features = network.control_features(vectors["control"])
        return network(vectors["latents"], 501, words, features, (False, True))


def test_our_own_vectors() -> None:
    assert largest_difference(own_noise(), torch.from_numpy(np.load(OWN_VECTORS)["noise"])) < UNET_ATOL


def columns_not_mirrored(x: Tensor) -> Tensor:
    return x


def heads_last(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    split = (x.unflatten(2, (-1, heads)).transpose(2, 3).transpose(1, 2) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)


@pytest.mark.parametrize(
    ("name", "flipped"),
    [
        ("_mirror_first", columns_not_mirrored),
        ("_attend", heads_last),
        ("COLUMN_VIEWS", (0, 2, 5, 4)),
        ("ROW_VIEWS", (0, 3, 2, 1)),
    ],
)
def test_one_flipped_detail_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str, flipped: Callable[..., Tensor] | tuple[int, ...]
) -> None:
    monkeypatch.setattr(f"models.step1x3d.texture.attention.{name}", flipped)
    expected = torch.from_numpy(np.load(OWN_VECTORS)["noise"])
    assert largest_difference(own_noise(), expected) > 10 * UNET_ATOL


def save_own(folder: Path) -> tuple[Path, Path]:
    """The network's two files as they are published: SDXL's UNet in its folder, the rest in one file."""
    network = own_network()
    base, added = {}, {}
    for key, tensor in network.state_dict().items():
        if key.startswith("adapter."):
            added[key.removeprefix("adapter.")] = tensor
        else:
            (added if "_mv." in key or "_ref." in key else base)[key.removeprefix("unet.")] = tensor
    unet = folder / "unet"
    unet.mkdir()
    (unet / "config.json").write_text(json.dumps(OWN_UNET))
    save_file(base, unet / "diffusion_pytorch_model.safetensors")
    save_file(added, folder / "added.safetensors")
    return unet, folder / "added.safetensors"


def test_the_published_files_are_read(tmp_path: Path) -> None:
    read = load_denoiser(*save_own(tmp_path))
    kept = own_network().state_dict()
    assert all(torch.equal(tensor, kept[key]) for key, tensor in read.state_dict().items())


def test_a_file_with_other_prefixes_is_refused(tmp_path: Path) -> None:
    """The reference reads such a file without a word and paints as if it were not there."""
    unet, added = save_own(tmp_path)
    save_file({f"unet.{key}": tensor for key, tensor in load_file(added).items()}, added)
    with pytest.raises(CheckpointMismatch, match="keys are missing"):
        load_denoiser(unet, added)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    unet, added = save_own(tmp_path)
    with pytest.raises(CheckpointMissing, match="gone"):
        load_denoiser(unet, tmp_path / "gone.safetensors")
    (unet / "config.json").write_text("{")
    with pytest.raises(CheckpointDamaged, match="not JSON"):
        load_denoiser(unet, added)
    (unet / "config.json").unlink()
    with pytest.raises(CheckpointMissing, match=r"config\.json"):
        load_denoiser(unet, added)


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


def test_the_last_step_ends_without_noise() -> None:
    ddpm = ShiftedDDPM()
    weights = ddpm.weights(1, 1 - ddpm.stride(50))
    assert weights.sigma == 0.0 and weights.noisy == 0.0 and weights.clean == pytest.approx(1.0)
