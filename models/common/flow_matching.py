# SPDX-License-Identifier: GPL-3.0-or-later
"""Rectified flow (Liu et al. 2022): straight paths from noise to data, walked in Euler steps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def flow_times(steps: int, last: int = 1000) -> tuple[Tensor, Tensor]:
    """Evenly spaced times from `last` down to 1. Returns timesteps (steps,), and noise levels (steps + 1,) that end
    with 0, both float32.
    """
    levels = torch.from_numpy(np.linspace(last, 1, steps) / last).float()
    return levels * last, torch.cat((levels, torch.zeros(1)))


def guide(without: Tensor, conditioned: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022): away from the velocity without conditions. Same shapes."""
    return without + scale * (conditioned - without)


def euler_step(x: Tensor, velocity: Tensor, change: float | Tensor) -> Tensor:
    """Along the velocity by a change of noise level, in single precision; keeps the dtype of x."""
    return (x.float() + change * velocity.float()).to(x.dtype)
