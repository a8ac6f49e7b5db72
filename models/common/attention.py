# SPDX-License-Identifier: GPL-3.0-or-later
"""Multi-head attention without its projections: torch picks the fastest kernel of the device."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, heads·d) → (B, heads, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, N, d) → (B, N, heads·d)."""
    return x.transpose(1, 2).flatten(2)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v. q: (B, H, N, d); k, v: (B, H, M, d). Returns (B, N, H·d)."""
    return merge_heads(F.scaled_dot_product_attention(q, k, v))
