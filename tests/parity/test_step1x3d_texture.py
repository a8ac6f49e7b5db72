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
import trimesh
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline
from diffusers.models.attention_processor import Attention
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from models.common.checkpoint import CheckpointDamaged, CheckpointMismatch, CheckpointMissing, load_strictly
from models.common.pretrained import read_network, read_part
from models.step1x3d.texture.attention import Looking, MultiViewAttention
from models.step1x3d.texture.coverage import find_coverage
from models.step1x3d.texture.denoiser import SDXL_UNET, MultiViewDenoiser, Words, load_denoiser
from models.step1x3d.texture.geometry_maps import render_geometry_maps
from models.step1x3d.texture.latents import decode_latents, encode_picture
from models.step1x3d.texture.mesh_preparation import prepare_mesh
from models.step1x3d.texture.painter import PaintSettings, Scene, paint_latents
from models.step1x3d.texture.scheduler import ShiftedDDPM
from models.step1x3d.texture.words import UNWANTED, WANTED, Guidance, encode_words
from tests.parity.seeded import plain_weights
from tests.parity.step1x3d_texture_tiny import UNET, save_added, save_base, save_vae

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
    return float((found - expected).detach().abs().max())


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


def own_network() -> MultiViewDenoiser:
    network = MultiViewDenoiser(UNET).eval()
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
    save_base(folder)
    save_added(folder / "added.safetensors")
    return folder / "unet", folder / "added.safetensors"


def test_the_published_files_are_read(tmp_path: Path) -> None:
    read = load_denoiser(*save_own(tmp_path))
    kept = own_network().state_dict()
    for key, tensor in read.state_dict().items():
        assert torch.allclose(tensor, kept[key], atol=1e-3, rtol=1e-3)  # the base is in half precision


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


def test_the_last_step_ends_without_noise() -> None:
    ddpm = ShiftedDDPM()
    weights = ddpm.weights(1, 1 - ddpm.stride(50))
    assert weights.sigma == 0.0 and weights.noisy == 0.0 and weights.clean == pytest.approx(1.0)


def test_words_are_encoded_as_sdxl_encodes_them(tmp_path: Path) -> None:
    save_base(tmp_path)
    found = encode_words(tmp_path, 64)
    tokenizers = {name: CLIPTokenizer.from_pretrained(tmp_path / name) for name in ("tokenizer", "tokenizer_2")}
    half = {"variant": "fp16", "dtype": torch.float32}
    encoders = {
        "text_encoder": CLIPTextModel.from_pretrained(tmp_path / "text_encoder", **half),
        "text_encoder_2": CLIPTextModelWithProjection.from_pretrained(tmp_path / "text_encoder_2", **half),
    }
    parts = {**tokenizers, **encoders}
    pipeline = StableDiffusionXLPipeline(vae=None, unet=None, scheduler=EulerDiscreteScheduler(), **parts)
    wanted, unwanted, pooled, unwanted_pooled = pipeline.encode_prompt(WANTED, negative_prompt=UNWANTED, device="cpu")
    for words, tokens, summary in ((found.wanted, wanted, pooled), (found.unwanted, unwanted, unwanted_pooled)):
        assert largest_difference(words.tokens, tokens) < 1e-6
        assert largest_difference(words.pooled, summary) < 1e-6
        assert words.time_ids.tolist() == [[64, 64, 0, 0, 64, 64]]


def test_parts_of_the_base_are_read_whole_or_not_at_all(tmp_path: Path) -> None:
    save_vae(tmp_path / "vae")
    file = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    dropped = weights.pop("decoder.conv_in.bias")
    save_file(weights, file)
    with pytest.raises(CheckpointMismatch, match=r"decoder\.conv_in\.bias"):
        read_network(AutoencoderKL, tmp_path / "vae", torch.float32)
    save_file({**weights, "decoder.conv_in.bias": dropped, "more": dropped.clone()}, file)
    with pytest.raises(CheckpointMismatch, match="more"):
        read_network(AutoencoderKL, tmp_path / "vae", torch.float32)
    save_file({**weights, "decoder.conv_in.bias": dropped[:1].clone()}, file)
    with pytest.raises(CheckpointMismatch, match="the decoder does not fit the network: 1 keys have another shape"):
        read_network(AutoencoderKL, tmp_path / "vae", torch.float32, "the decoder")
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(CheckpointDamaged, match="vae cannot be read"):
        read_network(AutoencoderKL, tmp_path / "vae", torch.float32)
    with pytest.raises(CheckpointMissing, match="gone"):
        read_network(AutoencoderKL, tmp_path / "gone", torch.float32)


