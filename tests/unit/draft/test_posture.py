# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure from the side: feet on the ground, and a middle that sways as a standing body's does."""

import cv2
import numpy as np
import pytest

from models.draft.figure import find_figure, shape_figure
from models.draft.inflate import InflatedBody, inflate
from models.draft.posture import stand
from tests.unit.draft.silhouettes import SIDE, at, draw_doll

LEG, FOOT, SOLE = (216, 430), (216, 486), (216, 494)  # the doll's legs end at 498
HEAD, NECK, CHEST, BELLY, THIGH, CALF = (256, 100), (256, 190), (256, 232), (256, 290), (216, 395), (216, 455)


def stood(alpha: np.ndarray, *, is_cut_flat: bool = False) -> tuple[InflatedBody, InflatedBody]:
    """Before and after."""
    body = inflate(alpha, is_cut_flat=is_cut_flat)
    figure = find_figure(body)
    assert figure is not None
    shaped = shape_figure(body, figure)
    return shaped, stand(shaped, figure)


def test_feet_point_forward_and_are_longer_than_legs_are_deep() -> None:
    _, after = stood(draw_doll())
    assert at(after.middle, *FOOT) - at(after.middle, *LEG) > 0.01
    assert at(after.half_depth(), *FOOT) > 1.5 * at(after.half_depth(), *LEG)


def test_the_heel_stays_near_the_back_of_the_leg() -> None:
    _, after = stood(draw_doll())
    heel, calf = (at(after.middle - after.half_depth(), *place) for place in (FOOT, LEG))
    assert abs(heel - calf) < at(after.half_depth(), *LEG)


def test_a_sole_is_flat() -> None:
    before, after = stood(draw_doll())
    round_end, flat_end = (at(body.half_depth(), *SOLE) / at(body.half_depth(), *FOOT) for body in (before, after))
    assert round_end < 0.85 < 0.9 < flat_end


def test_thick_legs_end_in_high_boots() -> None:
    above_a_shoe = (216, 462)
    _, slim = stood(draw_doll())
    _, thick = stood(draw_doll(legs_px=46))
    assert at(slim.half_depth(), *above_a_shoe) < 1.1 * at(slim.half_depth(), *LEG)
    assert at(thick.half_depth(), *above_a_shoe) > 1.15 * at(thick.half_depth(), *LEG)


def test_the_middle_sways_as_a_standing_body() -> None:
    before, after = stood(draw_doll())
    sway = after.middle - before.middle
    neck, chest, belly, thigh, calf = (at(sway, *place) for place in (NECK, CHEST, BELLY, THIGH, CALF))
    assert neck < chest - 0.002 < belly - 0.004
    assert calf < thigh - 0.006
    assert at(sway, *HEAD) > neck + 0.005


def test_a_knee_bends_forward() -> None:
    before, after = stood(draw_doll())
    hip, knee, ankle = (at(after.middle - before.middle, 216, y) for y in (370, 420, 455))
    assert knee > (hip + ankle) / 2


def test_the_silhouette_and_the_mirror_image_are_kept() -> None:
    before, after = stood(draw_doll())
    assert np.array_equal(after.distance, before.distance)
    assert at(after.middle, 256 - 40, 455) == pytest.approx(at(after.middle, 256 + 40, 455), abs=1e-3)


@pytest.mark.parametrize("has_cleft", [False, True])
def test_without_legs_to_see_nothing_sways(has_cleft: bool) -> None:
    skirt = draw_doll(legs_px=0)
    if has_cleft:
        cv2.rectangle(skirt, (250, 472), (262, 490), 0, -1)
    before, after = stood(skirt)
    sway = after.middle - before.middle
    assert all(abs(at(sway, *place)) < 1e-6 for place in (HEAD, NECK, CHEST, BELLY))


def test_a_cropped_figure_stays_as_it_is() -> None:
    alpha = draw_doll()
    alpha[400:] = 0
    cv2.rectangle(alpha, (180, 380), (332, 399), 255, -1)
    before, after = stood(alpha, is_cut_flat=True)
    assert np.array_equal(after.middle, before.middle)
    assert np.array_equal(after.flatness, before.flatness)


def test_what_rests_on_the_ground_beside_a_belly_swells_into_no_foot() -> None:
    sitting = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (256, 110), 80, 255, -1)
    cv2.ellipse(sitting, (256, 390), (190, 210), 0, 180, 360, 255, -1)
    cv2.rectangle(sitting, (256 - 190, 385), (256 + 190, 480), 255, -1)
    for side in (-1, 1):
        cv2.circle(sitting, (256 + 200 * side, 460), 20, 255, -1)
    before, after = stood(sitting)
    assert after.reach() == pytest.approx(before.reach(), rel=0.05)
