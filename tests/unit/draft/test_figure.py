# SPDX-License-Identifier: GPL-3.0-or-later
"""An upright figure's parts in its silhouette, and the depth that they get."""

import cv2
import numpy as np
import pytest

from models.draft.figure import Figure, find_figure, shape_figure
from models.draft.inflate import PAD_PX, InflatedBody, inflate
from tests.unit.draft.silhouettes import SIDE, at, draw_doll


def shaped(alpha: np.ndarray) -> tuple[InflatedBody, InflatedBody]:
    """Before and after."""
    body = inflate(alpha)
    figure = find_figure(body)
    assert figure is not None
    return body, shape_figure(body, figure)


@pytest.mark.parametrize("arms", ["hanging", "level"])
def test_the_neck_is_found_between_head_and_trunk(arms: str) -> None:
    figure = find_figure(inflate(draw_doll(arms=arms)))
    assert isinstance(figure, Figure)
    assert 155 < figure.neck - PAD_PX < 200
    assert figure.axis - PAD_PX == pytest.approx(256, abs=4)
    assert figure.trunk_radius * SIDE == pytest.approx(75, abs=4)
    row, radius, width = figure.head
    assert (row - PAD_PX, radius * SIDE, width * SIDE) == pytest.approx((110, 60, 120), abs=6)


def test_a_trunk_is_flatter_and_a_head_and_limbs_are_rounder() -> None:
    before, after = shaped(draw_doll())
    ratio = after.half_depth() / np.maximum(before.half_depth(), 1e-6)
    assert at(ratio, 256, 270) < 0.9
    assert at(ratio, 256, 110) >= 1.0
    assert at(ratio, 216, 430) > 1.0


def test_hanging_hands_come_forward_and_level_ones_do_not() -> None:
    hanging, level = (shaped(draw_doll(arms=arms))[1].middle for arms in ("hanging", "level"))
    assert at(hanging, 256 + 150, 325) > 0.05
    assert abs(at(level, 256 + 190, 200)) < 0.02
    assert at(hanging, 256 - 150, 325) == pytest.approx(at(hanging, 256 + 150, 325), rel=0.1)


def test_large_ears_are_flat() -> None:
    before, after = shaped(draw_doll(ears=True))
    ear = (256 + 100, 60)
    assert at(after.half_depth(), *ear) < 0.75 * at(before.half_depth(), *ear)


def test_a_lopsided_silhouette_and_one_without_a_neck_are_no_figures() -> None:
    dog = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(dog, (240, 260), (160, 60), 0, 0, 360, 255, -1)
    cv2.circle(dog, (80, 160), 55, 255, -1)
    for x in (120, 160, 320, 370):
        cv2.line(dog, (x, 280), (x, 420), 255, 26)
    disc = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (256, 256), 200, 255, -1)
    assert find_figure(inflate(dog)) is None
    assert find_figure(inflate(disc)) is None
