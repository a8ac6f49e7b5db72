# SPDX-License-Identifier: GPL-3.0-or-later
"""Point Transformer V3 (Wu et al. 2024, arXiv 2312.10035) as UniRig has it: every stage sees every point; key names of
the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from models.unirig.serialization import (
    CurveOrder,
    curve_codes,
    curve_depth,
    curve_orders,
    grid_coordinates,
    padded_patches,
)
from models.unirig.submanifold import SubmanifoldConv3d, VoxelLinks, link_voxels

STEM_KERNEL, BLOCK_KERNEL = 5, 3
BATCH_NORM_EPS = 1e-3
MLP_RATIO = 4
# Training shuffled the curves; inference keeps them as they are, so that equal inputs give equal results.
CURVES_AS_THEY_ARE = (0, 1, 2, 3)


@dataclass(frozen=True)
class PointTransformerConfig:
    """in_channels: of a point's features. depths, channels, heads: of each stage. patch: points that see each other."""

    in_channels: int
    depths: tuple[int, ...]
    channels: tuple[int, ...]
    heads: tuple[int, ...]
    patch: int


@dataclass(frozen=True)
class PointCloud:
    """Points prepared for every block: the links of both kernels, the four curves, and the patches along a curve."""

    stem_links: VoxelLinks
    block_links: VoxelLinks
    curves: tuple[CurveOrder, ...]
    patches: Tensor

    @classmethod
    def of(cls, grid: Tensor, patch: int, curves: Sequence[int]) -> PointCloud:
        """grid: (N, 3) int64, the voxel of each point. curves: a permutation of the four curves."""
        orders = curve_orders(curve_codes(grid, curve_depth(grid)))
        return cls(
            link_voxels(grid, STEM_KERNEL),
            link_voxels(grid, BLOCK_KERNEL),
            tuple(orders[curve] for curve in curves),
            padded_patches(len(grid), patch, grid.device),
        )


class PointTransformer(nn.Module):
    """Points (N, 3) and features (N, in_channels) → features (N, channels of the last stage), float32."""

    def __init__(self, config: PointTransformerConfig, cell: float) -> None:
        super().__init__()
        self.patch = config.patch
        self.cell = cell
        self.embedding = Embedding(config.in_channels, config.channels[0])
        stages = zip((None, *config.channels[:-1]), config.channels, config.depths, config.heads, strict=True)
        self.enc = nn.ModuleDict({f"enc{number}": make_stage(*stage) for number, stage in enumerate(stages)})

    def forward(self, points: Tensor, features: Tensor, curves: Sequence[int] = CURVES_AS_THEY_ARE) -> Tensor:
        cloud = PointCloud.of(grid_coordinates(points, self.cell), self.patch, curves)
        x = self.embedding(features, cloud.stem_links)
        for stage in self.enc.values():
            blocks = iter(stage.values())
            if WIDEN in stage:
                x = next(blocks)(x)
            for number, block in enumerate(blocks):
                x = block(x, cloud, cloud.curves[number % len(cloud.curves)])
        return x


WIDEN = "0"  # the key of the linear layer that begins every stage but the first


def make_stage(width_before: int | None, width: int, depth: int, heads: int) -> nn.ModuleDict:
    """A stage's layers by their names in the checkpoint, in the order in which they run; no width before: the first."""
    layers = {} if width_before is None else {WIDEN: nn.Linear(width_before, width)}
    return nn.ModuleDict(layers | {f"block{number}": Block(width, heads) for number in range(depth)})


class Embedding(nn.Module):
    """A convolution with a linear way around it: (N, in_channels) → (N, C)."""

    def __init__(self, channels_in: int, width: int) -> None:
        super().__init__()
        self.stem = nn.ModuleDict(
            {
                "conv": SubmanifoldConv3d(channels_in, width, STEM_KERNEL, has_bias=False),
                "norm": nn.BatchNorm1d(width, eps=BATCH_NORM_EPS),
            }
        )
        self.res_linear = nn.Linear(channels_in, width)

    def forward(self, features: Tensor, links: VoxelLinks) -> Tensor:
        return F.gelu(self.stem["norm"](self.stem["conv"](features, links))) + self.res_linear(features)


class Block(nn.Module):
    """Where a point is, from the voxels around it; attention among its patch; a perceptron. (N, C) → (N, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.cpe = nn.ModuleList(
            (SubmanifoldConv3d(width, width, BLOCK_KERNEL, has_bias=True), nn.Linear(width, width), nn.LayerNorm(width))
        )
        self.norm1 = nn.Sequential(nn.LayerNorm(width))
        self.attn = PatchAttention(width, heads)
        self.norm2 = nn.Sequential(nn.LayerNorm(width))
        self.mlp = nn.Sequential(Mlp(width))

    def forward(self, x: Tensor, cloud: PointCloud, curve: CurveOrder) -> Tensor:
        convolve, mix, norm = self.cpe
        x = x + norm(mix(convolve(x, cloud.block_links)))
        x = x + self.attn(self.norm1(x), curve, cloud.patches)
        return x + self.mlp(self.norm2(x))


class PatchAttention(nn.Module):
    """Attention among the points of a patch of a curve, queries and keys normalised. (N, C) → (N, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, curve: CurveOrder, patches: Tensor) -> Tensor:
        q, k, v = self.qkv(x).reshape(len(x), 3, self.heads, -1).unbind(dim=1)
        seen = patch_attention(normalise_heads(q), normalise_heads(k), v, curve.order[patches])
        return self.proj(seen[curve.inverse].flatten(1))


def normalise_heads(x: Tensor) -> Tensor:  # (N, H, dh)
    """Each head's vector with mean 0 and spread 1."""
    return F.layer_norm(x, x.shape[-1:])


def patch_attention(q: Tensor, k: Tensor, v: Tensor, patches: Tensor) -> Tensor:
    """What each point of a patch sees of the others: (N, H, dh), in the order of the curve.

    q, k, v: (N, H, dh). patches: (P, K) int64 into the points; of a last patch that borrowed points, what those saw
    there is dropped.
    """
    in_patches = (tensor[patches].transpose(1, 2) for tensor in (q, k, v))  # (P, H, K, dh)
    seen = F.scaled_dot_product_attention(*in_patches)
    return seen.transpose(1, 2).flatten(0, 1)[: len(q)]


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))
