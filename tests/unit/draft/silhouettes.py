# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of bodies made of capsules, taken from known places, and of a doll from the front."""

import cv2
import numpy as np

from models.draft.inflate import FIELD_PX, PAD_PX

SIDE = 512
HEAD, TRUNK = ((256, 110), 60), ((256, 270), 75)  # of the doll: centre (x, y) and radius in pixels of the picture
LENGTH, WIDTH, HEIGHT = 0.36, 0.16, 0.30  # of the rectangle of the feet, and of the trunk above it
DOG = [  # (from, to, radius); x to its left, y up, z to its front
    ((0, HEIGHT, -LENGTH / 2), (0, HEIGHT, LENGTH / 2), 0.09),
    ((0, HEIGHT + 0.05, LENGTH / 2), (0, HEIGHT + 0.14, LENGTH / 2 + 0.1), 0.06),
    *(((x, HEIGHT, z), (x, 0.03, z), 0.025) for x in (-WIDTH / 2, WIDTH / 2) for z in (-LENGTH / 2, LENGTH / 2)),
]
FISH = [((0, 0, 0), (0, 0, 0.14), 0.08), ((0, 0, 0), (0, 0, -0.22), 0.05), ((0, 0, -0.2), (0, 0, -0.42), 0.02)]
PERSON = [
    ((0, 0.45, 0), (0, 0.65, 0), 0.09),
    ((0, 0.8, 0), (0, 0.82, 0), 0.08),
    *(((x, 0.4, 0), (x, 0.03, 0), 0.04) for x in (-0.07, 0.07)),
]


def photograph(parts: list, azimuth_deg: float, elevation_deg: float = 20.0) -> np.ndarray:  # (512, 512) uint8
    """The silhouette, orthographic; a positive azimuth shows the front pointing to the left."""
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    forward = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    up = np.cos(elevation) * np.array([0.0, 1.0, 0.0]) - np.sin(elevation) * forward
    drawn = [
        (np.array([[end @ right, -(end @ up)] for end in (np.array(start), np.array(stop))]), radius)
        for start, stop, radius in parts
    ]
    ends = np.concatenate([points for points, _ in drawn])
    scale = 400 / np.ptp(ends, axis=0).max()
    middle = (ends.min(axis=0) + ends.max(axis=0)) / 2
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    for points, radius in drawn:
        start, stop = (tuple(int(v) for v in np.rint((p - middle) * scale + SIDE / 2)) for p in points)
        cv2.line(alpha, start, stop, 255, round(2 * radius * scale * 0.8))
    return alpha


def draw_doll(*, arms: str = "hanging", ears: bool = False, legs_px: int = 36) -> np.ndarray:  # (512, 512) uint8
    """Head, egg-shaped trunk, and legs of a width; legs_px 0: a skirt to the ground instead."""
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(alpha, *HEAD, 255, -1)
    cv2.ellipse(alpha, TRUNK[0], (TRUNK[1], 105), 0, 0, 360, 255, -1)
    if not legs_px:
        cv2.fillPoly(alpha, [np.array([(190, 300), (322, 300), (350, 480), (162, 480)])], 255)
    for side in (-1, 1):
        if legs_px:
            cv2.line(alpha, (256 + 40 * side, 300), (256 + 40 * side, 480), 255, legs_px)
        hand = {"hanging": (256 + 160 * side, 330), "level": (256 + 200 * side, 200)}[arms]
        cv2.line(alpha, (256 + 40 * side, 200), hand, 255, 30)
        if ears:
            cv2.circle(alpha, (256 + 85 * side, 70), 42, 255, -1)
    return alpha


def at(field: np.ndarray, x: int, y: int) -> float:
    """A field's value at a pixel of the picture."""
    scale = FIELD_PX / SIDE
    return float(field[round(y * scale) + PAD_PX, round(x * scale) + PAD_PX])
