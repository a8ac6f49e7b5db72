# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny checkpoints in UniRig's layout: one writes the skeleton that it was made for, the other binds by distance.

The way through is real, the skill is not.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.unirig.config import skeleton_config
from models.unirig.skeleton import POSITION_OFFSET, SkeletonNetwork
from models.unirig.skin import SkinNetwork
from models.unirig.skin_config import skin_config
from models.unirig.tokenizer import encode

SKELETON_ID, SKIN_ID = "unirig-skeleton", "unirig-skin"
ENCODER = {
    "__target__": "michelangelo_encoder",
    "width": 12,
    "heads": 3,
    "num_encoder_layers": 1,
    "num_freqs": 8,
    "point_feats": 3,
    "qkv_bias": False,
    "token_num": 8,
}
WIDTH = 48
SKELETON_CONFIG = {
    "llm": {
        "hidden_size": WIDTH,
        "word_embed_proj_dim": WIDTH,
        "max_position_embeddings": 240,
        "opt_config": {"num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 8},
    },
    "mesh_encoder": ENCODER,
    "vocab_size": 267,
}
SKIN_CONFIG = {
    "mesh_encoder": {
        "__target__": "ptv3obj",
        "in_channels": 9,
        "enc_depths": [1, 1],
        "enc_channels": [4, 8],
        "enc_num_head": [1, 2],
        "enc_patch_size": [256, 256],
    },
    "global_encoder": ENCODER,
    "num_train_vertex": 8192,
    "num_heads": 2,
    "feat_dim": 8,
    "grid_size": 0.02,
    "mlp_dim": 8,
    "num_bone_attn": 1,
    "num_mesh_bone_attn": 1,
    "bone_embed_dim": 8,
    "voxel_mask": 3.0,
}
SURE = 8.0  # gain of the last norm: the token that is meant is all but certain

# In the box of a standing figure, longest side −1 to 1, Blender's frame (+Z up, faces −Y).
JOINTS = np.array(
    [
        *([0, 0, -0.05], [0, 0, 0.15], [0, 0, 0.3], [0, 0, 0.5], [0, 0, 0.6]),
        *([0.12, 0, -0.1], [0.13, -0.03, -0.5], [0.13, 0, -0.88], [0.13, -0.1, -0.95]),
        *([-0.12, 0, -0.1], [-0.13, -0.03, -0.5], [-0.13, 0, -0.88], [-0.13, -0.1, -0.95]),
        *([0.06, 0, 0.42], [0.18, 0, 0.42], [0.3, 0.03, 0.2], [0.38, 0, 0.0]),
        *([-0.06, 0, 0.42], [-0.18, 0, 0.42], [-0.3, 0.03, 0.2], [-0.38, 0, 0.0]),
    ]
)
PARENTS = np.array([-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 2, 13, 14, 15, 2, 17, 18, 19])


def save_tiny_unirig(home: Path, joints: np.ndarray = JOINTS, parents: np.ndarray = PARENTS) -> None:
    """Put both sets into the data folder, with the configurations that they need."""
    save_dictated(home / "weights" / SKELETON_ID, encode(joints, parents, "articulationxl", {0: None})[2:])
    network = SkinNetwork(skin_config(SKIN_CONFIG))
    _save(home / "weights" / SKIN_ID, {key: _value(key, x) for key, x in network.state_dict().items()}, SKIN_CONFIG)


def save_dictated(folder: Path, tokens: np.ndarray) -> None:
    """A network whose every position asks for one token, whatever was written before. tokens: behind bos and class."""
    network = SkeletonNetwork(skeleton_config(SKELETON_CONFIG))
    weights = {key: torch.zeros_like(tensor) for key, tensor in network.state_dict().items()}
    for key in weights:
        if "ln_" in key or "norm" in key:
            weights[key] += 1.0 if key.endswith("weight") else 0.0
    words = torch.randn(SKELETON_CONFIG["vocab_size"], WIDTH, generator=torch.Generator().manual_seed(0))
    words /= words.norm(dim=1, keepdim=True)
    decoder = "transformer.model.decoder."
    weights[f"{decoder}final_layer_norm.weight"] *= SURE
    weights[f"{decoder}embed_tokens.weight"] = words
    weights["transformer.lm_head.weight"] = words.clone()
    first = ENCODER["token_num"] + 1 + POSITION_OFFSET  # the class stands there; what comes behind it is asked for
    weights[f"{decoder}embed_positions.weight"][first : first + len(tokens)] = 30 * words[tokens]
    _save(folder, weights, SKELETON_CONFIG)


def _save(folder: Path, weights: dict[str, Tensor], config: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({f"model.{key}": tensor.contiguous() for key, tensor in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _value(key: str, tensor: nn.Parameter | Tensor) -> Tensor:
    """Small weights: what is predicted is nearly even among bones, and the prior decides."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    noise = torch.randn(tensor.shape, generator=generator)
    if tensor.ndim == 1:
        return noise * 0.1 + (1.0 if key.endswith(("weight", "running_var")) else 0.0)
    return noise / math.sqrt(math.prod(tensor.shape[1:]))
