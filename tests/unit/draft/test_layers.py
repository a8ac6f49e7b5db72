# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts in front of the body, drawn: a disc and a bar that overlap, where the line between tells which is in front."""

import cv2
import numpy as np
import pytest

from models.draft.inflate import FIELD_PX, PAD_PX, InflatedBody, inflate
from models.draft.layers import FORWARD, HIGHEST_STEP, raise_layers
from models.draft.occlusion import Occlusion, find_occlusions

SIDE = 1024
SKIN, INK = (205, 160, 120), (40, 25, 20)
CENTRE, RADIUS = (560, 512), 300
BAR = ((120, 470), (520, 570))  # left, top and right, bottom: it begins outside the disc and ends inside


def draw(front: str | None) -> np.ndarray:
    """The disc and the bar, alike in colour, each with an inked contour; `front` is drawn last, None draws no line."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(alpha, CENTRE, RADIUS, 255, -1)
    cv2.rectangle(alpha, *BAR, 255, -1)
    picture[:] = SKIN
    for part in ("disc", "bar") if front == "bar" else ("bar", "disc"):
        for color, thickness in ((SKIN, -1), (INK, 6)) if front else ((SKIN, -1),):
            if part == "disc":
                cv2.circle(picture, CENTRE, RADIUS, color, thickness, cv2.LINE_AA)
            else:
                cv2.rectangle(picture, *BAR, color, thickness, cv2.LINE_AA)
    return np.dstack([picture, alpha])


def see(front: str | None) -> tuple[InflatedBody, list[Occlusion]]:
    rgba = draw(front)
    body = inflate(rgba[..., 3])
    return body, find_occlusions(rgba, body)


def surfaces(body: InflatedBody, x: int, y: int) -> tuple[float, float]:
    """The back and the front at a pixel of the picture."""
    row, column = (PAD_PX + at * FIELD_PX // SIDE for at in (y, x))
    middle, half = body.middle[row, column], body.half_depth()[row, column]
    return float(middle - half), float(middle + half)


def test_the_contour_of_a_bar_in_front_is_followed_into_the_disc_and_the_bar_is_inside_it() -> None:
    _, found = see("bar")
    assert len(found) == 2
    for occlusion in found:
        row = occlusion.line[:, 1].mean() * SIDE / FIELD_PX
        assert min(abs(row - BAR[0][1]), abs(row - BAR[1][1])) < 12
        assert np.ptp(occlusion.line[:, 0]) * SIDE / FIELD_PX > 150
        assert (np.sign(occlusion.normals[:, 1]) == np.sign(CENTRE[1] - row)).all()


def test_the_contour_of_a_disc_in_front_runs_over_the_bar_and_the_disc_is_inside_it() -> None:
    _, found = see("disc")
    assert found
    for occlusion in found:
        outward = occlusion.line * SIDE / FIELD_PX - CENTRE
        assert np.linalg.norm(outward, axis=1) == pytest.approx(RADIUS, abs=16)
        assert ((outward * occlusion.normals).sum(axis=1) < 0).all()


def test_without_a_line_nothing_is_in_front() -> None:
    assert see(None)[1] == []


def test_marks_that_touch_no_notch_are_no_contours() -> None:
    rgba = draw(None)
    for x in range(400, 760, 60):
        cv2.line(rgba, (x, 300), (x, 720), (*INK, 255), 8, cv2.LINE_AA)
    assert find_occlusions(rgba, inflate(rgba[..., 3])) == []


@pytest.mark.parametrize(("bar", "count"), [((150, 110, 80), 0), ((225, 190, 160), 2)], ids=["darker", "lighter"])
def test_without_an_inked_line_only_a_hidden_side_in_the_shade_tells_that_the_bar_is_in_front(
    bar: tuple[int, int, int], count: int
) -> None:
    rgba = draw(None)
    cv2.rectangle(rgba, *BAR, (*bar, 255), -1)
    assert len(find_occlusions(rgba, inflate(rgba[..., 3]))) == count


def test_the_part_in_front_rises_what_it_hides_falls_back_and_the_back_stays() -> None:
    body, found = see("bar")
    raised = raise_layers(body, found, 1.0)
    on_bar, beside = (400, 520), (400, 610)
    assert surfaces(raised, *on_bar)[1] > surfaces(body, *on_bar)[1] + 0.015
    assert surfaces(raised, *beside)[1] < surfaces(body, *beside)[1] - 0.003
    far = (700, 512)
    for at in (on_bar, beside, far):
        assert surfaces(raised, *at)[0] == pytest.approx(surfaces(body, *at)[0], abs=1e-4)
    assert surfaces(raised, *far)[1] == pytest.approx(surfaces(body, *far)[1], abs=2e-3)
    assert (raised.distance == body.distance).all()
    rise = (raised.middle + raised.half_depth()) - (body.middle + body.half_depth())
    assert rise.max() <= FORWARD * HIGHEST_STEP


def test_a_step_is_as_deep_as_the_figure() -> None:
    body, found = see("bar")
    flat = inflate(draw("bar")[..., 3], 0.5)
    step, flat_step = (
        np.abs(raise_layers(of, found, depth).middle - of.middle).max() for of, depth in ((body, 1.0), (flat, 0.5))
    )
    assert flat_step == pytest.approx(0.5 * step, rel=0.05)


def test_no_contours_leave_the_body_as_it_is() -> None:
    body, _ = see(None)
    assert raise_layers(body, [], 1.0) is body
