# SPDX-License-Identifier: GPL-3.0-or-later
"""Places as waves: Fourier features, so that a network sees fine differences of position."""

from __future__ import annotations

import torch
from torch import Tensor


def fourier_features(points: Tensor, frequencies: Tensor) -> Tensor:
    """The points, then the sines, then the cosines of every coordinate times every frequency, axis by axis.

    points: (..., D). frequencies: (K,) radians a unit. Returns (..., D + 2·D·K), in the dtype of the points.
    """
    phases = (points[..., None] * frequencies).flatten(-2)
    return torch.cat((points, phases.sin(), phases.cos()), dim=-1)


def octaves(count: int, device: torch.device | None = None) -> Tensor:
    """The frequencies 1, 2, 4 and so on: (count,) float32."""
    return 2.0 ** torch.arange(count, dtype=torch.float32, device=device)
