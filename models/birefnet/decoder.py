# SPDX-License-Identifier: GPL-3.0-or-later
"""BiRefNet's decoder: coarse to fine, the picture itself shown at each level; official key names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.birefnet.config import BiRefNetConfig
from models.birefnet.deformable import DeformableConv2d

# Tiles of the picture that are stacked at levels 5 (coarsest) to 1, as a share of the side.
TILES = {5: 32, 4: 16, 3: 8, 2: 4, 1: 1}


def resize(x: Tensor, like: Tensor) -> Tensor:
    """x (B, C, ·, ·) at the height and width of `like`, bilinear, corners on corners."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def stack_tiles(picture: Tensor, like: Tensor) -> Tensor:
    """Cut the picture into tiles of the size of `like` and stack them as channels.

    picture: (B, C, m·h, n·w), like: (·, ·, h, w). Returns (B, C·m·n, h, w); the picture's channel counts slowest.
    """
    batch, channels, height, width = picture.shape
    h, w = like.shape[-2:]
    tiles = picture.reshape(batch, channels, height // h, h, width // w, w)
    return tiles.permute(0, 1, 2, 4, 3, 5).reshape(batch, -1, h, w)


class DeformableBranch(nn.Module):
    """A deformable convolution, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.atrous_conv = DeformableConv2d(channels_in, channels_out, kernel)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.atrous_conv(x)))


class DeformableASPP(nn.Module):
    """Spatial pyramid pooling whose branches are deformable convolutions of growing kernels and the picture's mean."""

    def __init__(self, channels: int, config: BiRefNetConfig) -> None:
        super().__init__()
        width = config.aspp_channels
        self.aspp1 = DeformableBranch(channels, width, 1)
        self.aspp_deforms = nn.ModuleList(DeformableBranch(channels, width, kernel) for kernel in config.aspp_kernels)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.conv1 = nn.Conv2d((2 + len(config.aspp_kernels)) * width, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.aspp1(x), *(branch(x) for branch in self.aspp_deforms)]
        branches.append(resize(self.global_avg_pool(x), x))
        return F.relu(self.bn1(self.conv1(torch.cat(branches, dim=1))))


class DecoderBlock(nn.Module):
    """3 × 3 convolution to few channels, deformable pyramid, 3 × 3 convolution. (B, in, H, W) → (B, out, H, W)."""

    def __init__(self, channels_in: int, channels_out: int, config: BiRefNetConfig) -> None:
        super().__init__()
        width = config.decoder_channels
        self.conv_in = nn.Conv2d(channels_in, width, 3, padding=1)
        self.bn_in = nn.BatchNorm2d(width)
        self.dec_att = DeformableASPP(width, config)
        self.conv_out = nn.Conv2d(width, channels_out, 3, padding=1)
        self.bn_out = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn_out(self.conv_out(self.dec_att(F.relu(self.bn_in(self.conv_in(x))))))


class LateralBlock(nn.Module):
    """A 1 × 1 convolution of the encoder's features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ImageBlock(nn.Module):
    """Two 3 × 3 convolutions of the stacked tiles of the picture, with nothing between."""

    def __init__(self, channels_in: int, channels_out: int, config: BiRefNetConfig) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, config.image_channels, 3, padding=1)
        self.conv_out = nn.Conv2d(config.image_channels, channels_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv1(x))


class Decoder(nn.Module):
    """(picture, x1, x2, x3, x4) → logits (B, 1, H, W).

    picture: (B, 3, H, W); x1…x4: (B, stage_channels[i], H/4…H/32, W/4…W/32), x4 already squeezed. H and W are
    multiples of 32.
    `conv_ms_spvn_*` and `gdt_convs_pred_*` serve training alone: they are read with the checkpoint and not used.
    """

    def __init__(self, config: BiRefNetConfig) -> None:
        super().__init__()
        finest, fine, coarse, coarsest = config.stage_channels
        shown = {5: coarsest // 8, 4: coarsest // 8, 3: coarse // 8, 2: fine // 8, 1: finest // 8}
        for level, channels in shown.items():
            self.add_module(f"ipt_blk{level}", ImageBlock(3 * TILES[level] ** 2, channels, config))
        outs = {4: coarse, 3: fine, 2: finest, 1: finest // 2}
        ins = {4: coarsest, 3: coarse, 2: fine, 1: finest}
        for level in (4, 3, 2, 1):
            self.add_module(f"decoder_block{level}", DecoderBlock(ins[level] + shown[level + 1], outs[level], config))
        for level in (4, 3, 2):
            self.add_module(f"lateral_block{level}", LateralBlock(outs[level]))
            self.add_module(f"gdt_convs_{level}", _gate_features(outs[level], config.gate_channels))
            self.add_module(f"gdt_convs_attn_{level}", nn.Sequential(nn.Conv2d(config.gate_channels, 1, 1)))
            self.add_module(f"gdt_convs_pred_{level}", nn.Sequential(nn.Conv2d(config.gate_channels, 1, 1)))
            self.add_module(f"conv_ms_spvn_{level}", nn.Conv2d(outs[level], 1, 1))
        self.conv_out1 = nn.Sequential(nn.Conv2d(outs[1] + shown[1], 1, 1))

    def forward(self, picture: Tensor, x1: Tensor, x2: Tensor, x3: Tensor, x4: Tensor) -> Tensor:
        p = self._refine(4, self._show(5, picture, x4))
        p = self._refine(3, self._show(4, picture, self._join(4, p, x3)))
        p = self._refine(2, self._show(3, picture, self._join(3, p, x2)))
        p = self.get_submodule("decoder_block1")(self._show(2, picture, self._join(2, p, x1)))
        return self.conv_out1(self._show(1, picture, resize(p, picture)))

    def _show(self, level: int, picture: Tensor, x: Tensor) -> Tensor:
        """x with the picture's tiles beside it, more channels."""
        return torch.cat((x, self.get_submodule(f"ipt_blk{level}")(stack_tiles(picture, x))), dim=1)

    def _refine(self, level: int, x: Tensor) -> Tensor:
        """One decoder block, then its own gate."""
        p = self.get_submodule(f"decoder_block{level}")(x)
        gate = self.get_submodule(f"gdt_convs_attn_{level}")(self.get_submodule(f"gdt_convs_{level}")(p))
        return p * torch.sigmoid(gate)

    def _join(self, level: int, p: Tensor, x: Tensor) -> Tensor:
        """The coarser level's result at the size of the encoder's features x, added to them."""
        return resize(p, x) + self.get_submodule(f"lateral_block{level}")(x)


def _gate_features(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
