# SPDX-License-Identifier: GPL-3.0-or-later
"""Widths of UniRig's skin network: the published ones, and what an official configuration says about others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.unirig.config import PUBLISHED_ENCODER, ConfigUnknown, PointEncoderConfig, encoder_config, take_known
from models.unirig.point_transformer import PointTransformerConfig


@dataclass(frozen=True)
class SkinConfig:
    """feat_dim: width of points and bones. grid_size: side of a voxel. mlp_dim: width of the last perceptron.
    num_bone_attn, num_mesh_bone_attn: blocks in which bones, then points, look at bones and shape. bone_embed_dim: of a
    bone's place. voxel_mask: the power of the prior. num_train_vertex: points that are decoded together.
    """

    mesh_encoder: PointTransformerConfig
    global_encoder: PointEncoderConfig
    feat_dim: int
    num_heads: int
    grid_size: float
    mlp_dim: int
    num_bone_attn: int
    num_mesh_bone_attn: int
    bone_embed_dim: int
    voxel_mask: float
    num_train_vertex: int


# skin/articulation-xl of VAST-AI/UniRig
PUBLISHED_SKIN = SkinConfig(
    mesh_encoder=PointTransformerConfig(
        in_channels=9,
        depths=(3, 3, 3, 6, 16),
        channels=(32, 64, 128, 256, 384),
        heads=(2, 4, 8, 16, 24),
        patch=1024,
    ),
    global_encoder=PUBLISHED_ENCODER,
    feat_dim=768,
    num_heads=16,
    grid_size=0.005,
    mlp_dim=512,
    num_bone_attn=8,
    num_mesh_bone_attn=16,
    bone_embed_dim=1024,
    voxel_mask=3.0,
    num_train_vertex=512,
)

_UNUSED_BY_POINTS = {"pretrained_path", "freeze_encoder", "shuffle_orders", "drop_path"}
_FIXED_OF_POINTS = {
    "__target__": "ptv3obj",
    "cls_mode": False,
    "upcast_attention": False,
    "upcast_softmax": False,
    "enable_qknorm": True,
    "layer_norm": False,
    "res_linear": True,
}


def point_transformer_config(document: Mapping[str, Any]) -> PointTransformerConfig:
    """Read the official `mesh_encoder` of the skin network. Raises ConfigUnknown."""
    wanted = ("in_channels", "enc_depths", "enc_channels", "enc_num_head", "enc_patch_size")
    values = take_known(document, wanted, _FIXED_OF_POINTS, _UNUSED_BY_POINTS, "the point transformer")
    stages = [tuple(values[name]) for name in wanted[1:]]
    if len({len(stage) for stage in stages}) != 1 or len(set(stages[3])) != 1:
        raise ConfigUnknown("A point transformer whose stages have patches of different sizes is not supported.")
    depths, channels, heads, patches = stages
    return PointTransformerConfig(values["in_channels"], depths, channels, heads, patches[0])


def skin_config(document: Mapping[str, Any]) -> SkinConfig:
    """Read the official configuration of the skin network. Raises ConfigUnknown."""
    names = tuple(SkinConfig.__dataclass_fields__)
    values = take_known(document, names, {"__target__": "unirig_skin"}, set(), "the skin network")
    parts = {
        "mesh_encoder": point_transformer_config(values["mesh_encoder"]),
        "global_encoder": encoder_config(values["global_encoder"]),
    }
    return SkinConfig(**(values | parts))
