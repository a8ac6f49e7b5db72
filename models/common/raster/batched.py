# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasteriser in torch, for GPUs: every (face, pixel) pair of the faces' boxes at once, in portions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from models.common.raster.fragments import NOTHING, Fragments
from models.common.raster.plain import EDGE

PAIRS_A_PORTION = 1 << 22  # about 0.6 GiB of intermediate values


def rasterize_batched(
    window: np.ndarray,  # (V, 4) float64
    faces: np.ndarray,  # (F, 3) int32
    height: int,
    width: int,
    depth_steps: float,
    device: torch.device | str = "cpu",
) -> Fragments:
    """See `rasterize`; faces behind the viewer are already taken out. The device must know float64."""
    corners = torch.from_numpy(window[faces].astype(np.float64)).to(device)  # (F, 3, 4)
    nearest = torch.full((height * width,), torch.inf, dtype=torch.float64, device=device)
    for pairs in _pairs(corners, height, width, depth_steps):
        nearest.scatter_reduce_(0, pairs.pixel, pairs.key, "amin")
    nobody = len(faces)
    winner = torch.full((height * width,), nobody, dtype=torch.int64, device=device)
    for pairs in _pairs(corners, height, width, depth_steps):
        wins = pairs.key == nearest[pairs.pixel]
        winner.scatter_reduce_(0, pairs.pixel[wins], pairs.face[wins], "amin")
    pixel = torch.nonzero(winner < nobody)[:, 0]
    face = winner[pixel]
    weights, depth = _weigh(corners[face], pixel % width, pixel // width)
    weights = weights * corners[face][:, :, 3]
    face_ids = torch.where(winner < nobody, winner, NOTHING).to(torch.int32)
    barycentric = torch.zeros((height * width, 3), dtype=torch.float32, device=device)
    barycentric[pixel] = (weights / weights.sum(dim=1, keepdim=True)).float()
    depths = torch.full((height * width,), torch.inf, dtype=torch.float32, device=device)
    depths[pixel] = depth.float()
    return Fragments(
        face_ids.reshape(height, width).cpu().numpy(),
        barycentric.reshape(height, width, 3).cpu().numpy(),
        depths.reshape(height, width).cpu().numpy(),
    )


class _Pairs:
    """Samples inside faces: face and pixel, (N,) int64, and what decides who is nearer, (N,) float64."""

    def __init__(self, face: Tensor, pixel: Tensor, key: Tensor) -> None:
        self.face, self.pixel, self.key = face, pixel, key


def _pairs(corners: Tensor, height: int, width: int, depth_steps: float) -> Iterator[_Pairs]:
    """All samples inside all faces, in portions. corners: (F, 3, 4) float64."""
    limit = torch.tensor([width, height], dtype=torch.float64, device=corners.device)
    low = torch.ceil(corners[..., :2].amin(dim=1) - 0.5).clamp(min=0.0).minimum(limit).long()
    high = (torch.floor(corners[..., :2].amax(dim=1) - 0.5) + 1.0).clamp(min=0.0).minimum(limit).long()
    extent = (high - low).clamp(min=0)
    ends = torch.cumsum(extent[:, 0] * extent[:, 1], dim=0)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, PAIRS_A_PORTION):
        position = torch.arange(start, min(start + PAIRS_A_PORTION, total), device=corners.device)
        face = torch.searchsorted(ends, position, right=True)
        within = position - (ends[face] - extent[face, 0] * extent[face, 1])
        column = low[face, 0] + within % extent[face, 0]
        row = low[face, 1] + within // extent[face, 0]
        weights, depth = _weigh(corners[face], column, row)
        is_inside = (weights >= -EDGE).all(dim=1)  # of a face without area all weights are infinite or no numbers
        key = torch.floor(depth * depth_steps) if depth_steps else depth
        yield _Pairs(face[is_inside], (row * width + column)[is_inside], key[is_inside])


def _weigh(corners: Tensor, column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """Barycentrics (N, 3), not yet perspective-correct, and depth (N,) of pixel centres. corners: (N, 3, 4)."""
    x0, y0 = corners[:, 0, 0], corners[:, 0, 1]
    x1, y1 = corners[:, 1, 0] - x0, corners[:, 1, 1] - y0
    x2, y2 = corners[:, 2, 0] - x0, corners[:, 2, 1] - y0
    x, y = column + 0.5 - x0, row + 0.5 - y0
    doubled_area = x1 * y2 - x2 * y1
    b1 = (x * y2 - x2 * y) / doubled_area
    b2 = (x1 * y - x * y1) / doubled_area
    weights = torch.stack([1.0 - b1 - b2, b1, b2], dim=1)
    return weights, (weights * corners[:, :, 2]).sum(dim=1)
