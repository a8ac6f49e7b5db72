# SPDX-License-Identifier: GPL-3.0-or-later
"""Widths of UniRig's networks: the published ones, and what an official configuration says about others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.common.checkpoint import CheckpointError


class ConfigUnknown(CheckpointError):
    """A configuration asks for what this implementation does not do, or lacks what it needs."""


@dataclass(frozen=True)
class PointEncoderConfig:
    """The network that reads a point cloud into `token_num` latents. num_freqs: octaves of each coordinate.
    point_feats: features beside the place (a normal has 3). num_encoder_layers: of self-attention.
    """

    width: int
    heads: int
    num_encoder_layers: int
    num_freqs: int
    point_feats: int
    qkv_bias: bool
    token_num: int


@dataclass(frozen=True)
class DecoderConfig:
    """The OPT decoder that writes tokens. max_positions: the longest prefix and sequence together."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    ffn_dim: int
    max_positions: int


@dataclass(frozen=True)
class SkeletonConfig:
    """The network from points to tokens of bones."""

    encoder: PointEncoderConfig
    decoder: DecoderConfig


PUBLISHED_ENCODER = PointEncoderConfig(
    width=512, heads=8, num_encoder_layers=16, num_freqs=8, point_feats=3, qkv_bias=False, token_num=1024
)
# skeleton/articulation-xl_quantization_256 of VAST-AI/UniRig
PUBLISHED_SKELETON = SkeletonConfig(
    encoder=PUBLISHED_ENCODER,
    decoder=DecoderConfig(
        vocab_size=267,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        ffn_dim=4096,
        max_positions=3076,
    ),
)

# What the official files say about training, and about parts that do not run at inference.
_UNUSED_BY_ENCODER = {
    *("pretrained_path", "freeze_encoder", "device", "dtype", "num_latents", "embed_dim", "init_scale"),
    *("use_checkpoint", "flash", "supervision_type"),
}
_FIXED_OF_ENCODER = {
    "__target__": "michelangelo_encoder",
    "include_pi": False,
    "use_ln_post": True,
    "query_method": False,
}
_UNUSED_BY_LLM = {"pretrained_model_name_or_path", "n_positions", "_attn_implementation"}
_UNUSED_BY_OPT = {"pad_token_id", "bos_token_id", "eos_token_id"}
_FIXED_OF_OPT = {
    "activation_function": "relu",
    "layer_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "enable_bias": True,
}


def encoder_config(document: Mapping[str, Any]) -> PointEncoderConfig:
    """Read the official `mesh_encoder` or `global_encoder`. Raises ConfigUnknown."""
    names = tuple(PointEncoderConfig.__dataclass_fields__)
    values = take_known(document, names, _FIXED_OF_ENCODER, _UNUSED_BY_ENCODER, "the point encoder")
    return PointEncoderConfig(**values)


def skeleton_config(document: Mapping[str, Any]) -> SkeletonConfig:
    """Read the official configuration of the skeleton's network, with OPT's own values under `llm.opt_config`.

    Raises ConfigUnknown.
    """
    parts = take_known(document, ("llm", "mesh_encoder", "vocab_size"), {}, set(), "the skeleton's network")
    wanted = ("hidden_size", "word_embed_proj_dim", "max_position_embeddings", "opt_config")
    llm = take_known(parts["llm"], wanted, {"do_layer_norm_before": True}, _UNUSED_BY_LLM, "the language model")
    wanted = ("num_hidden_layers", "num_attention_heads", "ffn_dim")
    opt = take_known(llm["opt_config"], wanted, _FIXED_OF_OPT, _UNUSED_BY_OPT, "OPT")
    if llm["word_embed_proj_dim"] != llm["hidden_size"]:
        raise ConfigUnknown("OPT with embeddings of another width than its layers is not supported.")
    decoder = DecoderConfig(
        vocab_size=parts["vocab_size"],
        hidden_size=llm["hidden_size"],
        max_positions=llm["max_position_embeddings"],
        **opt,
    )
    return SkeletonConfig(encoder_config(parts["mesh_encoder"]), decoder)


def take_known(
    document: Mapping[str, Any], wanted: tuple[str, ...], fixed: Mapping[str, Any], unused: set[str], what: str
) -> dict[str, Any]:
    """The wanted members; every other must be unused here or have its one supported value."""
    missing = [name for name in wanted if name not in document]
    if missing:
        raise ConfigUnknown(f"The configuration of {what} lacks {', '.join(missing)}.")
    for name, value in document.items():
        if name in fixed and value != fixed[name]:
            raise ConfigUnknown(f"{what.capitalize()} with {name} = {value!r} is not supported.")
        if name not in {*wanted, *fixed, *unused}:
            raise ConfigUnknown(f"The configuration of {what} has an unknown {name}.")
    return {name: document[name] for name in wanted}
