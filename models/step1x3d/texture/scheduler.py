# SPDX-License-Identifier: GPL-3.0-or-later
"""DDPM over noise levels that were moved up for six views at once.

Source: Ho et al., "Denoising Diffusion Probabilistic Models", 2020; the move as in MV-Adapter (arXiv 2412.03632).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

TRAINED_STEPS = 1000
BETAS = (0.00085, 0.012)  # first and last of SDXL, linear in their roots
SNR_SHIFT = 8.0  # the signal-to-noise ratio is divided by it at the last step, by 1 at the first, evenly between
OFFSET = 1  # the least noisy step that is taken


@dataclass(frozen=True)
class StepWeights:
    """Of one step: previous = `clean` · x0 + `noisy` · x + `sigma` · noise."""

    clean: float
    noisy: float
    sigma: float


class ShiftedDDPM:
    """Noise levels and single steps. alphas_cumprod: float32 (1000,), the share of signal that is left at a level."""

    def __init__(self, snr_shift: float = SNR_SHIFT) -> None:
        betas = np.linspace(*np.sqrt(BETAS), TRAINED_STEPS) ** 2
        alphas = np.cumprod(1.0 - betas)
        ratio = alphas / (1.0 - alphas) * snr_shift ** (-np.arange(TRAINED_STEPS) / (TRAINED_STEPS - 1))
        self.alphas_cumprod = (ratio / (1.0 + ratio)).astype(np.float32)

    def timesteps(self, steps: int) -> list[int]:
        """The levels that `steps` steps visit, noisiest first."""
        return [index * self.stride(steps) + OFFSET for index in reversed(range(steps))]

    def stride(self, steps: int) -> int:
        """Levels from one of `steps` steps to the next."""
        return TRAINED_STEPS // steps

    def alpha(self, t: int) -> float:
        """The share of signal at level t; 1 below the first."""
        return float(self.alphas_cumprod[t]) if t >= 0 else 1.0

    def clean(self, eps: Tensor, t: int, x: Tensor) -> Tensor:
        """The clean latents that a noise prediction stands for, all of one shape."""
        alpha = self.alpha(t)
        return (x - (1.0 - alpha) ** 0.5 * eps) / alpha**0.5

    def weights(self, t: int, previous: int) -> StepWeights:
        """Of the step from level t down to `previous`."""
        now, then = self.alpha(t), self.alpha(previous)
        ratio = now / then
        variance = (1.0 - then) / (1.0 - now) * (1.0 - ratio)
        return StepWeights(
            then**0.5 * (1.0 - ratio) / (1.0 - now), ratio**0.5 * (1.0 - then) / (1.0 - now), variance**0.5
        )

    def step(self, x0: Tensor, x: Tensor, noise: Tensor, weights: StepWeights) -> Tensor:
        """The latents one level down, all of one shape."""
        return weights.clean * x0 + weights.noisy * x + weights.sigma * noise

    def blend(self, clean: Tensor, noise: Tensor, t: int) -> Tensor:
        """Noised background as the reference has it: the share itself, not its root, before what is clean."""
        alpha = self.alpha(t)
        return alpha * clean + (1.0 - alpha) * noise
