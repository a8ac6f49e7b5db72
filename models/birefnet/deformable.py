# SPDX-License-Identifier: GPL-3.0-or-later
"""Modulated deformable convolution (Zhu et al. 2019, arXiv 1811.11168) in plain torch, where wheels have no kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DeformableConv2d(nn.Module):
    """A convolution whose taps move by learnt offsets and are weighed by learnt modulators.

    Input and output: (B, C, H, W) float. Stride 1, the same size, no bias.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        padding = kernel // 2
        taps = kernel * kernel
        self.offset_conv = nn.Conv2d(channels_in, 2 * taps, kernel, padding=padding)
        self.modulator_conv = nn.Conv2d(channels_in, taps, kernel, padding=padding)
        self.regular_conv = nn.Conv2d(channels_in, channels_out, kernel, padding=padding, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        offset = self.offset_conv(x)
        modulator = 2 * torch.sigmoid(self.modulator_conv(x))
        return deform_conv2d(x, self.regular_conv.weight, offset, modulator)


def deform_conv2d(x: Tensor, weight: Tensor, offset: Tensor, modulator: Tensor) -> Tensor:
    """Convolve with displaced, modulated taps; zeros outside the picture.

    x: (B, C, H, W). weight: (O, C, K, K), K odd. offset: (B, 2·K·K, H, W) in pixels, (dy, dx) of each tap, taps in
    row-major order. modulator: (B, K·K, H, W). Returns (B, O, H, W).
    One bilinear sampling a tap: the memory needed does not grow with the kernel.
    """
    height, width = x.shape[-2:]
    kernel = weight.shape[-1]
    # Positions in half precision would be off by pixels.
    rows = torch.arange(height, device=x.device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=x.device, dtype=torch.float32)[None, :]
    out = x.new_zeros(x.shape[0], weight.shape[0], height, width)
    for tap in range(kernel * kernel):
        tap_row, tap_column = divmod(tap, kernel)
        y = rows + (tap_row - kernel // 2) + offset[:, 2 * tap].float()
        x_position = columns + (tap_column - kernel // 2) + offset[:, 2 * tap + 1].float()
        # grid_sample counts from −1 to 1 over the outer edges of the outer pixels.
        grid = torch.stack(((2 * x_position + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
        sampled = F.grid_sample(x, grid.to(x.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)
        out += F.conv2d(sampled * modulator[:, tap : tap + 1], weight[:, :, tap_row, tap_column, None, None])
    return out
