# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's published geometry folders: every key, shape and byte of them, and what does not fit is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.common.checkpoint import CheckpointDamaged, CheckpointMismatch, CheckpointMissing
from models.step1x3d.geometry import checkpoint
from models.step1x3d.geometry.checkpoint import WEIGHTS_NAME, Placement, read_configs
from models.step1x3d.geometry.conditioner import VisualEncoder
from models.step1x3d.geometry.config import (
    ConfigUnsupported,
    LabelEncoderConfig,
    TransformerConfig,
    VaeConfig,
    VisualEncoderConfig,
    read_config,
)
from models.step1x3d.geometry.labels import LabelEncoder
from models.step1x3d.geometry.transformer import Denoiser
from models.step1x3d.geometry.vae import ShapeVae
from tests.parity.step1x3d_tiny import save_checkpoint, seeded

CPU = Placement(torch.device("cpu"), torch.float32)
Shapes = dict[str, tuple[int, ...]]


def linear(name: str, out: int, into: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def transformer_keys(width: int, heads: int, double: int, single: int) -> Shapes:
    prefix, head = "dit_model.", width // heads
    keys: Shapes = {}
    keys |= linear("time_proj.linear_1", 4 * width, width) | linear("time_proj.linear_2", width, 4 * width)
    keys |= linear("proj_in", width, 64) | linear("proj_cross_attention", width, 1024) | linear("proj_out", 64, width)
    keys |= linear("norm_out.linear", 2 * width, width)
    for i in range(double):
        block = f"transformer_blocks.{i}."
        keys |= linear(f"{block}norm1.linear", 6 * width, width) | linear(
            f"{block}norm1_context.linear", 6 * width, width
        )
        for name in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out"):
            keys |= linear(f"{block}attn.{name}", width, width)
        for name in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
            keys[f"{block}attn.{name}.weight"] = (head,)
        for name in ("ff", "ff_context"):
            keys |= linear(f"{block}{name}.net.0.proj", 4 * width, width) | linear(
                f"{block}{name}.net.2", width, 4 * width
            )
    for i in range(single):
        block = f"single_transformer_blocks.{i}."
        keys |= linear(f"{block}norm.linear", 3 * width, width)
        keys |= linear(f"{block}proj_mlp", 4 * width, width) | linear(f"{block}proj_out", width, 5 * width)
        for name in ("to_q", "to_k", "to_v"):
            keys |= linear(f"{block}attn.{name}", width, width)
        keys |= {f"{block}attn.norm_q.weight": (head,), f"{block}attn.norm_k.weight": (head,)}
    return {prefix + key: shape for key, shape in keys.items()}


def vae_keys() -> Shapes:
    width = 768
    keys = linear("encoder.input_proj", width, 54) | linear("encoder.input_proj_sharp", width, 54)
    crosses = ("encoder.cross_attn", "encoder.cross_attn_sharp", "decoder.cross_attn_decoder")
    selves = [f"encoder.self_attn.resblocks.{i}" for i in range(8)]
    selves += [f"transformer.resblocks.{i}" for i in range(16)]
    for name in crosses:
        keys |= {f"{name}.attn.c_q.weight": (width, width), f"{name}.attn.c_kv.weight": (2 * width, width)}
        keys |= norm(f"{name}.ln_3", width)
    for name in selves:
        keys[f"{name}.attn.c_qkv.weight"] = (3 * width, width)
    for name in (*crosses, *selves):
        keys |= linear(f"{name}.attn.c_proj", width, width) | norm(f"{name}.ln_1", width) | norm(f"{name}.ln_2", width)
        keys |= linear(f"{name}.mlp.c_fc", 4 * width, width) | linear(f"{name}.mlp.c_proj", width, 4 * width)
    keys |= norm("encoder.ln_post", width) | norm("decoder.ln_post", width)
    keys |= linear("pre_kl", 128, width) | linear("post_kl", width, 64)
    return keys | linear("decoder.query_proj", width, 51) | linear("decoder.output_proj", 1, width)


def dino_keys() -> Shapes:
    width, e = 1024, "dino_model.embeddings."
    keys: Shapes = {f"{e}cls_token": (1, 1, width), f"{e}mask_token": (1, width)}
    keys |= {f"{e}register_tokens": (1, 4, width), f"{e}position_embeddings": (1, 1370, width)}
    projection = f"{e}patch_embeddings.projection"
    keys |= {f"{projection}.weight": (width, 3, 14, 14), f"{projection}.bias": (width,)}
    for i in range(24):
        layer = f"dino_model.encoder.layer.{i}."
        keys |= norm(f"{layer}norm1", width) | norm(f"{layer}norm2", width)
        for name in ("attention.attention.query", "attention.attention.key", "attention.attention.value"):
            keys |= linear(layer + name, width, width)
        keys |= linear(f"{layer}attention.output.dense", width, width)
        keys |= {f"{layer}layer_scale1.lambda1": (width,), f"{layer}layer_scale2.lambda1": (width,)}
        keys |= linear(f"{layer}mlp.fc1", 4096, width) | linear(f"{layer}mlp.fc2", width, 4096)
    return keys | norm("dino_model.layernorm", width)


def clip_layers(prefix: str, width: int, layers: int) -> Shapes:
    keys: Shapes = {}
    for i in range(layers):
        layer = f"{prefix}encoder.layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            keys |= linear(f"{layer}self_attn.{name}", width, width)
        keys |= norm(f"{layer}layer_norm1", width) | norm(f"{layer}layer_norm2", width)
        keys |= linear(f"{layer}mlp.fc1", 4 * width, width) | linear(f"{layer}mlp.fc2", width, 4 * width)
    return keys


def clip_vision_keys() -> Shapes:
    width, v = 1024, "clip_model.vision_model."
    keys: Shapes = {f"{v}embeddings.class_embedding": (width,)}
    keys[f"{v}embeddings.patch_embedding.weight"] = (width, 3, 14, 14)
    keys[f"{v}embeddings.position_embedding.weight"] = (257, width)
    return keys | norm(f"{v}pre_layrnorm", width) | norm(f"{v}post_layernorm", width) | clip_layers(v, width, 24)


def clip_text_keys() -> Shapes:
    width, t = 768, "clip_model.text_model."
    keys: Shapes = {f"{t}embeddings.token_embedding.weight": (49408, width)}
    keys[f"{t}embeddings.position_embedding.weight"] = (77, width)
    keys |= norm(f"{t}final_layer_norm", width) | clip_layers(t, width, 12)
    keys |= {"clip_model.visual_projection.weight": (768, 1024), "clip_model.text_projection.weight": (768, 768)}
    return keys | {"clip_model.logit_scale": ()}


LABEL_KEYS: Shapes = {
    "embedding_table_tpose.weight": (3, 1024),
    "embedding_table_symmetry_type.weight": (2, 1024),
    "embedding_table_geometry_quality.weight": (3, 1024),
}
BASE, LABEL = "Step1X-3D-Geometry-1300m", "Step1X-3D-Geometry-Label-1300m"
Build = Callable[[Mapping[str, Any]], nn.Module]
BUILDS: dict[str, Build] = {
    "transformer": lambda options: Denoiser(read_config(TransformerConfig, options, "transformer")),
    "vae": lambda options: ShapeVae(read_config(VaeConfig, options, "vae")),
    "visual_encoder": lambda options: VisualEncoder(read_config(VisualEncoderConfig, options, "visual_encoder")),
    "label_encoder": lambda options: LabelEncoder(read_config(LabelEncoderConfig, options, "label_encoder")),
}


def file_bytes(shapes: Shapes) -> int:
    """Of a safetensors file with these tensors in single precision, as diffusers writes it."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for key in sorted(shapes):
        size = 4 * torch.Size(shapes[key]).numel()
        header[key] = {"dtype": "F32", "shape": list(shapes[key]), "data_offsets": [offset, offset + size]}
        offset += size
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + length + -length % 8 + offset


@pytest.mark.shared
@pytest.mark.parametrize(
    ("model", "part", "published", "unused", "tensors", "size"),
    [
        (BASE, "transformer", transformer_keys(1280, 20, 12, 24), {}, 732, 5_265_243_816),
        (LABEL, "transformer", transformer_keys(1536, 16, 8, 16), {}, 492, 5_086_980_952),
        (BASE, "vae", vae_keys(), {}, 322, 766_401_652),
        (LABEL, "vae", vae_keys(), {}, 322, 766_401_652),
        (BASE, "visual_encoder", dino_keys(), {}, 440, 1_217_544_216),
        (LABEL, "visual_encoder", dino_keys() | clip_vision_keys(), clip_text_keys(), 1030, 2_928_089_212),
        (LABEL, "label_encoder", LABEL_KEYS, {}, 3, 33_104),
    ],
)
def test_full_size_keys_shapes_and_bytes(
    shared_root: Path, model: str, part: str, published: Shapes, unused: Shapes, tensors: int, size: int
) -> None:
    configs = json.loads((shared_root / "golden" / "step1x3d_geometry" / "official_configs.json").read_text())
    with torch.device("meta"):
        network = BUILDS[part](configs[f"{model}/{part}/config.json"]["content"])
    assert {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()} == published
    assert all(key.startswith(VisualEncoder.UNUSED_KEYS) for key in unused)
    assert len(published | unused) == tensors
    assert file_bytes(published | unused) == size


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "model"
    save_checkpoint(folder, has_labels=True)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def test_a_folder_loads_as_it_was_written(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5_000_000
    configs = read_configs(folder)
    assert configs.label_encoder is not None
    loaded = {
        "transformer": checkpoint.load_denoiser(folder, configs.transformer, CPU),
        "visual_encoder": checkpoint.load_visual_encoder(folder, configs.visual_encoder, CPU),
        "label_encoder": checkpoint.load_label_encoder(folder, configs.label_encoder, CPU),
    }
    for name, network in loaded.items():
        expected = seeded(name, has_labels=True).state_dict()
        found = network.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_the_decoder_alone_can_be_loaded_in_half_precision(folder: Path) -> None:
    config = read_configs(folder).vae
    half = checkpoint.load_vae(folder, config, Placement(torch.device("cpu"), torch.float16))
    assert not hasattr(half, "encoder") and half.post_kl.weight.dtype == torch.float16
    whole = checkpoint.load_vae(folder, config, CPU, has_encoder=True)
    assert torch.equal(whole.post_kl.weight.half(), half.post_kl.weight)


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "transformer" / WEIGHTS_NAME
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


def test_every_key_that_does_not_fit_is_named(folder: Path) -> None:
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights["dit_model.proj_in.bias"] = torch.zeros(3)
        weights["dit_model.more.weight"] = torch.zeros(1)
        del weights["dit_model.norm_out.linear.bias"]

    change_weights(folder, spoil)
    with pytest.raises(CheckpointMismatch) as caught:
        checkpoint.load_denoiser(folder, read_configs(folder).transformer, CPU)
    assert caught.value.missing == ["dit_model.norm_out.linear.bias"]
    assert caught.value.unexpected == ["dit_model.more.weight"]
    assert caught.value.misshapen == {"dit_model.proj_in.bias": ((3,), (32,))}
    assert "transformer/diffusion_pytorch_model.safetensors" in str(caught.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def point(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


SPOILERS = [
    pytest.param(Path.unlink, CheckpointMissing, "not there", id="absent"),
    pytest.param(cut, CheckpointDamaged, "its header speaks of", id="cut short"),
    pytest.param(point, CheckpointDamaged, "Git-LFS pointer", id="pointer"),
    pytest.param(lambda path: path.write_bytes(b""), CheckpointDamaged, "no header", id="empty"),
]


@pytest.mark.parametrize(("spoil", "error", "words"), SPOILERS)
def test_a_damaged_file_is_told_in_words(
    folder: Path, spoil: Callable[[Path], None], error: type[Exception], words: str
) -> None:
    spoil(folder / "vae" / WEIGHTS_NAME)
    with pytest.raises(error, match=words):
        checkpoint.load_vae(folder, read_configs(folder).vae, CPU)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("vae/config.json", {"qk_norm": True}, "qk_norm is True; only False is supported"),
        ("vae/config.json", {"num_freqs": None}, "num_freqs"),
        ("vae/config.json", {"heads": "four"}, "heads is 'four', not a int"),
        ("vae/config.json", {"heads": 0}, "must be greater than 0"),
        ("transformer/config.json", {"rope": 3}, "unknown option: rope = 3"),
        ("transformer/config.json", {"multi_condition_type": "cross"}, "multi_condition_type"),
        ("transformer/config.json", {"use_caption_condition": True}, "captions"),
        ("visual_encoder/config.json", {"dino_config": None}, "The backbone 'tiny' is unknown"),
        ("visual_encoder/config.json", {"dino_config": {"hidden_size": 3}}, "not a vision transformer's"),
        ("scheduler/scheduler_config.json", {"shift": 3.0}, "shift is 3.0"),
        ("model_index.json", {"_class_name": "FluxPipeline"}, "FluxPipeline"),
    ],
)
def test_a_config_of_another_network_is_refused(folder: Path, file: str, change: dict[str, Any], words: str) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigUnsupported, match=words):
        configs = read_configs(folder)
        checkpoint.load_visual_encoder(folder, configs.visual_encoder, CPU)


@pytest.mark.parametrize(("content", "words"), [("{", "is not JSON"), ("[]", "is not a JSON object")])
def test_a_config_that_is_no_json_object_is_refused(folder: Path, content: str, words: str) -> None:
    (folder / "vae" / "config.json").write_text(content)
    with pytest.raises(CheckpointDamaged, match=words):
        read_configs(folder)
    (folder / "vae" / "config.json").unlink()
    with pytest.raises(CheckpointMissing):
        read_configs(folder)


@pytest.mark.shared
@pytest.mark.parametrize("model", [BASE, LABEL])
def test_the_published_configs_are_understood(shared_root: Path, tmp_path: Path, model: str) -> None:
    configs = json.loads((shared_root / "golden" / "step1x3d_geometry" / "official_configs.json").read_text())
    for name, entry in configs.items():
        if name.startswith(f"{model}/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(json.dumps(entry["content"]))
    found = read_configs(tmp_path / model)
    assert (found.vae.num_latents, found.vae.embed_dim) == (2048, 64)
    assert found.visual_encoder.dino.hidden_size == 1024
    assert (found.label_encoder is None) == (model == BASE)
    assert (found.visual_encoder.clip is None) == (model == BASE)
