# SPDX-License-Identifier: GPL-3.0-or-later
"""Convolution over occupied voxels only (Graham et al. 2018, arXiv 1711.10275), in plain torch.

Every point keeps a feature of its own, also where several share a voxel. The middle tap sees the point's own feature;
any other tap sees the first point of the voxel beside it, so that the result is the same in every run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class VoxelLinks:
    """Which occupied voxels hear which.

    voxel: (N,) int64, that of each point. first: (M,) int64, the first point of each voxel. taps: for every tap of a
    kernel but its middle, in the order of the weights, the voxels that hear and those that they hear: (to, of), each
    (K,) int64, rising.
    """

    voxel: Tensor
    first: Tensor
    taps: tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True)
class VoxelTable:
    """The occupied voxels, for looking up.

    keys: (M,) int64, the voxels as numbers, rising. voxel, first: see VoxelLinks. strides: what one step along x, y and
    z adds to a key.
    """

    keys: Tensor
    voxel: Tensor
    first: Tensor
    strides: tuple[int, int, int]

    @classmethod
    def of(cls, grid: Tensor, margin: int) -> VoxelTable:  # grid: (N, 3) int64, not negative
        """margin: how many voxels beyond the outermost may be asked for."""
        _, rows, columns = (int(side) + 1 + 2 * margin for side in grid.amax(dim=0))
        strides = (rows * columns, columns, 1)
        of_points, points = ((grid + margin) * grid.new_tensor(strides)).sum(dim=1).sort(stable=True)
        keys, rank = torch.unique_consecutive(of_points, return_inverse=True)
        voxel = torch.empty_like(points)
        voxel[points] = rank
        return cls(keys, voxel, points[torch.searchsorted(of_points, keys)], strides)

    def find(self, offset: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Voxels beside which another is occupied at this offset, and that one."""
        wanted = self.keys + sum(step * stride for step, stride in zip(offset, self.strides, strict=True))
        at = torch.searchsorted(self.keys, wanted).clamp_(max=len(wanted) - 1)
        found = (self.keys[at] == wanted).nonzero()[:, 0]
        return found, at[found]


def link_voxels(grid: Tensor, kernel: int) -> VoxelLinks:
    """The links of a cubic kernel of odd side, to be used by every convolution of that side over these points.

    grid: (N, 3) integer, not negative; N ≥ 1. The work is a sort and kernel³ binary searches a voxel.
    """
    reach = kernel // 2
    table = VoxelTable.of(grid.long(), reach)
    steps = range(-reach, reach + 1)
    offsets = [(x, y, z) for x in steps for y in steps for z in steps if (x, y, z) != (0, 0, 0)]
    return VoxelLinks(table.voxel, table.first, tuple(table.find(offset) for offset in offsets))


class SubmanifoldConv3d(nn.Module):
    """Features (N, C) → (N, O). weight: (O, kernel, kernel, kernel, C), a cross-correlation over x, y, z."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, has_bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, kernel, kernel, kernel, channels_in))
        self.bias = nn.Parameter(torch.empty(channels_out)) if has_bias else None
        bound = (kernel**3 * channels_in) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, features: Tensor, links: VoxelLinks) -> Tensor:  # features: (N, C)
        return submanifold_conv(features, self.weight, self.bias, links)


def submanifold_conv(features: Tensor, weight: Tensor, bias: Tensor | None, links: VoxelLinks) -> Tensor:
    """(N, C) → (N, O). Empty voxels count as zeros; only pairs of occupied ones are multiplied.

    Points of one voxel hear the same from around it, which is computed once.
    """
    taps = list(weight.permute(1, 2, 3, 4, 0).reshape(-1, features.shape[1], weight.shape[0]))  # (C, O) each
    own = features @ taps.pop(len(taps) // 2)
    beside = features[links.first]
    heard = features.new_zeros(len(beside), weight.shape[0])
    for tap, (to, of) in zip(taps, links.taps, strict=True):
        # A voxel occurs once among those that a tap reaches, so that nothing is added in an order left to chance.
        heard.index_add_(0, to, (beside[of] @ tap).to(heard.dtype))
    out = own + heard[links.voxel]
    return out if bias is None else out + bias
