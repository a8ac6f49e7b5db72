# SPDX-License-Identifier: GPL-3.0-or-later
"""The back: crisp borders between what the outline wears, no details of the front, grain in place of fog."""

import cv2
import numpy as np

from models.draft.materials import continue_behind, find_materials, soften_labels
from models.draft.patch_fill import PATCH_PX, sew_grain
from models.draft.texture import paint_sides

SIDE = 256
Y, X = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5 + 0.5 / SIDE
RADIUS = np.hypot(X, Y)
DISC = RADIUS < 0.42
RING = DISC & (RADIUS > 0.38)
ORANGE, BLUE, BLACK, WHITE = (np.array(c) for c in ((230, 120, 40), (40, 80, 220), (15, 15, 15), (240, 240, 240)))


def pick(mask: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], first, second).astype(np.uint8)


def cut(color: np.ndarray) -> np.ndarray:
    return np.dstack([color, DISC * 255]).astype(np.uint8)


def test_two_colours_of_the_outline_are_two_materials_and_a_spot_is_a_detail() -> None:
    color = pick(Y < 0, BLUE, ORANGE)
    spot = np.hypot(X, Y - 0.15) < 0.08
    color[spot] = (20, 230, 20)
    found = find_materials(color, DISC, RING)
    assert found.count == 2
    assert found.is_detail[spot].all()
    assert not found.is_detail[RING].any()
    assert len(np.unique(found.own[RING & (Y < 0)])) == 1


def test_black_and_white_are_not_joined_though_their_middle_is_grey() -> None:
    found = find_materials(pick((Y * 8).astype(int) % 2 == 0, BLACK, WHITE), DISC, RING)
    assert found.count == 2


def test_a_shaded_colour_is_one_material() -> None:
    light = 1.0 + 0.5 * X[..., None]
    assert find_materials((ORANGE * 0.8 * light).astype(np.uint8), DISC, RING).count == 1


def test_a_piece_of_the_outline_s_colour_that_does_not_reach_it_is_a_detail() -> None:
    eyes = np.hypot(np.abs(X) - 0.12, Y) < 0.05
    hat = Y < -0.25
    found = find_materials(pick(eyes | hat, BLUE, ORANGE), DISC, RING)
    assert found.count == 2
    assert found.is_detail[eyes].all() and not found.is_detail[hat & DISC].any()


def test_the_underside_does_not_reach_up_the_back() -> None:
    chin = Y > 0.2
    found = find_materials(pick(chin | (RADIUS < 0.25), BLUE, ORANGE), DISC, RING)
    shares, mixture = continue_behind(found, RING.astype(np.float32), DISC)
    top = found.own[20:, SIDE // 2][0]
    assert np.allclose(shares.sum(axis=2), 1.0, atol=1e-4) and np.allclose(mixture.sum(axis=2)[DISC], 1.0, atol=1e-3)
    assert (shares.argmax(axis=2)[(Y < 0.0) & DISC] == top).mean() > 0.98


def test_borders_on_the_back_are_crisp() -> None:
    back = paint_sides(cut(pick(Y < 0, BLUE, ORANGE)))[1].astype(float)
    between = np.minimum(np.abs(back - BLUE).max(axis=2), np.abs(back - ORANGE).max(axis=2)) > 30
    assert 0 < (between & DISC).sum() < 0.05 * DISC.sum()
    assert np.abs(back[DISC & (np.abs(Y) > 0.06)] - pick(Y < 0, BLUE, ORANGE)[DISC & (np.abs(Y) > 0.06)]).mean() < 8


def test_fur_on_the_front_is_fur_on_the_back_where_the_face_was() -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 60, (SIDE, SIDE, 1)), (0, 0), 0.8)
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


def test_softened_labels_lose_specks() -> None:
    labels = np.zeros((40, 40), int)
    labels[20, 20] = 1
    shares = soften_labels(labels, 2, 1.5)
    assert (shares.argmax(axis=2) == 0).all() and np.allclose(shares.sum(axis=2), 1.0)
