# SPDX-License-Identifier: GPL-3.0-or-later
"""Farthest point sampling: a few points that cover a cloud evenly."""

from __future__ import annotations

import torch
from torch import Tensor


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Greedy: each next point is the one farthest from all before it, the first of equals. Starts with point 0.

    points: (B, N, 3) float. Returns (B, count) int64 indices, count ≤ N.
    """
    batch = torch.arange(len(points), device=points.device)
    chosen = torch.zeros(len(points), count, dtype=torch.int64, device=points.device)
    nearest = points.new_full(points.shape[:2], torch.inf)
    for place in range(1, count):
        last = points[batch, chosen[:, place - 1]][:, None]
        nearest = torch.minimum(nearest, (points - last).square().sum(dim=-1))
        chosen[:, place] = nearest.argmax(dim=1)
    return chosen
