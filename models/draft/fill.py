# SPDX-License-Identifier: GPL-3.0-or-later
"""Filling the unknown part of a picture from its known part."""

import cv2
import numpy as np

from .shades import spread_channels


def push_pull(
    values: np.ndarray,  # (H, W, C) float32
    known: np.ndarray,  # (H, W) float32 or bool, 0..1
) -> np.ndarray:  # (H, W, C) float32
    """Fill what is unknown with a smooth continuation of what is known.

    A pyramid of weighted means is built down to one pixel and read back up; wherever `known` is 1 the values
    stay as they are. Near the known part the fill follows it closely, far away it becomes its mean.
    Source: Gortler et al., "The Lumigraph", 1996, section 3.4 (push-pull).
    """
    weight = known.astype(np.float32)
    height, width, channels = values.shape
    if height == 1 and width == 1:
        return values * (weight[..., None] > 0)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA).reshape(half[::-1])
    weights = spread_channels(weight, channels)
    weighted = values * weights
    coarse = cv2.resize(weighted, half, interpolation=cv2.INTER_AREA).reshape(*half[::-1], channels)
    coarse /= spread_channels(np.maximum(coarse_weight, 1e-8), channels)
    filled = push_pull(coarse, np.minimum(coarse_weight * 4.0, 1.0))
    upsampled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    upsampled *= np.subtract(1.0, weights, out=weights)
    upsampled += weighted
    return upsampled
