# SPDX-License-Identifier: GPL-3.0-or-later
"""Small operations on pictures of colours, 0..255."""

import numpy as np


def mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:  # (H, W, 3) twice, (H, W)
    """`first` where share is 0, `second` where it is 1: (H, W, 3)."""
    return first + (second - first) * share[..., None]


def smoothstep(value: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 up to `start`, 1 from `end`, a cubic without kinks between."""
    t = np.clip((value - start) / (end - start), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def to_uint8(color: np.ndarray) -> np.ndarray:
    """Rounded and clipped to 0..255: uint8."""
    return np.rint(np.clip(color, 0.0, 255.0)).astype(np.uint8)
