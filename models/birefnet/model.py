# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: normalised picture in, logits out; official key names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.birefnet.config import BiRefNetConfig
from models.birefnet.decoder import Decoder, DecoderBlock, resize
from models.birefnet.swin import SwinTransformer

SIDE_STEP = 32  # pixels: height and width must be multiples of it


class BiRefNet(nn.Module):
    """ImageNet-normalised RGB (B, 3, H, W) → logits (B, 1, H, W), whose sigmoid is alpha. Sides: multiples of 32."""

    def __init__(self, config: BiRefNetConfig) -> None:
        super().__init__()
        channels = config.stage_channels
        self.bb = SwinTransformer(config.backbone)
        self.squeeze_module = nn.Sequential(DecoderBlock(sum(channels), channels[-1], config))
        self.decoder = Decoder(config)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % SIDE_STEP or x.shape[3] % SIDE_STEP:
            raise ValueError(f"BiRefNet wants multiples of {SIDE_STEP} as sides, not {x.shape[3]} × {x.shape[2]}.")
        half = F.interpolate(x, size=(x.shape[2] // 2, x.shape[3] // 2), mode="bilinear", align_corners=True)
        scales = zip(self.bb(x), self.bb(half), strict=True)
        x1, x2, x3, x4 = (torch.cat((whole, resize(small, whole)), dim=1) for whole, small in scales)
        x4 = self.squeeze_module(torch.cat((resize(x1, x4), resize(x2, x4), resize(x3, x4), x4), dim=1))
        return self.decoder(x, x1, x2, x3, x4)
