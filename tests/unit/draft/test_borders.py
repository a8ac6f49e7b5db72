# SPDX-License-Identifier: GPL-3.0-or-later
"""Subjects that a picture's edges cut: discs and bars in a square with a margin, cut off by hand or soft all around."""

import cv2
import numpy as np
import pytest

from models.draft.borders import UNCUT, Borders, find_borders
from models.draft.inflate import FIELD_PX, PAD, PAD_PX, inflate

SIDE = 1024
TURNS = ("bottom", "left", "top", "right")


def soft_disc(radius: int = 440) -> np.ndarray:
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(alpha, (SIDE // 2, SIDE // 2), radius, 255, -1)
    return cv2.GaussianBlur(alpha, (0, 0), 1.0)


def cut_disc(turns: int) -> np.ndarray:
    """The disc without its lowest fifth, turned so that the cut is on the side TURNS[turns]."""
    alpha = soft_disc()
    alpha[800:] = 0
    return np.ascontiguousarray(np.rot90(alpha, -turns))


@pytest.mark.parametrize("turns", range(4))
def test_the_side_that_stops_dead_is_a_plane(turns: int) -> None:
    expected = {name: UNCUT for name in TURNS} | {TURNS[turns]: 800 / SIDE - 0.5}
    assert find_borders(cut_disc(turns)) == Borders(**expected)


def test_a_soft_outline_is_cut_nowhere() -> None:
    assert find_borders(soft_disc()) == Borders()


def test_a_round_subject_that_only_touches_the_edge_is_not_cut() -> None:
    alpha = soft_disc(440)
    alpha[:75] = 0  # three rows of the disc
    assert find_borders(alpha).top == UNCUT
    alpha[:260] = 0
    assert find_borders(alpha).top == pytest.approx(0.5 - 260 / SIDE)


def test_a_straight_base_is_a_plane_below_and_a_straight_soft_top_is_none() -> None:
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    cv2.rectangle(alpha, (300, 200), (720, 900), 255, -1)
    borders = find_borders(cv2.GaussianBlur(alpha, (0, 0), 1.0))
    assert borders.bottom < UNCUT
    assert (borders.left, borders.top, borders.right) == (UNCUT, UNCUT, UNCUT)


def test_a_full_picture_keeps_its_rim() -> None:
    assert find_borders(np.full((SIDE, SIDE), 255, np.uint8)).top == UNCUT


def test_an_empty_picture_has_no_planes() -> None:
    assert find_borders(np.zeros((SIDE, SIDE), np.uint8)) == Borders()


@pytest.mark.parametrize("turns", range(4))
def test_a_cut_body_is_as_deep_at_the_plane_as_beside_it_on_every_side(turns: int) -> None:
    body = inflate(cut_disc(turns), is_cut_flat=True)
    half = np.rot90(body.half_depth(), turns)
    at_cut, inside = (half[PAD_PX + round(row * FIELD_PX / SIDE), PAD_PX + FIELD_PX // 2] for row in (796, 700))
    assert at_cut > 0.8 * inside
    axis = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])[turns]
    plane = 800 / SIDE - 0.5
    f = body.evaluate(np.outer([plane - 0.01, plane + 0.01], axis))
    assert f[0] == pytest.approx(0.01, abs=1e-3) and f[1] == pytest.approx(-0.01, abs=1e-3)


def test_two_cuts_meet_in_an_edge() -> None:
    alpha = soft_disc()
    alpha[800:] = 0
    alpha[:, :224] = 0
    body = inflate(alpha, is_cut_flat=True)
    corner = body.half_depth()[PAD_PX + round(790 * FIELD_PX / SIDE), PAD_PX + round(234 * FIELD_PX / SIDE)]
    assert corner > 0.1
    grid = np.linspace(-0.5 - PAD, 0.5 + PAD, 33)
    values = body.evaluate_grid(grid, grid, np.zeros(1))
    assert (values[grid < 224 / SIDE - 0.5] < 0).all() and (values[:, grid < 0.5 - 800 / SIDE] < 0).all()
