# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting a figure from rubble: most of it comes away whole, also in pictures of odd sizes, and the same every time."""

import cv2
import numpy as np
import pytest

from models.draft.busy import cut_from_busy

SIDE = 512
LIMBS = (
    ((230, 340), (190, 470)),
    ((282, 340), (322, 470)),
    ((225, 215), (90, 190)),
    ((287, 215), (422, 190)),
)


def figure_before_rubble(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8, and where the figure is: (H, W) bool. Its grey coat is as bright as some of the rubble."""
    generator = np.random.default_rng(seed)
    stones = [
        cv2.resize(
            generator.integers(0, 255, (count, count)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
        )
        for count in (150, 70, 40)
    ]
    rubble = np.clip(0.3 * sum(stones) + 20.0, 0.0, 255.0)[..., None] * np.ones(3)
    body = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(body, (256, 270), (55, 90), 0, 0, 360, 1, -1)
    cv2.circle(body, (256, 140), 45, 1, -1)
    for start, end in LIMBS:
        cv2.line(body, start, end, 1, 24)
    color = np.full((SIDE, SIDE, 3), (150.0, 140.0, 130.0))
    color[:200], color[380:] = (190.0, 150.0, 120.0), (60.0, 50.0, 45.0)
    rgb = np.where(body[..., None] > 0, color, rubble) + generator.normal(0.0, 1.5, color.shape)
    return np.clip(rgb, 0, 255).astype(np.uint8), body > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_figure_comes_away_with_its_limbs(seed: int) -> None:
    rgb, body = figure_before_rubble(seed)
    found = cut_from_busy(rgb)
    assert (found & body).sum() / (found | body).sum() > 0.78  # colour and nearness to the middle alone: .77 and .68
    assert all(found[y - 12 : y + 12, x - 12 : x + 12].any() for _, (x, y) in LIMBS)
    assert np.array_equal(found, cut_from_busy(rgb))


@pytest.mark.parametrize("shape", [(512, 512), (40, 400), (300, 24), (9, 8)])
def test_noise_of_any_size_is_cut_without_complaint(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (*shape, 3), np.uint8)
    assert cut_from_busy(noise).shape == shape
    assert not cut_from_busy(np.full_like(noise, 128))[[0, -1]].any()
