# SPDX-License-Identifier: GPL-3.0-or-later
"""Filling the unknown part of a picture from its known part."""

import cv2
import numpy as np


def push_pull(
    values: np.ndarray,  # (H, W, C) float32
    known: np.ndarray,  # (H, W) float32 or bool, 0..1
) -> np.ndarray:  # (H, W, C) float32
    """Fill what is unknown with a smooth continuation of what is known.

    A pyramid of weighted means is built down to one pixel and read back up; wherever `known` is 1 the values
    stay as they are. Near the known part the fill follows it closely, far away it becomes its mean.
    Source: Gortler et al., "The Lumigraph", 1996, section 3.4 (push-pull).
    """
    weight = known.astype(np.float32)[..., None]
    height, width = values.shape[:2]
    if height == 1 and width == 1:
        return values * (weight > 0)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)[..., None]
    coarse = cv2.resize(values * weight, half, interpolation=cv2.INTER_AREA).reshape(half[1], half[0], -1)
    coarse = coarse / np.maximum(coarse_weight, 1e-8)
    filled = push_pull(coarse, np.minimum(coarse_weight[..., 0] * 4.0, 1.0))
    upsampled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    return values * weight + upsampled * (1.0 - weight)
