# SPDX-License-Identifier: GPL-3.0-or-later
"""Enlarging a subject without a network: interpolation that keeps edges crisp. It adds no detail and claims none.

Measured on characters reduced by area averaging and enlarged again: sharpening within the neighbours' range wins up to
about twice the size, back-projection beyond; both together lose (docs/normalization.md).
"""

import cv2
import numpy as np

from .fill import push_pull

SOLID_ALPHA = 128  # from here on a pixel's colour is the subject's; below, it is continued from there
SHARPEN_SIGMA_PX = 0.7
SHARPEN_AMOUNT = 0.5  # more rings on drawn lines
OVERSHOOT = 4.0  # grey levels beyond the darkest and lightest neighbour: more would ring
BACK_PROJECTIONS = 6
SHARPEN_UP_TO = 2.5  # factor from which back-projection wins


def enlarge(rgba: np.ndarray, factor: float) -> np.ndarray:  # rgba: (H, W, 4) uint8, straight alpha
    """The picture at `factor` ≥ 1 times its size: (round(H·factor), round(W·factor), 4) uint8, straight alpha.

    Colour and alpha go apart: the subject's colours are continued beyond its outline first, so that neither clear
    pixels bleed into its edge nor the outline is sharpened into it; alpha is interpolated alone. Black where it is 0.
    """
    if factor < 1:
        raise ValueError(f"a factor of {factor} would shrink the picture")
    height, width = (round(side * factor) for side in rgba.shape[:2])
    alpha = enlarge_alpha(rgba[..., 3], width, height)
    small = continue_colors(rgba)
    large = interpolate(small, width, height)
    large = _sharpen(large) if factor <= SHARPEN_UP_TO else _project_back(large, small)
    return join(large, alpha)


def continue_colors(rgba: np.ndarray) -> np.ndarray:  # (H, W, 4) uint8 -> (H, W, 3) float32
    """The subject's colours, continued smoothly to where there is none of it."""
    return push_pull(rgba[..., :3].astype(np.float32), rgba[..., 3] >= SOLID_ALPHA)


def enlarge_alpha(alpha: np.ndarray, width: int, height: int) -> np.ndarray:  # (H, W) uint8 -> (height, width) uint8
    """An outline without rings: Lanczos, held to the range of alpha."""
    return np.rint(np.clip(interpolate(alpha.astype(np.float32), width, height), 0, 255)).astype(np.uint8)


def interpolate(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Lanczos over four pixels either way; values may leave the range of the picture's."""
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LANCZOS4)


def join(color: np.ndarray, alpha: np.ndarray) -> np.ndarray:  # (H, W, 3) float32 or uint8, (H, W) uint8
    """(H, W, 4) uint8, straight alpha; black where alpha is 0."""
    shown = np.where(alpha[..., None] > 0, np.clip(color, 0, 255), 0)
    return np.dstack([np.rint(shown).astype(np.uint8), alpha])


def _sharpen(picture: np.ndarray) -> np.ndarray:
    """Unsharp mask, held within the range of each pixel's neighbours."""
    kernel = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(picture, kernel) - OVERSHOOT, cv2.dilate(picture, kernel) + OVERSHOOT
    blurred = cv2.GaussianBlur(picture, (0, 0), SHARPEN_SIGMA_PX)
    return np.clip(picture + SHARPEN_AMOUNT * (picture - blurred), low, high)


def _project_back(large: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Move the enlarged picture until reducing it gives the small one again."""
    height, width = small.shape[:2]
    for _ in range(BACK_PROJECTIONS):
        reduced = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
        large = large + interpolate(small - reduced, large.shape[1], large.shape[0])
    return large
