# SPDX-License-Identifier: GPL-3.0-or-later
"""Small operations on pictures of colours, 0..255."""

import cv2
import numpy as np


def spread_channels(field: np.ndarray, channels: int = 3) -> np.ndarray:  # (H, W) -> (H, W, channels)
    """The field in every channel: whole arrays are multiplied several times faster than one channel against three."""
    spread: np.ndarray = cv2.merge([field] * channels).reshape(*field.shape, channels)
    return spread


def mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """`first` where share is 0, `second` where it is 1: (H, W, 3) float32.

    first: (H, W, 3) or (3,); second: (H, W, 3); share: (H, W); all float32.
    """
    mixed: np.ndarray = second - first
    mixed *= spread_channels(share)
    mixed += first
    return mixed


def smoothstep(value: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 up to `start`, 1 from `end`, a cubic without kinks between."""
    t = np.asarray((value - start) / (end - start))
    np.clip(t, 0.0, 1.0, out=t)
    square: np.ndarray = t * t
    return square * (3.0 - 2.0 * t)


def to_uint8(color: np.ndarray) -> np.ndarray:
    """Rounded and clipped to 0..255: uint8."""
    return np.rint(np.clip(color, 0.0, 255.0)).astype(np.uint8)
