# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny Step1X-3D geometry checkpoint in the published layout: random weights, but a field that always has a surface.

python -m tests.parity.step1x3d_tiny FOLDER [--labels]
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.step1x3d.geometry.checkpoint import WEIGHTS_NAME
from models.step1x3d.geometry.conditioner import VisualEncoder
from models.step1x3d.geometry.config import (
    LabelEncoderConfig,
    TransformerConfig,
    VaeConfig,
    VisualEncoderConfig,
    read_config,
)
from models.step1x3d.geometry.labels import LabelEncoder
from models.step1x3d.geometry.transformer import Denoiser
from models.step1x3d.geometry.vae import ShapeVae

CONDITION_DIM = 24
TRANSFORMER: dict[str, Any] = {
    "weights": None,
    "input_channels": 8,
    "width": 32,
    "layers": 2,
    "num_single_layers": 2,
    "num_heads": 4,
    "condition_dim": CONDITION_DIM,
    "multi_condition_type": "in_context",
    "use_visual_condition": True,
    "visual_condition_dim": CONDITION_DIM,
    "n_views": 1,
    "use_caption_condition": False,
    "caption_condition_dim": CONDITION_DIM,
    "use_label_condition": False,
    "label_condition_dim": CONDITION_DIM,
    "identity_init": False,
}
VAE: dict[str, Any] = {
    "weights": None,
    "n_samples": 64,
    "num_latents": 16,
    "point_feats": 3,
    "embed_point_feats": False,
    "out_dim": 1,
    "embed_dim": 8,
    "embed_type": "fourier",
    "num_freqs": 8,
    "include_pi": False,
    "width": 32,
    "heads": 4,
    "num_encoder_layers": 2,
    "num_decoder_layers": 2,
    "qkv_bias": False,
    "qk_norm": False,
    "use_ln_post": True,
    "with_sharp_data": True,
    "volume_decoder_type": "hierarchical",
    "surface_extractor_type": "mc",
    "z_scale_factor": 1.0,
}
DINO = {
    "hidden_size": CONDITION_DIM,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "mlp_size": 96,
    "patch_size": 14,
    "image_size": 56,
    "registers": 4,
}
VISUAL_ENCODER: dict[str, Any] = {
    "weights": None,
    "encode_camera": False,
    "n_views": 1,
    "normalize_embeds": False,
    "zero_uncond_embeds": True,
    "image_size": 70,
    "dino_type": "tiny",
    "dino_config": DINO,
}
CLIP: dict[str, Any] = {
    "fuse_type": "concat",
    "clip_type": "tiny",
    "clip_config": {**DINO, "mlp_size": 48, "image_size": 28, "registers": 0},
}
LABEL_ENCODER = {"hidden_size": CONDITION_DIM, "normalize_embeds": False, "zero_uncond_embeds": True}
SCHEDULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0}
INDEX = {"_class_name": "Step1X3DGeometryPipeline", "_diffusers_version": "0.32.2"}
PARTS: dict[str, tuple[Any, Any]] = {
    "transformer": (Denoiser, TransformerConfig),
    "vae": (ShapeVae, VaeConfig),
    "visual_encoder": (VisualEncoder, VisualEncoderConfig),
    "label_encoder": (LabelEncoder, LabelEncoderConfig),
}


def seeded_weights(network: nn.Module) -> dict[str, Tensor]:
    """A value for each key, by its name alone. Streams stay small, so that the smallest constants of norms count."""
    return {key: torch.from_numpy(_value(key, tuple(tensor.shape))) for key, tensor in network.state_dict().items()}


def _value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    n = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    if key.endswith(".bias"):
        return 0.02 * n
    if len(shape) == 1 and key.endswith(("weight", "lambda1")):
        return 1 + 0.1 * n
    if key.endswith(("proj_in.weight", "proj_cross_attention.weight", "post_kl.weight", "input_proj.weight")):
        return np.float32(0.1) * n / np.float32(np.sqrt(shape[-1]))
    return n / np.float32(np.sqrt(np.prod(shape[1:]))) if len(shape) > 1 else n


