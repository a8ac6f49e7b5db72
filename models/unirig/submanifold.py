# SPDX-License-Identifier: GPL-3.0-or-later
"""Convolution over occupied voxels only (Graham et al. 2018, arXiv 1711.10275), in plain torch.

Every point keeps a feature of its own, also where several share a voxel. The centre tap sees the point's own feature;
any other tap sees the first point of the voxel beside it, so that the result is the same in every run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class VoxelLinks:
    """For every tap of a kernel, which points hear which: (to, of), each (M,) int64; in the order of the weights."""

    taps: tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True)
class VoxelTable:
    """Where points lie, sorted for looking up.

    keys: (N,) int64, the voxels of the points as numbers, rising. points: (N,) int64, the points in that order; those
    of one voxel stay as they were. strides: what one step along x, y and z adds to a key.
    """

    keys: Tensor
    points: Tensor
    strides: tuple[int, int, int]

    @classmethod
    def of(cls, grid: Tensor, margin: int) -> VoxelTable:  # grid: (N, 3) int64, not negative
        """margin: how many voxels beyond the outermost may be asked for."""
        _, rows, columns = (int(side) + 1 + 2 * margin for side in grid.amax(dim=0))
        strides = (rows * columns, columns, 1)
        keys, points = ((grid + margin) * grid.new_tensor(strides)).sum(dim=1).sort(stable=True)
        return cls(keys, points, strides)

    def find(self, offset: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Points that have an occupied voxel at this offset, and the first point in each of those voxels."""
        # Asked in rising order, neighbouring answers lie side by side in memory.
        wanted = self.keys + sum(step * stride for step, stride in zip(offset, self.strides, strict=True))
        at = torch.searchsorted(self.keys, wanted).clamp_(max=len(wanted) - 1)
        found = (self.keys[at] == wanted).nonzero()[:, 0]
        return self.points[found], self.points[at[found]]


def link_voxels(grid: Tensor, kernel: int) -> VoxelLinks:
    """The links of a cubic kernel of odd side, to be used by every convolution of that side over these points.

    grid: (N, 3) integer, not negative; N ≥ 1. The work is a sort and kernel³ binary searches a point.
    """
    reach = kernel // 2
    table = VoxelTable.of(grid.long(), reach)
    steps = range(-reach, reach + 1)
    everyone = torch.arange(len(grid), device=grid.device)
    offsets = [(x, y, z) for x in steps for y in steps for z in steps]
    return VoxelLinks(tuple((everyone, everyone) if not any(offset) else table.find(offset) for offset in offsets))


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
    """(N, C) → (N, O). Empty voxels count as zeros; only pairs of occupied ones are multiplied."""
    taps = weight.permute(1, 2, 3, 4, 0).reshape(len(links.taps), features.shape[1], -1)  # (taps, C, O)
    out = features.new_zeros(len(features), weight.shape[0])
    for tap, (to, of) in zip(taps, links.taps, strict=True):
        # A point occurs once among those that a tap reaches, so that nothing is added in an order left to chance.
        out[to] += features[of] @ tap
    return out if bias is None else out + bias
