# SPDX-License-Identifier: GPL-3.0-or-later
"""An upright figure's parts in its silhouette, and the depth that they get."""

import cv2
import numpy as np
import pytest

from models.draft.figure import Figure, find_figure, shape_figure
from models.draft.inflate import FIELD_PX, PAD_PX, InflatedBody, inflate

SIDE = 512
HEAD, TRUNK = ((256, 110), 60), ((256, 270), 75)  # centre (x, y) and radius in pixels of the picture


def draw(*, arms: str = "hanging", ears: bool = False) -> np.ndarray:  # (512, 512) uint8
    """A doll: head, egg-shaped trunk, legs, feet at the bottom."""
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(alpha, *HEAD, 255, -1)
    cv2.ellipse(alpha, TRUNK[0], (TRUNK[1], 105), 0, 0, 360, 255, -1)
    for side in (-1, 1):
        cv2.line(alpha, (256 + 40 * side, 300), (256 + 40 * side, 480), 255, 36)
        hand = {"hanging": (256 + 160 * side, 330), "level": (256 + 200 * side, 200)}[arms]
        cv2.line(alpha, (256 + 40 * side, 200), hand, 255, 30)
        if ears:
            cv2.circle(alpha, (256 + 85 * side, 70), 42, 255, -1)
    return alpha


def at(field: np.ndarray, x: int, y: int) -> float:
    """A field's value at a pixel of the picture."""
    scale = FIELD_PX / SIDE
    return float(field[round(y * scale) + PAD_PX, round(x * scale) + PAD_PX])


def shaped(alpha: np.ndarray) -> tuple[InflatedBody, InflatedBody]:
    """Before and after."""
    body = inflate(alpha)
    figure = find_figure(body)
    assert figure is not None
    return body, shape_figure(body, figure)


@pytest.mark.parametrize("arms", ["hanging", "level"])
def test_the_neck_is_found_between_head_and_trunk(arms: str) -> None:
    figure = find_figure(inflate(draw(arms=arms)))
    assert isinstance(figure, Figure)
    assert 155 < figure.neck - PAD_PX < 200
    assert figure.axis - PAD_PX == pytest.approx(256, abs=4)
    assert figure.trunk_radius * SIDE == pytest.approx(75, abs=4)
    row, radius, width = figure.head
    assert (row - PAD_PX, radius * SIDE, width * SIDE) == pytest.approx((110, 60, 120), abs=6)


def test_a_trunk_is_flatter_and_a_head_and_limbs_are_rounder() -> None:
    before, after = shaped(draw())
    ratio = after.half_depth() / np.maximum(before.half_depth(), 1e-6)
    assert at(ratio, 256, 270) < 0.9
    assert at(ratio, 256, 110) >= 1.0
    assert at(ratio, 216, 430) > 1.0


def test_feet_point_forward_and_are_longer_than_legs_are_deep() -> None:
    _, after = shaped(draw())
    foot, leg = (216, 485), (216, 430)
    assert at(after.middle, *foot) > 0.005 > abs(at(after.middle, *leg))
    assert at(after.half_depth(), *foot) > 1.2 * at(after.half_depth(), *leg)


def test_hanging_hands_come_forward_and_level_ones_do_not() -> None:
    hanging, level = (shaped(draw(arms=arms))[1].middle for arms in ("hanging", "level"))
    assert at(hanging, 256 + 150, 325) > 0.05
    assert abs(at(level, 256 + 190, 200)) < 0.02
    assert at(hanging, 256 - 150, 325) == pytest.approx(at(hanging, 256 + 150, 325), rel=0.1)


def test_large_ears_are_flat() -> None:
    before, after = shaped(draw(ears=True))
    ear = (256 + 100, 60)
    assert at(after.half_depth(), *ear) < 0.75 * at(before.half_depth(), *ear)


def test_a_cropped_figure_has_no_feet() -> None:
    alpha = draw()
    alpha[400:] = 0
    cv2.rectangle(alpha, (180, 380), (332, 399), 255, -1)
    body = inflate(alpha, is_cut_flat=True)
    figure = find_figure(body)
    assert figure is not None
    middle = shape_figure(body, figure).middle
    assert abs(at(middle, 216, 395)) < 0.01


def test_a_lopsided_silhouette_and_one_without_a_neck_are_no_figures() -> None:
    dog = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(dog, (240, 260), (160, 60), 0, 0, 360, 255, -1)
    cv2.circle(dog, (80, 160), 55, 255, -1)
    for x in (120, 160, 320, 370):
        cv2.line(dog, (x, 280), (x, 420), 255, 26)
    disc = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (256, 256), 200, 255, -1)
    assert find_figure(inflate(dog)) is None
    assert find_figure(inflate(disc)) is None
