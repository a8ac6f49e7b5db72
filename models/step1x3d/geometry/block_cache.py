# SPDX-License-Identifier: GPL-3.0-or-later
"""First-block caching (as in ParaAttention): where the first block changes the latents as it did a step ago, what all
deeper blocks would add is taken from that step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class BlockCache:
    """One run's memory of the transformer. threshold: relative change of the first block's residual below which the
    deeper blocks are not run. hits, misses: how often that was so, and was not.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.hits = 0
        self.misses = 0
        self._first: Tensor | None = None
        self._deeper: Tensor | None = None

    def run(self, start: Tensor, after_first: Tensor, deeper: Callable[[], Tensor]) -> Tensor:
        """The latents' stream after all blocks. start, after_first: (B, N, width), before and after the first block."""
        residual = after_first - start
        if self._deeper is not None and self._is_close(residual):
            self.hits += 1
            return after_first + self._deeper
        self.misses += 1
        result = deeper()
        self._first, self._deeper = residual, result - after_first
        return result

    def _is_close(self, residual: Tensor) -> bool:
        if self._first is None or self._first.shape != residual.shape:
            return False
        change = (residual.float() - self._first.float()).abs().mean()
        return bool(change < self.threshold * torch.clamp(self._first.float().abs().mean(), min=1e-12))
