# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that change over a cycle: through their keys, without a corner and without going beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# Of the cycle, for the mean that an amplitude is about.
_MEAN_SAMPLES = 48


@dataclass(frozen=True, eq=False)
class Curve:
    """Closed: after the last key comes the first. phases: (K,) in [0, 1), rising. values: (K, D)."""

    phases: Values
    values: Values

    @cached_property
    def mean(self) -> Values:
        """(D,): over the cycle."""
        result: Values = np.mean([self.at(phase) for phase in np.arange(_MEAN_SAMPLES) / _MEAN_SAMPLES], axis=0)
        return result

    def at(self, phase: float) -> Values:
        """(D,): a monotone cubic through the keys (Fritsch and Carlson, 1980)."""
        phase %= 1.0
        times, values, slopes = self._closed
        left = int(np.searchsorted(times, phase, side="right")) - 1
        width = times[left + 1] - times[left]
        share = (phase - times[left]) / width
        result: Values = hermite(
            share, (values[left], values[left + 1]), (width * slopes[left], width * slopes[left + 1])
        )
        return result

    @cached_property
    def _closed(self) -> tuple[Values, Values, Values]:
        """Keys (K + 2,), their values and slopes (K + 2, D), from before the cycle's start until after its end."""
        times = np.concatenate([self.phases[-2:] - 1.0, self.phases, self.phases[:2] + 1.0])
        values = np.concatenate([self.values[-2:], self.values, self.values[:2]])
        if len(self.phases) == 1:
            times, values = np.arange(-2.0, 4.0) + self.phases[0], np.repeat(self.values, 6, axis=0)
        rises = np.diff(values, axis=0) / np.diff(times)[:, None]
        before, after = rises[:-1], rises[1:]
        together = before + after
        is_even = (before * after > 0) & (together != 0)
        slopes = np.where(is_even, 2.0 * before * after / np.where(is_even, together, 1.0), 0.0)
        return times[1:-1], values[1:-1], slopes


def make_curve(keys: Mapping[str, list[float]] | list[float]) -> Curve:
    """Of numbers by phase, or of numbers that stay."""
    if isinstance(keys, list):
        keys = {"0": keys}
    phases = sorted(keys, key=float)
    return Curve(np.array([float(phase) for phase in phases]), np.array([keys[phase] for phase in phases], np.float64))


def hermite(share: float, ends: tuple[Values, Values], slopes: tuple[Values, Values]) -> Values:
    """A cubic from one value to another. slopes: per unit of `share`, which goes from 0 to 1."""
    square, cube = share * share, share**3
    result: Values = (
        (2 * cube - 3 * square + 1) * ends[0]
        + (cube - 2 * square + share) * slopes[0]
        + (3 * square - 2 * cube) * ends[1]
        + (cube - square) * slopes[1]
    )
    return result
