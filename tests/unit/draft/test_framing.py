# SPDX-License-Identifier: GPL-3.0-or-later
"""Framing: size, centre, margin, and clean colours."""

import numpy as np
import pytest

from models.draft.errors import NoSubjectFound
from models.draft.framing import (
    crop_subject,
    frame_subject,
    pad_square,
    resize_rgba,
    subject_bounds,
)


def block(height: int, width: int, box: tuple[int, int, int, int]) -> np.ndarray:
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., :3] = (0, 255, 0)  # the colour of clear pixels must never show
    left, top, right, bottom = box
    rgba[top:bottom, left:right] = (200, 30, 30, 255)
    return rgba


@pytest.mark.parametrize("box", [(10, 20, 60, 180), (100, 5, 390, 95), (0, 0, 400, 200), (399, 0, 400, 200)])
def test_the_longer_side_fills_the_square_and_the_subject_is_centred(box: tuple[int, int, int, int]) -> None:
    framed = frame_subject(block(200, 400, box), size=256, margin_px=16)
    left, top, right, bottom = subject_bounds(framed.rgba)
    assert framed.rgba.shape == (256, 256, 4)
    assert abs(max(right - left, bottom - top) - 224) <= 1
    assert abs((left + right) / 2 - 128) <= 1 and abs((top + bottom) / 2 - 128) <= 1
    width, height = box[2] - box[0], box[3] - box[1]
    assert framed.scale == pytest.approx(224 / max(width, height))
    assert framed.subject_fraction == pytest.approx(width * height * framed.scale**2 / 256**2, rel=0.05, abs=0.004)


@pytest.mark.parametrize("size", [64, 900])
def test_colours_of_clear_pixels_do_not_bleed(size: int) -> None:
    framed = frame_subject(block(300, 300, (31, 40, 201, 260)), size=size, margin_px=8)
    visible = framed.rgba[framed.rgba[..., 3] > 0]
    assert visible[:, 1].max() <= 60 and visible[:, 0].min() >= 170
    assert not framed.rgba[framed.rgba[..., 3] == 0, :3].any()


def test_a_soft_edge_outside_the_bounds_is_kept() -> None:
    rgba = block(200, 200, (50, 50, 150, 150))
    rgba[50:150, 150:156, 3] = 100
    framed = frame_subject(rgba, size=200, margin_px=20)
    right = subject_bounds(framed.rgba)[2]
    assert (framed.rgba[100, right : right + 8, 3] > 80).all()


def test_haze_does_not_set_the_frame() -> None:
    rgba = block(200, 200, (50, 50, 150, 150))
    rgba[:10, :10, 3] = 40
    assert frame_subject(rgba, 128, 4).scale == pytest.approx(1.2)


def test_an_empty_picture_has_no_subject() -> None:
    with pytest.raises(NoSubjectFound, match="half opaque"):
        frame_subject(np.zeros((20, 20, 4), np.uint8))


def test_a_margin_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        frame_subject(block(20, 20, (5, 5, 15, 15)), size=32, margin_px=16)


def test_resizing_a_uniform_picture_changes_nothing() -> None:
    rgba = np.full((30, 50, 4), (12, 130, 250, 128), np.uint8)
    assert np.abs(resize_rgba(rgba, 23, 71).astype(int) - rgba[0, 0]).max() <= 1


def test_a_subject_that_was_brought_to_its_size_is_moved_and_not_resampled() -> None:
    rgba = block(400, 400, (3, 5, 103, 215))  # 210 px high: two too few
    rgba[50:60, 50:60, :3] = np.random.default_rng(0).integers(0, 255, (10, 10, 3))
    framed = frame_subject(rgba, size=256, margin_px=22, has_size=True)
    assert frame_subject(rgba, size=256, margin_px=22).scale > 1.0
    left, top, right, bottom = subject_bounds(framed.rgba)
    assert framed.scale == 1.0 and (right - left, bottom - top) == (100, 210)
    np.testing.assert_array_equal(framed.rgba[top:bottom, left:right], rgba[5:215, 3:103])


def test_padding_changes_no_pixel() -> None:
    rgba = block(40, 90, (5, 5, 30, 30))
    padded = pad_square(rgba)
    assert padded.rgba.shape == (90, 90, 4) and padded.scale == 1.0
    np.testing.assert_array_equal(padded.rgba[25:65], rgba)
    assert not padded.rgba[:25].any() and not padded.rgba[65:].any()
    with pytest.raises(NoSubjectFound):
        pad_square(np.zeros((8, 9, 4), np.uint8))


def test_the_crop_holds_the_soft_edge_and_nothing_far_away() -> None:
    rgba = block(400, 400, (150, 100, 250, 300))
    crop = crop_subject(rgba)
    around = (crop.shape[1] - 100) // 2
    assert 0 < around < 20 and crop.shape == (200 + 2 * around, 100 + 2 * around, 4)
