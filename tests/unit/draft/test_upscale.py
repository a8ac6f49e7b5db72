# SPDX-License-Identifier: GPL-3.0-or-later
"""Enlarged subjects: nearer to the true one than plain interpolation, and nothing bleeds at soft edges."""

import cv2
import numpy as np
import pytest

from models.draft.upscale import enlarge

SIDE = 256


def doll() -> np.ndarray:
    """(SIDE, SIDE, 4) uint8: shapes with crisp edges on a clear ground."""
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    cv2.circle(rgba, (128, 80), 50, (230, 190, 160, 255), -1, cv2.LINE_AA)
    cv2.rectangle(rgba, (90, 120), (166, 220), (40, 80, 160, 255), -1)
    for x in range(95, 165, 12):
        cv2.line(rgba, (x, 125), (x + 6, 215), (240, 220, 40, 255), 2, cv2.LINE_AA)
    cv2.circle(rgba, (110, 75), 6, (20, 20, 20, 255), -1)
    return rgba


def reduced(rgba: np.ndarray, factor: int) -> np.ndarray:
    color = rgba[..., :3].astype(np.float32) * (rgba[..., 3:] / np.float32(255))
    side = rgba.shape[0] // factor
    alpha = cv2.resize(rgba[..., 3].astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    color = cv2.resize(color, (side, side), interpolation=cv2.INTER_AREA) * 255 / np.maximum(alpha[..., None], 1)
    return np.dstack([np.clip(np.rint(color), 0, 255), np.rint(alpha)]).astype(np.uint8)


def error(found: np.ndarray, true: np.ndarray) -> float:
    """Mean square, before grey."""

    def over_gray(rgba: np.ndarray) -> np.ndarray:
        share = rgba[..., 3:].astype(np.float32) / 255
        return rgba[..., :3] * share + 128 * (1 - share)

    return float(((over_gray(found) - over_gray(true)) ** 2).mean())


@pytest.mark.parametrize(("factor", "share"), [(2, 0.93), (4, 0.98)])
def test_it_is_nearer_to_the_true_picture_than_lanczos(factor: int, share: float) -> None:
    true = doll()
    small = reduced(true, factor)
    lanczos = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4)
    assert error(enlarge(small, factor), true) < share * error(lanczos, true)


@pytest.mark.parametrize("factor", [2.0, 4.0])
def test_nothing_bleeds_at_a_soft_edge(factor: float) -> None:
    """A one-coloured subject keeps its colour up to the last visible pixel: no halo, no clear green, no dark rim."""
    y, x = np.mgrid[0:64, 0:64]
    share = np.clip((22 - np.hypot(x - 32, y - 32)) / 6 + 0.5, 0, 1)
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 1] = 255  # what lies under clear pixels
    rgba[share > 0, :3] = (200, 120, 40)
    rgba[..., 3] = np.rint(share * 255)
    large = enlarge(rgba, factor)
    seen = large[..., 3] > 0
    assert np.abs(large[seen][:, :3].astype(int) - (200, 120, 40)).max() <= 1
    assert not large[~seen].any()
    assert large[..., 3].max() == 255


def test_the_outline_stays_where_it_is() -> None:
    small = reduced(doll(), 4)
    large = enlarge(small, 4.0)
    inside, wanted = large[..., 3] >= 128, doll()[..., 3] >= 128
    assert (inside & wanted).sum() / (inside | wanted).sum() > 0.98


def test_size_and_factor() -> None:
    rgba = doll()[:101, :57]
    assert enlarge(rgba, 1.5).shape == (152, 86, 4)
    with pytest.raises(ValueError, match="shrink"):
        enlarge(rgba, 0.5)
