# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of drawn dolls: which are taken, and what is said of those that are not."""

import cv2
import numpy as np
import pytest

from models.draft.errors import NoSubjectFound
from models.draft.matting import cut_out
from models.draft.screen import SCREENS, choose_screen, lay_on
from models.draft.verify_edit import compare_palettes, verify_edit

SIDE = 512
SKIN, SHIRT, TROUSERS, HAIR = (224, 172, 138), (40, 90, 190), (70, 60, 50), (120, 40, 20)


def doll(
    arms_deg: float = 12.0, legs: int = 34, top: int = 60, x: int = 256, shirt: tuple[int, int, int] = SHIRT
) -> np.ndarray:  # (512, 512, 4) uint8
    """A figure with arms so many degrees from hanging, feet so many pixels from the middle, its head from `top` on."""
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)

    def line(start: tuple[float, float], stop: tuple[float, float], width: int, color: tuple[int, int, int]) -> None:
        ends = [tuple(int(v) for v in np.rint(end)) for end in (start, stop)]
        cv2.line(rgba, *ends, (*color, 255), width)

    shoulder, hip = top + 110, top + 235
    for side in (-1, 1):
        start = (x + side * 42, shoulder)
        reach = 150 * np.array([np.sin(np.radians(arms_deg)) * side, np.cos(np.radians(arms_deg))])
        line(start, (start[0] + reach[0], start[1] + reach[1]), 24, SKIN)
        line((x + side * 20, hip), (x + side * legs, top + 370), 30, TROUSERS)
    cv2.rectangle(rgba, (x - 40, shoulder - 15), (x + 40, hip + 10), (*shirt, 255), -1)
    line((x, top + 60), (x, shoulder), 26, SKIN)
    cv2.circle(rgba, (x, top + 45), 42, (*SKIN, 255), -1)
    cv2.ellipse(rgba, (x, top + 30), (42, 30), 0, 180, 360, (*HAIR, 255), -1)
    return rgba


HANGING = doll(arms_deg=4)
SPREAD = doll(arms_deg=45)


def twins() -> np.ndarray:
    """Two small figures side by side."""
    pair = np.zeros_like(SPREAD)
    pair[128:384] = np.hstack([cv2.resize(SPREAD, (256, 256), interpolation=cv2.INTER_NEAREST)] * 2)
    return pair


def test_arms_that_were_spread_are_accepted() -> None:
    verdict = verify_edit(HANGING, SPREAD, "a_pose")
    assert verdict.is_accepted
    assert verdict.sentence == ""
    assert verdict.widths[1] > 1.15 * verdict.widths[0]
    assert verdict.palette_overlap > 0.9


def test_an_edit_is_judged_by_its_own_cut_out() -> None:
    screen = choose_screen(HANGING)
    edited = np.dstack([lay_on(SPREAD, screen), np.full((SIDE, SIDE), 255, np.uint8)])
    cutout = cut_out(edited)
    inside, truth = cutout.rgba[..., 3] >= 128, SPREAD[..., 3] >= 128
    assert (inside & truth).sum() / (inside | truth).sum() > 0.97
    assert verify_edit(HANGING, cutout.rgba, "a_pose").is_accepted


def test_a_pose_that_was_spread_already_need_not_grow() -> None:
    assert verify_edit(SPREAD, SPREAD, "a_pose").is_accepted
    assert verify_edit(doll(arms_deg=85), SPREAD, "a_pose").is_accepted


def test_a_long_garment_is_accepted_and_said() -> None:
    robes = [cv2.rectangle(doll(arms), (200, 290), (312, 430), (*SHIRT, 255), -1) for arms in (4, 45)]
    verdict = verify_edit(robes[0], robes[1], "a_pose")
    assert verdict.is_accepted
    assert "legs" in verdict.sentence


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (HANGING, "the arms are not apart"),
        (doll(arms_deg=11), "hang in it as they did"),
        (doll(arms_deg=45, legs=6), "joined the legs"),
        (doll(arms_deg=45, top=200), "cut off"),
        (twins(), "more than one subject"),
        (doll(arms_deg=45, shirt=(240, 220, 60)), "colours"),
    ],
    ids=["unchanged", "hardly moved", "legs joined", "cut off", "two", "other colours"],
)
def test_what_is_wrong_with_an_edit_is_said(after: np.ndarray, words: str) -> None:
    verdict = verify_edit(HANGING, after, "a_pose")
    assert not verdict.is_accepted
    assert words in verdict.sentence
    assert verdict.sentence.endswith("; the original was kept.")


def test_a_speck_is_no_subject() -> None:
    speck = cv2.resize(SPREAD, (64, 64), interpolation=cv2.INTER_NEAREST)
    after = np.zeros((SIDE, SIDE, 4), np.uint8)
    after[200:264, 200:264] = speck
    assert "hardly anything" in verify_edit(HANGING, after, "a_pose").sentence


def test_only_an_a_pose_needs_spread_arms() -> None:
    assert verify_edit(HANGING, HANGING, "as_it_is").is_accepted
    assert not verify_edit(HANGING, doll(top=200), "as_it_is").is_accepted
    assert not verify_edit(HANGING, doll(arms_deg=4, shirt=(240, 220, 60)), "as_it_is").is_accepted


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(NoSubjectFound):
        verify_edit(HANGING, np.zeros_like(HANGING), "a_pose")


@pytest.mark.parametrize("factor", [0.85, 1.12])
def test_other_light_is_the_same_palette(factor: float) -> None:
    lit = HANGING.copy()
    lit[..., :3] = np.clip(lit[..., :3] * factor, 0, 255).astype(np.uint8)
    assert compare_palettes(HANGING, lit) > 0.8
    assert compare_palettes(HANGING, HANGING) == pytest.approx(1.0)


@pytest.mark.parametrize("shirt", [(217, 217, 217), (255, 255, 255), (168, 200, 240), (0, 177, 64)])
def test_the_backdrop_is_a_colour_that_the_subject_does_not_have(shirt: tuple[int, int, int]) -> None:
    subject = doll(shirt=shirt)
    chosen = choose_screen(subject)
    colors = subject[subject[..., 3] > 0][:, :3].astype(int)
    assert np.abs(colors - np.array(chosen.rgb)).sum(axis=1).min() > 60


def test_a_subject_of_all_colours_gets_the_farthest_screen() -> None:
    stripes = np.repeat(np.uint8([[*item.rgb, 255] for item in SCREENS[:-1]]), 40, axis=0)
    assert choose_screen(np.repeat(stripes[None], 100, axis=0)) == SCREENS[-1]
    with pytest.raises(NoSubjectFound):
        choose_screen(np.zeros((8, 8, 4), np.uint8))


def test_a_thin_subject_has_a_backdrop_too() -> None:
    thread = np.zeros((4000, 40, 4), np.uint8)
    thread[:, 7] = (255, 255, 255, 255)
    assert choose_screen(thread).rgb != (255, 255, 255)


def test_clear_pixels_become_screen() -> None:
    laid = lay_on(np.uint8([[[9, 9, 9, 0], [10, 20, 30, 255], [0, 0, 0, 128]]]), SCREENS[1])
    assert laid.tolist() == [[[255, 255, 255], [10, 20, 30], [127, 127, 127]]]
