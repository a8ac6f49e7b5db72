# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each piece goes on behind: regions that keep to the outline, with the shortest borders between them."""

import cv2
import numpy as np

from .regions import Regions

SCALES = (0.16, 0.11, 0.08, 0.055, 0.04, 0.028, 0.02)  # widths of the blur, in the subject's longer side
BLUR_PX = 3.0  # each scale is worked at the resolution where its blur is so wide
ROUNDS = 3  # of blurring and choosing at each scale
LEVEL_PULL = 1.5  # blurs are wider sideways: belts and hems run level
PIN = 1.2  # what the outline wears counts so much against what is around
SPAN_PULL = 0.4  # and so much what crosses the front from side to side there
FULL_CONTACT = 0.35  # pieces with so much of their border on the silhouette count fully
LEAST_WEIGHT = 0.15  # and those with the least so much
UNDERSIDE_WEIGHT = 0.25  # of the silhouette where it looks down: chins and bellies do not reach around to the back


def place_behind(regions: Regions, ring: np.ndarray, length: float) -> np.ndarray:
    """The piece that each pixel shows on the back: (H, W) int32, -1 outside.

    ring: (H, W) float32, 0..1, 1 along the silhouette. length: the subject's longer side in sides of the picture.
    Threshold dynamics from coarse to fine: what is narrow against a scale and not held by the outline vanishes at it.
    Source: Esedoglu and Otto, "Threshold Dynamics for Networks with Arbitrary Surface Tensions", 2015.
    """
    is_inside = regions.own >= 0
    kinds, back = np.unique(np.where(is_inside, regions.carrier[regions.own], -1), return_inverse=True)
    back = back.reshape(is_inside.shape)
    marks = np.eye(len(kinds), dtype=np.float32)[back]
    marks[..., kinds < 0] = 0.0
    weight = np.clip(regions.contact / FULL_CONTACT, LEAST_WEIGHT, 1.0)[regions.own] * is_inside
    pins = marks * (weight * ring * weigh_by_direction(is_inside))[..., None]
    pull = marks * regions.crosses[..., None]
    size = is_inside.shape[0]
    fields = [_in_fours(field) for field in (pins, pull, is_inside.astype(np.float32)[..., None])]
    spread = None
    for scale in SCALES:
        side = min(size, round(BLUR_PX / (scale * length)))
        near, cross, inside = (_resample(fours, side) for fours in fields)
        spread = _blur(near) if spread is None else _resample(_in_fours(spread), side)
        bias = PIN * near + SPAN_PULL * cross
        total = np.maximum(_blur(inside), 1e-6)
        for _ in range(ROUNDS):
            score = _blur(spread * inside) / total + bias
            score[..., kinds < 0] = -1.0
            spread = np.eye(len(kinds), dtype=np.float32)[score.argmax(axis=2)]
    score = _resample(_in_fours(spread), size)
    return np.where(is_inside, kinds[score.argmax(axis=2)], -1).astype(np.int32)


def weigh_by_direction(is_inside: np.ndarray) -> np.ndarray:  # (H, W) bool -> (H, W) float32
    """UNDERSIDE_WEIGHT where the nearest silhouette looks down, 1 where it looks sideways or up."""
    distance = cv2.distanceTransform(is_inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    smooth = cv2.GaussianBlur(distance, (0, 0), max(1.0, is_inside.shape[1] / 100.0))
    down, right = np.gradient(smooth)
    looks_down = np.clip(-down / np.maximum(np.hypot(down, right), 1e-6), 0.0, 1.0)
    return (1.0 - (1.0 - UNDERSIDE_WEIGHT) * looks_down**2).astype(np.float32)


def _in_fours(field: np.ndarray) -> list[np.ndarray]:  # (H, W, C) float32
    """The channels by four, which is what OpenCV resizes at a time."""
    return [np.ascontiguousarray(few) for few in np.split(field, range(4, field.shape[2], 4), axis=2)]


def _resample(fours: list[np.ndarray], side: int) -> np.ndarray:  # of (H, W, ≤ 4) float32 -> (side, side, C)
    way = cv2.INTER_AREA if side < len(fours[0]) else cv2.INTER_LINEAR
    resized = [cv2.resize(few, (side, side), interpolation=way).reshape(side, side, -1) for few in fours]
    return np.concatenate(resized, axis=2)


def _blur(field: np.ndarray) -> np.ndarray:  # (H, W, C) float32
    blurred = cv2.GaussianBlur(field, (0, 0), BLUR_PX * LEVEL_PULL, sigmaY=BLUR_PX, borderType=cv2.BORDER_CONSTANT)
    return blurred.reshape(field.shape)
