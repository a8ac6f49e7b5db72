# SPDX-License-Identifier: GPL-3.0-or-later
"""Centring a cut-out subject in a square picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from .errors import NoSubjectFound

SIDE_PX = 1024  # of the master: what the models of this field see at most
MARGIN_PX = 24  # of the master
SAME_SIZE_PX = 2  # by which a subject that was enlarged to fit may miss: it is moved then, not resampled again
SUBJECT_ALPHA = 128  # a pixel belongs to the subject from half opacity on; haze and soft shadows do not set the frame


@dataclass(frozen=True)
class Framed:
    """A subject centred in a square picture.

    rgba: (S, S, 4) uint8, straight alpha; black where alpha is 0.
    subject_fraction: share of the square's pixels that belong to the subject, 0..1.
    scale: pixels of the square per pixel of the source picture.
    """

    rgba: np.ndarray
    subject_fraction: float
    scale: float


def pad_square(rgba: np.ndarray) -> Framed:  # rgba: (H, W, 4) uint8
    """The picture as it is, in the middle of a square that is clear around it. Raises NoSubjectFound."""
    subject_bounds(rgba)
    height, width = rgba.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 4), np.uint8)
    y, x = (side - height) // 2, (side - width) // 2
    square[y : y + height, x : x + width] = rgba
    return Framed(square, float((square[..., 3] >= SUBJECT_ALPHA).mean()), 1.0)


def crop_subject(rgba: np.ndarray) -> np.ndarray:  # (H, W, 4) uint8
    """The subject with what of its soft edge may show in the margin of the master. Raises NoSubjectFound."""
    left, top, right, bottom = subject_bounds(rgba)
    around_px = int(MARGIN_PX / framing_scale(rgba)) + 1
    return rgba[max(top - around_px, 0) : bottom + around_px, max(left - around_px, 0) : right + around_px]


def framing_scale(rgba: np.ndarray, size: int = SIDE_PX, margin_px: int = MARGIN_PX) -> float:
    """Pixels of the framed square a pixel of the picture (H, W, 4). Raises NoSubjectFound."""
    left, top, right, bottom = subject_bounds(rgba)
    return (size - 2 * margin_px) / max(right - left, bottom - top)


def frame_subject(
    rgba: np.ndarray, size: int = SIDE_PX, margin_px: int = MARGIN_PX, *, has_size: bool = False
) -> Framed:  # rgba: (H, W, 4) uint8
    """Scale the subject so that its longer side fills the square up to the margin, and centre it.

    size: side of the square in pixels; margin_px: what stays free on the longer side, in pixels of the square.
    has_size: the subject was brought to its size before; a pixel more or less is let pass.
    Raises NoSubjectFound when no pixel is at least half opaque, ValueError when the margin leaves no room.
    """
    if size <= 2 * margin_px:
        raise ValueError(f"a margin of {margin_px} px leaves no room in a square of {size} px")
    left, top, right, bottom = subject_bounds(rgba)
    scale = framing_scale(rgba, size, margin_px)
    if has_size and abs(1.0 - 1.0 / scale) * (size - 2 * margin_px) <= SAME_SIZE_PX:
        scale = 1.0
    around_px = int(margin_px / scale)  # soft edges reach beyond the bounds: the margin is taken from the source too
    crop_left, crop_top = max(left - around_px, 0), max(top - around_px, 0)
    crop = rgba[crop_top : bottom + around_px, crop_left : right + around_px]
    width, height = (max(1, round(side * scale)) for side in (crop.shape[1], crop.shape[0]))
    resized = resize_rgba(crop, width, height)
    x = round(size / 2 - ((left + right) / 2 - crop_left) * scale)
    y = round(size / 2 - ((top + bottom) / 2 - crop_top) * scale)
    square = np.zeros((size, size, 4), np.uint8)
    target = square[max(y, 0) : y + height, max(x, 0) : x + width]
    target[:] = resized[max(-y, 0) :, max(-x, 0) :][: target.shape[0], : target.shape[1]]
    return Framed(square, float((square[..., 3] >= SUBJECT_ALPHA).mean()), scale)


def subject_bounds(rgba: np.ndarray) -> tuple[int, int, int, int]:  # rgba: (H, W, 4) uint8
    """The subject's box in pixels: left, top, and one past right, bottom. Raises NoSubjectFound when it is empty."""
    inside = rgba[..., 3] >= SUBJECT_ALPHA
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    if columns.size == 0:
        raise NoSubjectFound(
            "The picture is empty: no pixel is at least half opaque. Use a picture whose subject is opaque."
        )
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def resize_rgba(rgba: np.ndarray, width: int, height: int) -> np.ndarray:  # rgba: (H, W, 4) uint8
    """Resize with premultiplied alpha: (height, width, 4) uint8, straight alpha. Clear pixels' colours do not bleed.

    Area averaging where the picture shrinks, Lanczos where it grows.
    """
    if (height, width) == rgba.shape[:2]:
        return np.where(rgba[..., 3:] > 0, rgba, 0).astype(np.uint8)
    shrinks = width < rgba.shape[1] or height < rgba.shape[0]
    *colors, alpha = cv2.split(rgba.astype(np.float32))  # planes: whole arrays are multiplied several times faster
    share = alpha / 255.0
    premultiplied = cv2.merge([*(color * share for color in colors), alpha])
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    resized = cv2.resize(premultiplied, (width, height), interpolation=interpolation)
    *colors, alpha = cv2.split(np.clip(resized, 0.0, 255.0, out=resized))
    whole, share = np.rint(alpha), np.maximum(alpha, 1e-3)
    straight = (np.rint(np.clip(color * 255.0 / share, 0.0, 255.0)) for color in colors)
    merged = cv2.merge([*straight, whole]).astype(np.uint8)
    return cv2.copyTo(merged, (whole > 0).astype(np.uint8)).reshape(height, width, 4)
