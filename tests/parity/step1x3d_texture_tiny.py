# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny checkpoints of the texture half in the published layouts: SDXL's folder, its autoencoder, and the added file.

python -m tests.parity.step1x3d_texture_tiny FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from models.step1x3d.texture.denoiser import SDXL_UNET, MultiViewDenoiser
from tests.parity.seeded import plain_weights

WORDS, MORE_WORDS, POOLED = 12, 20, 10  # widths of the two text encoders, and of the second one's summary
TIME_IDS = 6
TIME_WIDTH = 4
UNET = SDXL_UNET | {
    "block_out_channels": [8, 16, 16],
    "attention_head_dim": [2, 2, 4],
    "cross_attention_dim": WORDS + MORE_WORDS,
    "addition_time_embed_dim": TIME_WIDTH,
    "projection_class_embeddings_input_dim": POOLED + TIME_IDS * TIME_WIDTH,
    "transformer_layers_per_block": [1, 1, 1],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 16,
}
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
LETTERS = [chr(code) for code in range(33, 127)]


def save_base(folder: Path) -> None:
    """In SDXL's layout, half precision: unet, two text encoders, two tokenizers."""
    network = MultiViewDenoiser(UNET)
    weights = {key: x for key, x in plain_weights(network).items() if key.startswith("unet.") and not _is_added(key)}
    unet = folder / "unet"
    unet.mkdir(parents=True)
    (unet / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel", **UNET}))
    halves = {key.removeprefix("unet."): x.half() for key, x in weights.items()}
    save_file(halves, unet / "diffusion_pytorch_model.fp16.safetensors")
    for suffix, kind, width in (("", CLIPTextModel, WORDS), ("_2", CLIPTextModelWithProjection, MORE_WORDS)):
        tokens = save_tokenizer(folder / f"tokenizer{suffix}")
        config = CLIPTextConfig(
            vocab_size=tokens,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            projection_dim=POOLED,
            bos_token_id=tokens - 2,
            eos_token_id=tokens - 1,
        )
        torch.manual_seed(width)
        kind(config).half().save_pretrained(folder / f"text_encoder{suffix}", variant="fp16")


def save_tokenizer(folder: Path) -> int:
    """CLIP's, which knows single letters only; the number of tokens."""
    folder.mkdir(parents=True)
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), *SPECIAL]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    first, last = SPECIAL
    special = {"bos_token": first, "eos_token": last, "unk_token": last, "pad_token": last}
    told = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return len(tokens)


def save_vae(folder: Path) -> None:
    """An autoencoder that makes one latent cell of 8 × 8 pixels."""
    torch.manual_seed(5)
    blocks = 4
    AutoencoderKL(
        block_out_channels=(4,) * blocks,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        scaling_factor=0.13025,
    ).save_pretrained(folder)


def save_added(path: Path) -> None:
    """The one file of Step1X-3D's texture half."""
    weights = plain_weights(MultiViewDenoiser(UNET))
    added = {
        key.removeprefix("adapter." if key.startswith("adapter.") else "unet."): x
        for key, x in weights.items()
        if _is_added(key)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(added, path)


def _is_added(key: str) -> bool:
    return key.startswith("adapter.") or "_mv." in key or "_ref." in key


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args().folder
    save_base(chosen / "base")
    save_vae(chosen / "vae")
    save_added(chosen / "step1x-3d-ig2v.safetensors")
