# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention blocks of the shape autoencoder: pre-norm, exact GELU, projections that keep each head's parts together."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from models.common.attention import attend, split_heads

LAYER_NORM_EPS = 1e-5
MLP_RATIO = 4


def head_parts(x: Tensor, heads: int, parts: int) -> tuple[Tensor, ...]:
    """(B, N, heads·parts·d) → parts of (B, heads, N, d). The parts alternate head by head, not width by width."""
    return split_heads(x, heads).chunk(parts, dim=-1)


class Mlp(nn.Module):
    """(B, N, width) → the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, MLP_RATIO * width)
        self.c_proj = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x)))


class SelfAttention(nn.Module):
    """(B, N, width) → the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_qkv = nn.Linear(width, 3 * width, bias=False)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = head_parts(self.c_qkv(x), self.heads, 3)
        return self.c_proj(attend(q, k, v))


class CrossAttention(nn.Module):
    """Queries look at data. The data's keys and values are a step of their own, for data that many queries share."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_q = nn.Linear(width, width, bias=False)
        self.c_kv = nn.Linear(width, 2 * width, bias=False)
        self.c_proj = nn.Linear(width, width)

    def keys_values(self, data: Tensor) -> tuple[Tensor, Tensor]:
        """(B, M, width) → keys and values, each (B, heads, M, d)."""
        k, v = head_parts(self.c_kv(data), self.heads, 2)
        return k.contiguous(), v.contiguous()

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor]) -> Tensor:
        """x: (B, N, width). Returns the same shape."""
        return self.c_proj(attend(split_heads(self.c_q(x), self.heads), *keys_values))


class SelfBlock(nn.Module):
    """(B, N, width) → the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.attn = SelfAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class CrossBlock(nn.Module):
    """Queries (B, N, width), data (B, M, width) → the queries' shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.ln_2 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.attn = CrossAttention(width, heads)
        self.ln_3 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.mlp = Mlp(width)

    def keys_values(self, data: Tensor) -> tuple[Tensor, Tensor]:
        """What `query` needs of the data: constant for all queries."""
        return self.attn.keys_values(self.ln_2(data))

    def query(self, x: Tensor, keys_values: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.attn(self.ln_1(x), keys_values)
        return x + self.mlp(self.ln_3(x))

    def forward(self, x: Tensor, data: Tensor) -> Tensor:
        return self.query(x, self.keys_values(data))


class SelfStack(nn.Module):
    """Self blocks one after another, under the name that the checkpoints give them."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(SelfBlock(width, heads) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x)
        return x