def test_memory_that_runs_out_while_reading_is_no_damaged_file(tmp_path: Path) -> None:
    class Large:
        @staticmethod
        def from_pretrained(folder: Path, **options: object) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    with pytest.raises(RuntimeError, match="can't allocate memory") as caught:
        read_part(Large, tmp_path)
    assert not isinstance(caught.value, ValueError)


def test_a_picture_comes_back_at_its_size_from_its_latents(tmp_path: Path) -> None:
    save_vae(tmp_path)
    vae = read_network(AutoencoderKL, tmp_path, torch.float32)
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        first, again = (encode_picture(vae, picture, torch.Generator().manual_seed(4)) for _ in range(2))
        mean = vae.encode(picture[None]).latent_dist.mean * vae.config.scaling_factor
        back = decode_latents(vae, torch.cat([first, mean]))
    assert first.shape == (1, 4, 8, 8) and torch.equal(first, again) and not torch.equal(first, mean)
    assert back.shape == (2, 3, 64, 64) and back.min() >= 0 and back.max() <= 1


def small_scene() -> tuple[MultiViewDenoiser, Guidance, Scene]:
    """Six views of 8 × 8 cells of a ball, before plain backgrounds."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    mesh = prepare_mesh(np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32))
    control = torch.from_numpy(render_geometry_maps(mesh.vertices, mesh.faces, 64).control)
    generator = torch.Generator().manual_seed(9)
    reference, colors = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(14, 4, 8, 8, generator=generator)
    scene = Scene(control, find_coverage(mesh, 8, 64), reference, colors)
    tokens, pooled = torch.randn(2, 5, 32, generator=generator), torch.randn(2, 10, generator=generator)
    words = [Words(tokens[i : i + 1], pooled[i : i + 1], torch.full((1, 6), 64.0)) for i in (0, 1)]
    return own_network(), Guidance(*words), scene


def test_views_are_painted_alike_by_a_seed_and_in_halves() -> None:
    network, guidance, scene = small_scene()

    def paint(seed: int, **settings: float) -> Tensor:
        chosen = PaintSettings(4, **settings)
        return paint_latents(network, guidance, scene, chosen, torch.Generator().manual_seed(seed))

    first = paint(1)
    assert torch.equal(first, paint(1)) and torch.isfinite(first).all()
    assert not torch.allclose(first, paint(2), atol=1e-2)
    assert not torch.allclose(first, paint(1, guidance=1.0), atol=1e-2)
    assert torch.allclose(first, paint(1, halves=True), atol=1e-3)


def test_views_that_share_a_texel_agree_while_they_are_synchronised() -> None:
    """Stopped at the last synchronised step, all views show one texture."""
    network, guidance, scene = small_scene()
    seen: list[Tensor] = []
    keep = network.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    paint_latents(network, guidance, scene, PaintSettings(4), torch.Generator().manual_seed(1))
    keep.remove()
    texture: dict[int, Tensor] = {}
    shared = 0
    for view, pixels, texels in zip(seen[1].flatten(2), scene.coverage.pixels, scene.coverage.texels, strict=True):
        for pixel, texel in zip(pixels.tolist(), texels.tolist(), strict=True):
            if texel in texture:
                shared += 1
                assert torch.equal(view[:, pixel], texture[texel])
            texture[texel] = view[:, pixel]
    assert shared


def test_painting_stops_where_it_is_asked_to_and_forgets_the_picture() -> None:
    network, guidance, scene = small_scene()

    def stop_at_second(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint_latents(network, guidance, scene, PaintSettings(4), torch.Generator(), stop_at_second)
    assert not network._looking.reference
