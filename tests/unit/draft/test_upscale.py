# SPDX-License-Identifier: GPL-3.0-or-later
"""Enlarged pictures: nearer to the true one than plain interpolation, with clean edges."""

import cv2
import numpy as np
import pytest

from models.draft.upscale import enlarge


def doll() -> np.ndarray:
    """(256, 256, 4) uint8: shapes with crisp edges on a clear ground."""
    rgba = np.zeros((256, 256, 4), np.uint8)
    cv2.circle(rgba, (128, 80), 50, (230, 190, 160, 255), -1, cv2.LINE_AA)
    cv2.rectangle(rgba, (90, 120), (166, 220), (40, 80, 160, 255), -1)
    for x in range(95, 165, 12):
        cv2.line(rgba, (x, 125), (x + 6, 215), (240, 220, 40, 255), 2, cv2.LINE_AA)
    cv2.circle(rgba, (110, 75), 6, (20, 20, 20, 255), -1)
    return rgba


def reduce(rgba: np.ndarray, factor: int) -> np.ndarray:
    color = rgba[..., :3].astype(np.float32) * (rgba[..., 3:] / np.float32(255))
    side = rgba.shape[0] // factor
    alpha = cv2.resize(rgba[..., 3].astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    color = cv2.resize(color, (side, side), interpolation=cv2.INTER_AREA) * 255 / np.maximum(alpha[..., None], 1)
    return np.dstack([np.clip(np.rint(color), 0, 255), np.rint(alpha)]).astype(np.uint8)


def error(found: np.ndarray, true: np.ndarray) -> float:
    def over_gray(rgba: np.ndarray) -> np.ndarray:
        share = rgba[..., 3:].astype(np.float32) / 255
        return rgba[..., :3] * share + 128 * (1 - share)

    return float(((over_gray(found) - over_gray(true)) ** 2).mean())


@pytest.mark.parametrize(("factor", "share"), [(2, 0.9), (4, 0.98)])
def test_it_is_nearer_to_the_true_picture_than_lanczos(factor: int, share: float) -> None:
    true = doll()
    small = reduce(true, factor)
    lanczos = cv2.resize(small, (256, 256), interpolation=cv2.INTER_LANCZOS4)
    assert error(enlarge(small, factor), true) < share * error(lanczos, true)


def test_clear_pixels_do_not_bleed_into_the_edge() -> None:
    red = np.zeros((40, 40, 4), np.uint8)
    red[..., 1] = 255  # clear green around
    red[10:30, 10:30] = (200, 0, 0, 255)
    large = enlarge(red, 2.0)
    seen = large[..., 3] > 0
    assert large[seen][:, 1].max() <= 8
    assert abs(int(large[40, 40, 0]) - 200) <= 4


def test_size_and_factor_one() -> None:
    rgba = doll()[:101, :57]
    assert enlarge(rgba, 1.5).shape == (152, 86, 4)
    with pytest.raises(ValueError, match="shrink"):
        enlarge(rgba, 0.5)
