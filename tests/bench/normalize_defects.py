# SPDX-License-Identifier: GPL-3.0-or-later
"""Known defects of pictures, made: cut, turned, blurred, enlarged, doubled; and dolls whose pose is known."""

from __future__ import annotations

import cv2
import numpy as np

from models.draft.framing import resize_rgba, subject_bounds

MARGIN_PX = 40
DOLL_SIDE_PX = 640
SIDES = ("top", "bottom", "left", "right")


def crop_to_subject(rgba: np.ndarray) -> np.ndarray:
    left, top, right, bottom = subject_bounds(rgba)
    return rgba[top:bottom, left:right]


def cut(rgba: np.ndarray, side: str, share: float) -> np.ndarray:
    """The picture ends within the subject at that side, after that share of it; elsewhere there is room."""
    subject = crop_to_subject(rgba)
    rows, columns = (round(share * length) for length in subject.shape[:2])
    kept = {
        "top": subject[rows:],
        "bottom": subject[: subject.shape[0] - rows],
        "left": subject[:, columns:],
        "right": subject[:, : subject.shape[1] - columns],
    }[side]
    room = [0 if side == name else MARGIN_PX for name in SIDES]
    return np.pad(kept, ((room[0], room[1]), (room[2], room[3]), (0, 0)))


def turn(rgba: np.ndarray, degrees: float) -> np.ndarray:
    """Turned counter-clockwise about its middle, in a square with room."""
    subject = crop_to_subject(rgba)
    side = 2 * (int(np.hypot(*subject.shape[:2])) // 2 + MARGIN_PX)
    top, left = (side - subject.shape[0]) // 2, (side - subject.shape[1]) // 2
    square = np.zeros((side, side, 4), np.float32)
    square[top : top + subject.shape[0], left : left + subject.shape[1]] = _premultiplied(subject)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, 1.0)
    return _straight(cv2.warpAffine(square, matrix, (side, side), flags=cv2.INTER_LINEAR))


def blur(rgba: np.ndarray, sigma_px: float, height_px: int = 768) -> np.ndarray:
    """Blurred by that sigma, meant for a subject whose longer side is height_px."""
    subject = np.pad(crop_to_subject(rgba), ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0)))
    scale = (max(subject.shape[:2]) - 2 * MARGIN_PX) / height_px
    return _straight(cv2.GaussianBlur(_premultiplied(subject), (0, 0), sigma_px * scale))


def enlarge(rgba: np.ndarray, side_px: int) -> np.ndarray:
    """Reduced to that side and brought back to its own size."""
    height, width = rgba.shape[:2]
    scale = side_px / max(height, width)
    small = resize_rgba(rgba, round(width * scale), round(height * scale))
    return resize_rgba(small, width, height)


def put_beside(rgba: np.ndarray) -> np.ndarray:
    """Two of it, apart."""
    subject = np.pad(crop_to_subject(rgba), ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0)))
    return np.hstack([subject, subject])


def draw_doll(arm_deg: float, leg_deg: float, thickness: float) -> tuple[np.ndarray, bool, bool]:
    """A doll of capsules: (DOLL_SIDE_PX, DOLL_SIDE_PX, 4) uint8, and whether its arms and its legs are apart.

    arm_deg: of the arms from hanging down; leg_deg: of each leg from straight down; thickness: of limbs, in heads.
    A pair is apart where the gap at the hands or the feet is at least a third of a limb's thickness.
    """
    head = DOLL_SIDE_PX / 8.0
    middle, top = DOLL_SIDE_PX / 2.0, 0.5 * head
    mask = np.zeros((DOLL_SIDE_PX, DOLL_SIDE_PX), np.uint8)
    width = thickness * head
    cv2.circle(mask, (round(middle), round(top + head / 2)), round(head / 2), 255, -1)
    shoulder_y, hip_y = top + 1.4 * head, top + 3.6 * head
    trunk = cv2.boxPoints(((middle, (shoulder_y + hip_y) / 2), (1.5 * head, hip_y - shoulder_y + width), 0.0))
    cv2.fillConvexPoly(mask, np.rint(trunk).astype(np.int32), 255)
    hands, feet = [], []
    for side in (-1.0, 1.0):
        shoulder, hip = (middle + side * 0.75 * head, shoulder_y), (middle + side * 0.4 * head, hip_y)
        hands.append(_limb(mask, shoulder, side, arm_deg, 2.6 * head, width))
        feet.append(_limb(mask, hip, side, leg_deg, 3.4 * head, width))
    below_trunk = abs(hands[1][0] - middle) - width / 2 - 0.75 * head
    between = feet[1][0] - feet[0][0] - width
    rgba = np.dstack([np.full((*mask.shape, 3), (150, 110, 90), np.uint8), mask])
    return rgba, below_trunk >= width / 3, between >= width / 3


def _limb(
    mask: np.ndarray, start: tuple[float, float], side: float, degrees: float, length: float, width: float
) -> tuple[float, float]:
    angle = np.radians(degrees)
    end = start[0] + side * length * np.sin(angle), start[1] + length * np.cos(angle)
    points = [tuple(round(value) for value in point) for point in (start, end)]
    cv2.line(mask, points[0], points[1], 255, round(width))
    return end


def _premultiplied(rgba: np.ndarray) -> np.ndarray:
    color = rgba.astype(np.float32)
    color[..., :3] *= color[..., 3:] / 255.0
    return color


def _straight(premultiplied: np.ndarray) -> np.ndarray:
    alpha = premultiplied[..., 3:]
    color = np.where(alpha > 0.5, premultiplied[..., :3] * 255.0 / np.maximum(alpha, 0.5), 0.0)
    return np.rint(np.clip(np.dstack([color, alpha]), 0, 255)).astype(np.uint8)
