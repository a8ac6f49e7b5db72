# SPDX-License-Identifier: GPL-3.0-or-later
"""A point cloud read into latents (3DShape2VecSet, Zhang et al. 2023, arXiv 2301.11445): points that lie far apart ask
all points, then each other. Key names of the published checkpoints.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.common.farthest_points import farthest_points
from models.common.fourier import fourier_features, octaves
from models.unirig.config import PointEncoderConfig

MLP_RATIO = 4
# Candidates for each query; a quarter of them, the farthest apart, are kept.
CANDIDATES = 4
_CANDIDATE_SEED = 0


class PointEncoder(nn.Module):
    """(points (N, 3), normals (N, 3), queries (Q,)) → latents (1, Q, width).

    points: in [−1, 1]. queries: which points ask, as `choose_queries` gives them; the latents keep their order.
    """

    def __init__(self, config: PointEncoderConfig) -> None:
        super().__init__()
        self.num_freqs = config.num_freqs
        embedded = 3 * (2 * config.num_freqs + 1) + config.point_feats
        self.input_proj = nn.Linear(embedded, config.width)
        self.cross_attn = CrossBlock(config)
        self.self_attn = nn.ModuleDict(
            {"resblocks": nn.ModuleList(SelfBlock(config) for _ in range(config.num_encoder_layers))}
        )
        self.ln_post = nn.LayerNorm(config.width)

    def forward(self, points: Tensor, normals: Tensor, queries: Tensor) -> Tensor:
        embedded = torch.cat((embed_fourier(points, self.num_freqs), normals), dim=-1)
        data = self.input_proj(embedded.to(self.input_proj.weight.dtype))[None]  # (1, N, width)
        x = self.cross_attn(data[:, queries], data)
        for block in self.self_attn["resblocks"]:
            x = block(x)
        return self.ln_post(x)


class CrossBlock(nn.Module):
    """Queries (1, Q, C) and data (1, N, C) → (1, Q, C)."""

    def __init__(self, config: PointEncoderConfig) -> None:
        super().__init__()
        self.attn = CrossAttention(config)
        self.ln_1 = nn.LayerNorm(config.width)
        self.ln_2 = nn.LayerNorm(config.width)
        self.mlp = Mlp(config.width)
        self.ln_3 = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, data: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x), self.ln_2(data))
        return x + self.mlp(self.ln_3(x))


class SelfBlock(nn.Module):
    """Latents (1, Q, C) → (1, Q, C)."""

    def __init__(self, config: PointEncoderConfig) -> None:
        super().__init__()
        self.attn = SelfAttention(config)
        self.ln_1 = nn.LayerNorm(config.width)
        self.mlp = Mlp(config.width)
        self.ln_2 = nn.LayerNorm(config.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class CrossAttention(nn.Module):
    """Attention of queries to data. One projection makes keys and values, packed head by head."""

    def __init__(self, config: PointEncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.c_q = nn.Linear(config.width, config.width, bias=config.qkv_bias)
        self.c_kv = nn.Linear(config.width, 2 * config.width, bias=config.qkv_bias)
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, data: Tensor) -> Tensor:  # (1, Q, C), (1, N, C)
        (q,) = unpack_heads(self.c_q(x), self.heads, 1)
        k, v = unpack_heads(self.c_kv(data), self.heads, 2)
        return self.c_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class SelfAttention(nn.Module):
    """Attention of latents to each other. One projection makes queries, keys and values, packed head by head."""

    def __init__(self, config: PointEncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.c_qkv = nn.Linear(config.width, 3 * config.width, bias=config.qkv_bias)
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:  # (1, Q, C)
        q, k, v = unpack_heads(self.c_qkv(x), self.heads, 3)
        return self.c_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with exact GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, MLP_RATIO * width)
        self.c_proj = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x)))


def unpack_heads(packed: Tensor, heads: int, parts: int) -> tuple[Tensor, ...]:
    """(B, N, heads · parts · D) → `parts` tensors (B, heads, N, D); the head counts slowest, then the part."""
    batch, count, _ = packed.shape
    return packed.reshape(batch, count, heads, parts, -1).permute(3, 0, 2, 1, 4).unbind(0)


def embed_fourier(points: Tensor, num_freqs: int) -> Tensor:
    """(N, 3) → (N, 3 + 6 · num_freqs): the points, then sines and cosines of each coordinate times 1, 2, 4…

    A coordinate's frequencies stand together. No factor π.
    """
    return fourier_features(points, octaves(num_freqs, points.device))


def choose_queries(points: np.ndarray, token_num: int) -> np.ndarray:
    """Which points ask: indices (token_num,) int64 of points that lie far apart among a fixed random choice.

    points: (N, 3). The choice repeats points where there are fewer than 4 · token_num.
    """
    wanted = CANDIDATES * token_num
    candidates = np.random.default_rng(_CANDIDATE_SEED).choice(len(points), wanted, replace=wanted > len(points))
    return candidates[sample_farthest(points[candidates], 1 / CANDIDATES)]


def sample_farthest(points: np.ndarray, ratio: float) -> np.ndarray:
    """Indices (⌈ratio · N⌉,) int64: the first point, then again and again the one farthest from all before it.

    points: (N, 3) float32. Of equally far points the first is taken.
    """
    count = math.ceil(ratio * len(points))
    chosen: np.ndarray = farthest_points(torch.from_numpy(points)[None], count)[0].numpy()
    return chosen
