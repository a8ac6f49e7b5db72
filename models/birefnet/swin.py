# SPDX-License-Identifier: GPL-3.0-or-later
"""Swin transformer (Liu et al. 2021, arXiv 2103.14030) as a backbone for pictures of any size; official key names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.birefnet.config import SwinConfig

PATCH = 4  # pixels of a token's side
MLP_RATIO = 4


class SwinTransformer(nn.Module):
    """(B, 3, H, W) → four feature maps: (B, C, H/4, W/4), (B, 2C, H/8, W/8), (B, 4C, H/16, W/16), (B, 8C, H/32, W/32).

    Sides that do not divide are padded with zeros and rounded up.
    """

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        widths = [config.embed_dim << stage for stage in range(4)]
        self.patch_embed = PatchEmbed(config.embed_dim)
        self.layers = nn.ModuleList(
            SwinStage(width, depth, heads, config.window_size, has_downsample=stage < 3)
            for stage, (width, depth, heads) in enumerate(zip(widths, config.depths, config.num_heads, strict=True))
        )
        for stage, width in enumerate(widths):
            self.add_module(f"norm{stage}", nn.LayerNorm(width))

    def forward(self, x: Tensor) -> list[Tensor]:  # (B, 3, H, W)
        tokens = self.patch_embed(x)
        features = []
        for stage, layer in enumerate(self.layers):
            seen, tokens = layer(tokens)
            norm = self.get_submodule(f"norm{stage}")
            features.append(norm(seen).permute(0, 3, 1, 2).contiguous())
        return features


class PatchEmbed(nn.Module):
    """(B, 3, H, W) → (B, ⌈H/4⌉, ⌈W/4⌉, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, -x.shape[3] % PATCH, 0, -x.shape[2] % PATCH))
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class SwinStage(nn.Module):
    """Blocks that look through windows, every other one shifted by half a window; then half the side, twice the width.

    (B, H, W, C) → the same shape, and (B, ⌈H/2⌉, ⌈W/2⌉, 2C) for the next stage (the last stage gives its result twice).
    """

    def __init__(self, width: int, depth: int, heads: int, window: int, has_downsample: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(width, heads, window, shift=window // 2 if block % 2 else 0) for block in range(depth)
        )
        self.downsample = PatchMerging(width) if has_downsample else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            x = block(x)
        return x, x if self.downsample is None else self.downsample(x)


class SwinBlock(nn.Module):
    """Attention inside windows and a two-layer perceptron, each with a norm before and a way around. (B, H, W, C)."""

    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, -width % self.window, 0, -height % self.window))
        padded = x.shape[1:3]
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        mask = shifted_window_mask(padded[0], padded[1], self.window, self.shift, x) if self.shift else None
        x = join_windows(self.attn(split_windows(x, self.window), mask), self.window, *padded)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), dims=(1, 2))
        return x[:, :height, :width]


class WindowAttention(nn.Module):
    """Attention among the tokens of each window, with a learnt bias for each displacement. (B·windows, N, C)."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.relative_position_index: Tensor
        self.register_buffer("relative_position_index", relative_positions(window))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:  # mask: (windows, N, N), 0 or −inf
        count, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(count, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        bias = bias.reshape(1, tokens, tokens, self.heads).permute(0, 3, 1, 2)  # (1, heads, N, N)
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(count // len(mask), 1, 1, 1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.proj(x.transpose(1, 2).reshape(count, tokens, width))


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class PatchMerging(nn.Module):
    """Four neighbours become one token of twice the width. (B, H, W, C) → (B, ⌈H/2⌉, ⌈W/2⌉, 2C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = (x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2])
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


def relative_positions(window: int) -> Tensor:
    """Which row of the bias table belongs to a pair of a window's tokens: (N, N) int64, N = window²."""
    axis = torch.arange(window)
    places = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).flatten(1)  # (2, N)
    apart = places[:, :, None] - places[:, None, :] + window - 1
    return apart[0] * (2 * window - 1) + apart[1]


def split_windows(x: Tensor, window: int) -> Tensor:
    """(B, H, W, C) → (B·windows, window², C), windows in row-major order."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(-1, window * window, channels)


def join_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """The inverse of `split_windows`: (B·windows, window², C) → (B, H, W, C)."""
    x = windows.reshape(-1, height // window, width // window, window, window, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


def shifted_window_mask(height: int, width: int, window: int, shift: int, like: Tensor) -> Tensor:
    """What tokens of a shifted window may see: 0 within a region, −inf across. (windows, window², window²)."""
    regions = [torch.zeros(side, device=like.device) for side in (height, width)]
    for side in regions:
        side[-window:-shift] = 1
        side[-shift:] = 2
    region = 3 * regions[0][:, None] + regions[1][None, :]
    region = split_windows(region[None, :, :, None], window)[..., 0]  # (windows, window²)
    differs = region[:, :, None] != region[:, None, :]
    return torch.zeros(differs.shape, dtype=like.dtype, device=like.device).masked_fill(differs, float("-inf"))
