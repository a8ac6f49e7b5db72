# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting out: the picture's own alpha, plain and busy backgrounds, and pictures with no subject."""

import numpy as np
import pytest

from models.draft.errors import NoSubjectFound
from models.draft.matting import LARGEST_SIDE_PX, cut_out

SIDE = 320
Y, X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
DISC = np.hypot(X - 150, Y - 170) < 90
SUBJECT_COLOR = np.array([170.0, 60.0, 40.0])


def opaque(rgb: np.ndarray, seed: int = 0) -> np.ndarray:  # rgb: (H, W, 3) float
    noisy = rgb + np.random.default_rng(seed).normal(0.0, 1.5, rgb.shape)
    alpha = np.full(rgb.shape[:2], 255.0)
    return np.dstack([np.clip(noisy, 0, 255), alpha]).astype(np.uint8)


def paint(subject: np.ndarray, background: np.ndarray) -> np.ndarray:  # (H, W) bool, (H, W, 3) float
    return opaque(np.where(subject[..., None], SUBJECT_COLOR, background))


def iou(rgba: np.ndarray, expected: np.ndarray) -> float:
    found = rgba[..., 3] >= 128
    return (found & expected).sum() / (found | expected).sum()


FLAT = np.full((SIDE, SIDE, 3), 200.0)
GRADIENT = FLAT - (0.15 * Y + 0.0006 * (X - 160) ** 2)[..., None] * [1.0, 0.9, 0.8]
CHECKER = np.where(((X // 40 + Y // 40) % 2 == 0)[..., None], [40.0, 90.0, 200.0], [230.0, 220.0, 120.0])


def test_a_picture_with_alpha_keeps_it() -> None:
    rgba = np.dstack([np.broadcast_to(SUBJECT_COLOR, (SIDE, SIDE, 3)), DISC * 255.0]).astype(np.uint8)
    cutout = cut_out(rgba)
    assert (cutout.method, cutout.confidence, cutout.warnings) == ("alpha", 1.0, ())
    assert np.array_equal(cutout.rgba[..., 3], rgba[..., 3])
    assert np.array_equal(cutout.rgba[DISC], rgba[DISC])


def test_specks_go_pinholes_close_and_real_holes_stay() -> None:
    speck, pinhole = np.hypot(X - 300, Y - 20) < 4, np.hypot(X - 180, Y - 170) < 2
    hole = np.hypot(X - 120, Y - 170) < 15
    alpha = ((DISC | speck) & ~pinhole & ~hole) * 255.0
    cutout = cut_out(np.dstack([np.full((SIDE, SIDE, 3), 90.0), alpha]).astype(np.uint8))
    assert not cutout.rgba[speck, 3].any()
    assert (cutout.rgba[pinhole, 3] == 255).all()
    assert not cutout.rgba[hole, 3].any()


def test_soft_edges_carry_no_background_colour() -> None:
    share = np.clip((90.0 - np.hypot(X - 150, Y - 170)) / 4.0 + 0.5, 0.0, 1.0)
    mixed = SUBJECT_COLOR * share[..., None] + 255.0 * (1.0 - share[..., None])  # seen before white
    cutout = cut_out(np.dstack([mixed, share * 255.0]).astype(np.uint8))
    edge = (share > 0.3) & (share < 0.7)
    before = np.abs(mixed[edge] - SUBJECT_COLOR).mean()
    after = np.abs(cutout.rgba[edge][:, :3] - SUBJECT_COLOR).mean()
    assert before > 50 and after < 0.6 * before
    assert not cutout.rgba[cutout.rgba[..., 3] == 0, :3].any()


@pytest.mark.parametrize("background", [FLAT, GRADIENT], ids=["flat", "gradient"])
def test_a_plain_background_is_taken_off(background: np.ndarray) -> None:
    cutout = cut_out(paint(DISC, background))
    assert cutout.method == "grabcut" and cutout.confidence > 0.8 and not cutout.warnings
    assert iou(cutout.rgba, DISC) > 0.98


def test_the_background_seen_through_a_ring_is_open() -> None:
    hole = np.hypot(X - 150, Y - 170) < 45
    cutout = cut_out(paint(DISC & ~hole, FLAT))
    assert iou(cutout.rgba, DISC & ~hole) > 0.96


def test_a_contact_shadow_is_not_part_of_the_subject() -> None:
    shadow = np.exp(-(((X - 150) / 110.0) ** 2) - ((Y - 262) / 22.0) ** 2)
    cutout = cut_out(paint(DISC, FLAT * (1.0 - 0.3 * shadow[..., None])))
    assert iou(cutout.rgba, DISC) > 0.96


def test_a_wall_and_a_floor_are_both_taken_off() -> None:
    horizon = (190 + 0.05 * (X - 160))[..., None]
    room = np.where(Y[..., None] < horizon, [222.0, 215.0, 205.0], [140.0, 105.0, 75.0]) * (1.0 - 0.0004 * X[..., None])
    cutout = cut_out(paint(DISC, room))
    assert cutout.is_sure and not cutout.warnings
    assert iou(cutout.rgba, DISC) > 0.97


def test_a_shadow_on_a_coloured_floor_is_not_part_of_the_subject() -> None:
    shadow = np.exp(-(((X - 150) / 110.0) ** 2) - ((Y - 262) / 22.0) ** 2)
    floor = np.broadcast_to([170.0, 120.0, 70.0], FLAT.shape) * (1.0 - 0.35 * shadow[..., None])
    cutout = cut_out(opaque(np.where(DISC[..., None], [60.0, 90.0, 180.0], floor)))
    assert iou(cutout.rgba, DISC) > 0.96


def test_a_light_subject_before_a_light_wall_is_kept() -> None:
    shade = 250.0 - 25.0 * np.hypot(X - 150, Y - 170) / 90.0  # lightest in the middle, where it is most like the wall
    picture = opaque(np.where(DISC, shade, 254.0)[..., None] * np.ones(3))
    assert iou(cut_out(picture).rgba, DISC) > 0.95


def test_a_subject_at_the_edge_of_the_picture_is_kept_to_the_edge() -> None:
    bust = (np.hypot(X - 160, Y - 130) < 60) | ((np.abs(X - 160) < 80) & (Y > 180))
    cutout = cut_out(paint(bust, FLAT))
    assert cutout.is_sure and iou(cutout.rgba, bust) > 0.98
    assert (cutout.rgba[-1, 100:220, 3] == 255).all()


def test_a_subject_that_runs_into_the_background_is_flagged() -> None:
    blend = np.clip((X - 90.0) / 120.0, 0.0, 1.0)[..., None]  # its left side is the background's colour
    picture = opaque(np.where(DISC[..., None], FLAT * (1.0 - blend) + SUBJECT_COLOR * blend, FLAT))
    cutout = cut_out(picture)
    assert not cutout.is_sure and "Check the outline" in cutout.warnings[0]


def test_a_lattice_is_flagged() -> None:
    bars = DISC & ((X % 24 < 8) | (Y % 24 < 8))
    cutout = cut_out(paint(bars, FLAT))
    assert not cutout.is_sure and "very fine" in cutout.warnings[0]


def test_a_busy_background_is_flagged_and_the_result_repeats() -> None:
    picture = paint(DISC, CHECKER)
    first, second = cut_out(picture), cut_out(picture)
    assert first.confidence < 0.5 and "busy" in first.warnings[0]
    assert iou(first.rgba, DISC) > 0.8
    assert np.array_equal(first.rgba, second.rgba)


def test_a_large_picture_comes_back_reduced() -> None:
    rgba = np.zeros((100, LARGEST_SIDE_PX * 2, 4), np.uint8)
    rgba[20:80, 500:3000] = 255
    cutout = cut_out(rgba)
    assert cutout.rgba.shape == (50, LARGEST_SIDE_PX, 4)
    assert cutout.rgba[25, 1000, 3] == 255


@pytest.mark.parametrize(
    ("rgba", "reason"),
    [
        (np.full((1, 1, 4), 255, np.uint8), "only 1 × 1 pixels"),
        (np.zeros((64, 64, 4), np.uint8), "transparent"),
        (np.full((64, 64, 4), (128, 128, 128, 255), np.uint8), "nothing in it differs"),
        (opaque(GRADIENT), "nothing in it differs"),
        (paint(np.hypot(X - 160, Y - 160) < 4, FLAT), "less than 0.1%"),
    ],
    ids=["one pixel", "all clear", "flat grey", "empty gradient", "a dot"],
)
def test_no_subject_is_said_with_the_reason_and_the_way_out(rgba: np.ndarray, reason: str) -> None:
    with pytest.raises(NoSubjectFound, match=reason) as caught:
        cut_out(rgba)
    assert "Use a picture of one character" in str(caught.value)
