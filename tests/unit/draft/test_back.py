# SPDX-License-Identifier: GPL-3.0-or-later
"""The back: crisp borders between what the outline wears, no details of the front, grain in place of fog."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.draft.patch_fill import PATCH_PX, sew_grain
from models.draft.placement import place_behind
from models.draft.regions import Regions, find_regions
from models.draft.texture import paint_sides

SIDE = 256
Y, X = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5 + 0.5 / SIDE
RADIUS = np.hypot(X, Y)
DISC = RADIUS < 0.42
ORANGE, BLUE, BLACK, WHITE = (np.array(c) for c in ((230, 120, 40), (40, 80, 220), (15, 15, 15), (240, 240, 240)))


def pick(mask: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], first, second).astype(np.uint8)


def cut(color: np.ndarray) -> np.ndarray:
    return np.dstack([color, DISC * 255]).astype(np.uint8)


def back_of(regions: Regions) -> np.ndarray:
    ring = (DISC & (RADIUS > 0.38)).astype(np.float32)
    return place_behind(regions, ring, 0.84)


def test_each_colour_is_a_piece_and_a_spot_is_set_into_it() -> None:
    color = pick(Y < 0, BLUE, ORANGE)
    spot = np.hypot(X, Y - 0.15) < 0.08
    color[spot] = (20, 230, 20)
    found = find_regions(color, DISC)
    assert len(found.carrier) == 3 and (found.own[~DISC] == -1).all()
    upper, lower, inner = (found.own[row, SIDE // 2] for row in (60, 220, 166))
    assert found.carrier[upper] == upper and found.carrier[lower] == lower and found.carrier[inner] == lower
    assert found.contact[inner] == 0.0 and found.contact[upper] > 0.5
    assert found.crosses[60, SIDE // 2] and not found.crosses[166, SIDE // 2]


def test_black_and_white_are_apart_and_a_shaded_colour_is_one_piece() -> None:
    assert len(find_regions(pick(X < 0, BLACK, WHITE), DISC).carrier) == 2
    light = 1.0 + 0.5 * X[..., None]
    assert len(find_regions((ORANGE * 0.8 * light).astype(np.uint8), DISC).carrier) == 1


def test_what_is_set_into_another_piece_at_the_outline_is_carried_by_that() -> None:
    ear = np.hypot(X - 0.32, Y) < 0.14
    found = find_regions(pick(ear, BLUE, ORANGE), DISC)
    inlay, around = found.own[SIDE // 2, 210], found.own[SIDE // 2, 60]
    assert 0.2 < found.contact[inlay] < 0.5
    assert found.carrier[inlay] == found.carrier[around] == around
    assert (back_of(found)[DISC] == around).all()


def test_a_hat_is_not_set_into_the_face_below_it() -> None:
    hat = Y < -0.2
    found = find_regions(pick(hat, BLUE, ORANGE), DISC)
    top = found.own[30, SIDE // 2]
    assert found.carrier[top] == top and (back_of(found)[hat & (Y < -0.25) & DISC] == top).all()


def test_the_shortest_borders_that_keep_to_the_outline() -> None:
    knobs = np.abs(Y) < 0.06
    found = find_regions(pick(knobs & (np.abs(X) > 0.28), BLUE, ORANGE), DISC)
    left = found.own[SIDE // 2, 24]
    pinned = replace(found, carrier=np.arange(len(found.carrier), dtype=np.int32), contact=np.ones_like(found.contact))
    placed = back_of(pinned)
    assert (placed[knobs & (np.abs(X) < 0.25)] == found.own[SIDE // 2, SIDE // 2]).all()
    assert (placed[SIDE // 2] == left).any()


def test_a_belt_goes_round_and_a_face_does_not() -> None:
    belt = (Y > 0.05) & (Y < 0.13)
    face = np.hypot(X, Y + 0.18) < 0.12
    color = pick(Y < 0.09, ORANGE, BLUE)
    color[belt], color[face] = BLACK, WHITE
    found = find_regions(color, DISC)
    placed = back_of(found)
    middle = found.own[int(0.59 * SIDE), SIDE // 2]
    assert placed[int(0.59 * SIDE), SIDE // 2] == middle
    assert (placed[face] == found.own[25, SIDE // 2]).all()


def test_the_underside_does_not_reach_up_the_back() -> None:
    belly = (Y > 0.2) | (RADIUS < 0.25)
    placed = back_of(find_regions(pick(belly, BLUE, ORANGE), DISC))
    assert (placed[(Y < 0.0) & DISC] == placed[25, SIDE // 2]).mean() > 0.98


def test_equal_pictures_give_equal_places() -> None:
    color = pick(Y < 0, BLUE, ORANGE)
    first, second = (back_of(find_regions(color, DISC)) for _ in range(2))
    assert np.array_equal(first, second) and (first[~DISC] == -1).all() and (first[DISC] >= 0).all()


@pytest.mark.parametrize("side", [65, 200, 256])
def test_noise_of_any_size_has_a_back(side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    rgba = np.dstack([noise, cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), side // 3, 255, -1)])
    front, back = paint_sides(rgba)
    assert front.shape == back.shape == (side, side, 3)


def test_borders_on_the_back_are_crisp() -> None:
    back = paint_sides(cut(pick(Y < 0, BLUE, ORANGE)))[1].astype(float)
    between = np.minimum(np.abs(back - BLUE).max(axis=2), np.abs(back - ORANGE).max(axis=2)) > 30
    assert 0 < (between & DISC).sum() < 0.05 * DISC.sum()
    assert np.abs(back[DISC & (np.abs(Y) > 0.06)] - pick(Y < 0, BLUE, ORANGE)[DISC & (np.abs(Y) > 0.06)]).mean() < 8


def test_fur_on_the_front_is_fur_on_the_back_where_the_face_was() -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 25, (SIDE, SIDE, 1)), (0, 0), 0.8)
    fur = np.clip(ORANGE + noise.reshape(SIDE, SIDE, 1), 0, 255).astype(np.uint8)
    face = RADIUS < 0.2
    back = paint_sides(cut(np.where(face[..., None], BLUE, fur).astype(np.uint8)))[1].astype(float)
    inner = RADIUS < 0.15
    assert np.abs(back[inner].mean(axis=0) - fur[DISC & ~face].mean(axis=0)).max() < 15
    assert back[inner].std(axis=0).max() > 0.3 * fur[DISC & ~face].std(axis=0).max()


def test_grain_comes_only_from_the_same_label_and_keeps_its_contrast() -> None:
    rng = np.random.default_rng(2)
    labels = (X > 0).astype(int)
    grain = np.where(labels[..., None] == 1, rng.normal(0, 10, (SIDE, SIDE, 3)), 0.0).astype(np.float32)
    sewn = sew_grain(grain, labels, np.ones_like(DISC), labels)
    assert sewn.shape == grain.shape
    assert not sewn[:, : SIDE // 2 - PATCH_PX].any()
    assert 8.0 < sewn[:, SIDE // 2 + PATCH_PX :].std() < 12.0
    assert np.array_equal(sewn, sew_grain(grain, labels, np.ones_like(DISC), labels))


def test_no_grain_without_a_place_to_take_it_from_or_to_put_it() -> None:
    grain = np.ones((64, 64, 3), np.float32)
    labels = np.zeros((64, 64), int)
    assert not sew_grain(grain, labels, np.zeros((64, 64), bool), labels).any()
    assert not sew_grain(grain, labels, np.ones((64, 64), bool), labels - 1).any()
