# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in the order in which a space-filling curve meets them, cut into patches of equal size.

Sources: the z curve (Morton 1966), the Hilbert curve by the transposition of Skilling (2004), and the patches of Point
Transformer V3 (Wu et al. 2024, arXiv 2312.10035).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

AXES = 3
SWAPPED = (1, 0, 2)  # the axes of a transposed curve


@dataclass(frozen=True)
class CurveOrder:
    """order: (N,) int64, the points as the curve meets them. inverse: (N,) int64, where on the curve each point is."""

    order: Tensor
    inverse: Tensor


def grid_coordinates(points: Tensor, cell: float) -> Tensor:  # points: (N, 3) float32
    """The cell that each point lies in: (N, 3) int64, counted from the lowest corner of them all.

    The quotient is taken in float32, as the networks were trained.
    """
    return ((points - points.amin(dim=0)) / cell).long()


def curve_depth(grid: Tensor) -> int:  # grid: (N, 3) int64, not negative
    """Bits that the largest coordinate takes."""
    return int(grid.max()).bit_length()


def encode_z(grid: Tensor, depth: int) -> Tensor:
    """Places on the z curve: (N,) int64. grid: (N, 3) int64, below 2^depth. Bit b of x, y, z is bit 3b+2, 3b+1, 3b."""
    code = torch.zeros_like(grid[:, 0])
    for bit in range(depth):
        for axis in range(AXES):
            code |= ((grid[:, axis] >> bit) & 1) << (AXES * bit + AXES - 1 - axis)
    return code


def encode_hilbert(grid: Tensor, depth: int) -> Tensor:
    """Places on the Hilbert curve: (N,) int64. grid: (N, 3) int64, below 2^depth."""
    axes = list(grid.unbind(dim=1))
    for bit in reversed(range(depth)):
        lower = (1 << bit) - 1
        for axis in range(AXES):
            is_set = (axes[axis] >> bit) & 1 == 1
            if axis == 0:
                axes[0] = torch.where(is_set, axes[0] ^ lower, axes[0])
                continue
            swapped = (axes[0] ^ axes[axis]) & lower
            axes[0], axes[axis] = (
                torch.where(is_set, axes[0] ^ lower, axes[0] ^ swapped),
                torch.where(is_set, axes[axis], axes[axis] ^ swapped),
            )
    return _from_gray(encode_z(torch.stack(axes, dim=1), depth), AXES * depth)


def _from_gray(code: Tensor, bits: int) -> Tensor:
    shift = 1
    while shift < bits:
        code = code ^ (code >> shift)
        shift *= 2
    return code


def curve_codes(grid: Tensor, depth: int) -> Tensor:  # grid: (N, 3) int64
    """Places on the four curves: (4, N) int64: z, z with x and y swapped, Hilbert, Hilbert with x and y swapped."""
    swapped = grid[:, SWAPPED]
    return torch.stack(
        (
            encode_z(grid, depth),
            encode_z(swapped, depth),
            encode_hilbert(grid, depth),
            encode_hilbert(swapped, depth),
        )
    )


def curve_orders(codes: Tensor) -> list[CurveOrder]:  # codes: (curves, N) int64
    """The order of the points along each curve; those of one cell stay as they were."""
    orders = codes.argsort(dim=1, stable=True)
    return [CurveOrder(order, order.argsort()) for order in orders]


def padded_patches(count: int, patch: int, device: torch.device | str = "cpu") -> Tensor:
    """Which places of a curve form the patches: (P, K) int64; the first `count` entries are 0 … count − 1.

    At most `patch` points form one patch of their own size. Otherwise K is `patch`, and a last patch that would be
    short is filled up with the last points of the one before it, which it then sees too.
    """
    places = torch.arange(count, device=device)
    if count <= patch:
        return places[None]
    rest = count % patch
    borrowed = places[count - patch : count - rest] if rest else places[:0]
    return torch.cat((places, borrowed)).reshape(-1, patch)
