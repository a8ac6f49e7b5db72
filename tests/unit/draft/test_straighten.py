# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaning subjects stand upright again, whole and in their own colours."""

import cv2
import numpy as np
import pytest

from models.draft.diagnose import measure_tilt
from models.draft.errors import NoSubjectFound
from models.draft.framing import subject_bounds
from models.draft.straighten import straighten

COLOR = (180, 90, 40)


def robot(lean_deg: float, width: int = 60) -> np.ndarray:
    """(600, 600, 4) uint8: head, trunk and arms, turned counter-clockwise; `width` of half its arms' reach."""
    alpha = np.zeros((600, 600), np.uint8)
    cv2.circle(alpha, (300, 140), 50, 255, -1)
    cv2.rectangle(alpha, (260, 190), (340, 460), 255, -1)
    cv2.rectangle(alpha, (300 - width, 230), (300 + width, 270), 255, -1)
    matrix = cv2.getRotationMatrix2D((299.5, 299.5), lean_deg, 1.0)
    rgba = np.zeros((600, 600, 4), np.uint8)
    rgba[..., 3] = cv2.warpAffine(alpha, matrix, (600, 600))
    rgba[rgba[..., 3] > 0, :3] = COLOR
    return rgba


@pytest.mark.parametrize("lean_deg", [-14.0, -6.0, 10.0, 20.0])
def test_it_stands_upright_again(lean_deg: float) -> None:
    upright = straighten(robot(lean_deg), measure_tilt(robot(lean_deg)).degrees)
    assert abs(measure_tilt(upright).degrees) <= 2.0
    left, top, right, bottom = subject_bounds(upright)
    assert abs((right - left) - 120) <= 22 and abs((bottom - top) - 371) <= 12


def test_nothing_is_cut_off_and_colours_do_not_bleed() -> None:
    before = robot(10.0)
    after = straighten(before, 10.0)
    assert after[..., 3].sum() == pytest.approx(before[..., 3].sum(), rel=0.01)
    assert np.abs(after[after[..., 3] > 0][:, :3].astype(int) - COLOR).max() <= 1
    assert not after[after[..., 3] == 0].any()
    assert max(after[edge][:, 3].max() for edge in (0, -1)) < 128


@pytest.mark.parametrize(("width", "is_sure"), [(60, True), (260, True)])
def test_a_symmetric_figure_is_told_also_where_its_arms_reach_far(width: int, is_sure: bool) -> None:
    found = measure_tilt(robot(10.0, width))
    assert (found.degrees, found.is_sure) == (10.0, is_sure)


def test_a_long_lopsided_body_is_left_alone() -> None:
    """An animal from its side has no upright axis, however it leans."""
    alpha = np.zeros((600, 600), np.uint8)
    cv2.ellipse(alpha, (300, 300), (220, 70), 10.0, 0.0, 360.0, 255, -1)
    cv2.rectangle(alpha, (150, 300), (190, 480), 255, -1)
    cv2.circle(alpha, (520, 250), 60, 255, -1)
    assert not measure_tilt(np.dstack([alpha] * 4)).is_sure


def test_an_empty_picture_cannot_be_straightened() -> None:
    with pytest.raises(NoSubjectFound):
        straighten(np.zeros((20, 20, 4), np.uint8), 5.0)
