# SPDX-License-Identifier: GPL-3.0-or-later
"""From noise to latents along the flow, guided by the conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.common.flow_matching import euler_step, flow_times, guide
from models.step1x3d.geometry.block_cache import BlockCache
from models.step1x3d.geometry.conditioner import unconditional
from models.step1x3d.geometry.transformer import Denoiser


@dataclass(frozen=True)
class Sampling:
    """How the flow is walked. Defaults are those of the published pipeline's examples.

    steps: Euler steps. guidance_scale: strength of the conditions, 1 or less for none. guidance_interval: from and to
    which noise level (1 at the start, 0 at the end) guidance is computed; outside, only the conditioned velocity is.
    zero_init: the first step leaves the noise as it is, so its velocity is not computed either. cache_threshold: of
    first-block caching, 0 for none. is_split: the guided pair is evaluated one after the other, in half the memory.
    """

    steps: int = 50
    guidance_scale: float = 7.5
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    zero_init: bool = True
    cache_threshold: float = 0.0
    is_split: bool = False


# What is left out where little is lost: guidance near the end, where the shape stands already, and blocks that would
# say the same again.
FAST: Mapping[str, Any] = {"guidance_interval": (0.2, 1.0), "cache_threshold": 0.08}


@torch.inference_mode()
def sample(
    denoiser: Denoiser,
    noise: Tensor,
    conditions: dict[str, Tensor],
    sampling: Sampling,
    on_step: Callable[[int, Tensor], None] = lambda step, latents: None,
) -> Tensor:
    """Latents of the noise's shape, device and dtype.

    noise: (B, num_latents, channels) float32; the path stays in that precision whichever the network computes in.
    conditions: as the denoiser takes them, for B items, in its dtype. on_step: told each step's number, from 1 on, and
    its latents; what it raises ends the walk.
    """
    times, levels = flow_times(sampling.steps)
    velocity_at = _Velocity(denoiser, conditions, sampling)
    x = noise
    for step in range(sampling.steps):
        if step > 0 or not sampling.zero_init:
            velocity = velocity_at(x, float(times[step]), float(levels[step]))
            x = euler_step(x, velocity, (levels[step + 1] - levels[step]).to(x.device))
        on_step(step + 1, x)
    return x


class _Velocity:
    """The guided velocity, whichever way it is evaluated."""

    def __init__(self, denoiser: Denoiser, conditions: dict[str, Tensor], sampling: Sampling) -> None:
        self._denoiser = denoiser
        self._with = conditions
        self._without = unconditional(conditions)
        self._both = {name: torch.cat((self._without[name], tokens)) for name, tokens in conditions.items()}
        self._sampling = sampling
        self._caches: dict[str, BlockCache] = {}

    def __call__(self, x: Tensor, time: float, level: float) -> Tensor:
        """x: (B, N, channels) at this time (1..1000) and noise level (0..1). Returns the same shape."""
        low, high = self._sampling.guidance_interval
        scale = self._sampling.guidance_scale
        if scale <= 1.0 or not low <= level <= high:
            return self._evaluate("with", x, time, self._with)
        if self._sampling.is_split:
            without = self._evaluate("without", x, time, self._without)
            return guide(without, self._evaluate("with", x, time, self._with), scale)
        without, conditioned = self._evaluate("both", torch.cat((x, x)), time, self._both).chunk(2)
        return guide(without, conditioned, scale)

    def _evaluate(self, part: str, x: Tensor, time: float, conditions: dict[str, Tensor]) -> Tensor:
        cache = None
        if self._sampling.cache_threshold > 0.0:
            cache = self._caches.setdefault(part, BlockCache(self._sampling.cache_threshold))
        dtype = next(iter(conditions.values())).dtype
        times = torch.full((len(x),), time, dtype=torch.float32, device=x.device)
        return self._denoiser(x.to(dtype), times, conditions, cache).to(x.dtype)


def draw_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Standard normal noise, float32 on the CPU: the same for a seed on every machine and for every device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
