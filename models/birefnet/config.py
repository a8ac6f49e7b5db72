# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of the published networks. One architecture; the backbone and the picture's side differ."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SwinConfig:
    """A Swin transformer: width of the first stage, blocks and heads of each of the four stages, side of a window."""

    embed_dim: int
    depths: tuple[int, int, int, int]
    num_heads: tuple[int, int, int, int]
    window_size: int


@dataclass(frozen=True)
class BiRefNetConfig:
    """Every width of the network. `stage_channels` follow from the backbone: two scales are concatenated."""

    backbone: SwinConfig
    aspp_channels: int
    aspp_kernels: tuple[int, ...]
    decoder_channels: int
    image_channels: int
    gate_channels: int

    @property
    def stage_channels(self) -> tuple[int, int, int, int]:
        """Channels of the encoder's features, finest first; both scales together."""
        width = 2 * self.backbone.embed_dim
        return width, 2 * width, 4 * width, 8 * width


SWIN_TINY = SwinConfig(96, (2, 2, 6, 2), (3, 6, 12, 24), 7)
SWIN_LARGE = SwinConfig(192, (2, 2, 18, 2), (6, 12, 24, 48), 12)


def published(backbone: SwinConfig) -> BiRefNetConfig:
    """The network with the widths that the reference gives every published checkpoint."""
    return BiRefNetConfig(
        backbone=backbone,
        aspp_channels=256,
        aspp_kernels=(1, 3, 7),
        decoder_channels=64,
        image_channels=64,
        gate_channels=16,
    )


LITE = published(SWIN_TINY)
GENERAL = published(SWIN_LARGE)


def config_of(shapes: Mapping[str, Sequence[int]]) -> BiRefNetConfig:
    """The network that a checkpoint is of, told from the shapes of its tensors: general, lite, matting, toon and so on.

    shapes: key → shape. Raises KeyError with the key that a BiRefNet would have and this checkpoint has not.
    """
    depths = tuple(_count(shapes, rf"bb\.layers\.{stage}\.blocks\.(\d+)\.norm1\.weight") for stage in range(4))
    tables = [shapes[f"bb.layers.{stage}.blocks.0.attn.relative_position_bias_table"] for stage in range(4)]
    backbone = SwinConfig(
        embed_dim=shapes["bb.patch_embed.proj.weight"][0],
        depths=depths,
        num_heads=tuple(table[1] for table in tables),
        window_size=(math.isqrt(tables[0][0]) + 1) // 2,
    )
    pyramid = "squeeze_module.0.dec_att.aspp_deforms"
    branches = _count(shapes, pyramid.replace(".", r"\.") + r"\.(\d+)\.bn\.weight")
    regular = [shapes[f"{pyramid}.{branch}.atrous_conv.regular_conv.weight"] for branch in range(branches)]
    return BiRefNetConfig(
        backbone=backbone,
        aspp_channels=shapes["squeeze_module.0.dec_att.aspp1.bn.weight"][0],
        aspp_kernels=tuple(shape[-1] for shape in regular),
        decoder_channels=shapes["squeeze_module.0.conv_in.weight"][0],
        image_channels=shapes["decoder.ipt_blk5.conv1.weight"][0],
        gate_channels=shapes["decoder.gdt_convs_4.0.weight"][0],
    )


def _count(shapes: Mapping[str, Sequence[int]], pattern: str) -> int:
    return sum(re.fullmatch(pattern, key) is not None for key in shapes)