def document(name: str, *, has_labels: bool, vae_width: int) -> dict[str, Any]:
    """The config.json of a folder."""
    documents = {
        "transformer": {**TRANSFORMER, "use_label_condition": has_labels},
        "vae": {**VAE, "width": vae_width},
        "visual_encoder": {**VISUAL_ENCODER, **CLIP} if has_labels else VISUAL_ENCODER,
        "label_encoder": LABEL_ENCODER,
    }
    return documents[name]


def seeded(name: str, *, has_labels: bool = False, vae_width: int = VAE["width"]) -> nn.Module:
    """One of the tiny networks with its seeded weights. name: of its folder."""
    build, config = PARTS[name]
    with torch.device("meta"):
        network = build(read_config(config, document(name, has_labels=has_labels, vae_width=vae_width), name)).eval()
    network.load_state_dict(seeded_weights(network), assign=True)
    return network.requires_grad_(False)


def save_checkpoint(folder: Path, *, has_labels: bool = False, vae_width: int = VAE["width"]) -> None:
    """The whole folder, less than 5 MB. Its shapes are rounded bodies that the latents only ruffle."""
    for name in PARTS if has_labels else (name for name in PARTS if name != "label_encoder"):
        weights = seeded(name, has_labels=has_labels, vae_width=vae_width).state_dict()
        if name == "vae":
            weights |= _body_field(weights)
        if name == "visual_encoder" and has_labels:  # published files carry CLIP's text half too
            weights |= {"clip_model.logit_scale": torch.zeros(()), "clip_model.text_model.x": torch.zeros(3)}
        (folder / name).mkdir(parents=True, exist_ok=True)
        save_file(weights, folder / name / WEIGHTS_NAME)
        config = document(name, has_labels=has_labels, vae_width=vae_width)
        (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER), encoding="utf-8")
    (folder / "model_index.json").write_text(json.dumps(INDEX), encoding="utf-8")


def _body_field(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Channel 0 of every query: an upright rounded body of half widths 0.35, 0.8, 0.25; two channels hold the norm
    still; the latents' share is damped.
    """
    frequencies = VAE["num_freqs"]
    cosines = 3 + 3 * frequencies  # the first cosine of x in the features: the point, its sines, its cosines
    query = torch.zeros_like(weights["decoder.query_proj.weight"])
    bias = torch.zeros_like(weights["decoder.query_proj.bias"])
    wave = 1  # cos 2x falls from 1 at the middle to about 0 at the cube's side
    for axis, half_width in enumerate((0.35, 0.8, 0.25)):
        drop = 1 - float(np.cos(2**wave * half_width))
        query[0, cosines + axis * frequencies + wave] = 1 / drop
        bias[0] += 1 - 1 / drop
    bias[0] -= 2.0
    bias[1], bias[2] = 20.0, -20.0
    changed = {"decoder.query_proj.weight": query, "decoder.query_proj.bias": bias}
    changed["decoder.ln_post.weight"] = torch.ones_like(weights["decoder.ln_post.weight"])
    changed["decoder.ln_post.bias"] = torch.zeros_like(weights["decoder.ln_post.bias"])
    output = torch.zeros_like(weights["decoder.output_proj.weight"])
    output[0, 0] = 5.0
    changed["decoder.output_proj.weight"] = output
    changed["decoder.output_proj.bias"] = torch.zeros_like(weights["decoder.output_proj.bias"])
    for key in ("attn.c_proj", "mlp.c_proj"):
        for part in ("weight", "bias"):
            name = f"decoder.cross_attn_decoder.{key}.{part}"
            changed[name] = 0.05 * weights[name]
    return changed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", action="store_true")
    options = parser.parse_args()
    save_checkpoint(options.folder, has_labels=options.labels)
