# SPDX-License-Identifier: GPL-3.0-or-later
"""Several views' colours on one texture: a mean that prefers who looked most squarely."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.common.bake.projection import Painted

COSINE_POWER = 4
REDUNDANT = 0.99  # a view with more of its texels painted already is left out
FAINTEST = 1e-8  # weights below count as nothing


def blend(painted: Iterable[tuple[Painted, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the views' colours and where it is known: (T, T, 3) float32 and (T, T) bool.

    painted: what each view painted, and the view's weight; earlier views come first.
    """
    sums = weights = np.zeros(0)
    for layer, view_weight in painted:
        trust = np.float32(view_weight) * layer.cosine**COSINE_POWER
        if not weights.size:
            sums, weights = layer.color * trust[..., None], trust
            continue
        mine = trust > 0.0
        if np.count_nonzero(mine & (weights > 0.0)) > REDUNDANT * np.count_nonzero(mine):
            continue
        sums += layer.color * trust[..., None]
        weights += trust
    return sums / np.maximum(weights, FAINTEST)[..., None], weights > FAINTEST
