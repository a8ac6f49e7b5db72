# SPDX-License-Identifier: GPL-3.0-or-later
"""A screen: a plain background of a colour that the subject does not have, so that it can be cut out cleanly."""

from dataclasses import dataclass

import cv2
import numpy as np

from .framing import SUBJECT_ALPHA, subject_bounds

SAMPLE_SIDE_PX = 128  # of the subject when its colours are compared: small accents still count
NEAREST_SHARE = 0.02  # of the subject's pixels that may be nearer to the screen than its distance says
CLEARLY_APART = 25.0  # Lab distance at which a plain screen separates for sure


@dataclass(frozen=True)
class Screen:
    """A colour. name: for an instruction. rgb: (3,) 0..255."""

    name: str
    rgb: tuple[int, int, int]


# Quiet ones first: a strong colour is reflected in the subject's edges.
SCREENS = (
    Screen("light grey (#D9D9D9)", (217, 217, 217)),
    Screen("white (#FFFFFF)", (255, 255, 255)),
    Screen("dark grey (#404040)", (64, 64, 64)),
    Screen("pale blue (#A8C8F0)", (168, 200, 240)),
    Screen("pale green (#A8E0B0)", (168, 224, 176)),
    Screen("green (#00B140)", (0, 177, 64)),
    Screen("blue (#0050C8)", (0, 80, 200)),
    Screen("magenta (#E000C0)", (224, 0, 192)),
)


def choose_screen(rgba: np.ndarray) -> Screen:  # rgba: (H, W, 4) uint8, the subject cut out
    """The quietest screen that is clearly apart from the subject's colours; the farthest one where none is.

    Raises NoSubjectFound when no pixel is at least half opaque.
    """
    left, top, right, bottom = subject_bounds(rgba)
    subject = rgba[top:bottom, left:right]
    scale = min(1.0, SAMPLE_SIDE_PX / max(subject.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in subject.shape[1::-1])
    sampled = cv2.resize(subject, size, interpolation=cv2.INTER_NEAREST)
    opaque = sampled[..., 3] >= SUBJECT_ALPHA
    colors = _lab(sampled[opaque][:, :3] if opaque.any() else subject[subject[..., 3] >= SUBJECT_ALPHA][:, :3])
    distances = [
        float(np.quantile(np.linalg.norm(colors - _lab(np.uint8([item.rgb])), axis=1), NEAREST_SHARE))
        for item in SCREENS
    ]
    for item, distance in zip(SCREENS, distances, strict=True):
        if distance >= CLEARLY_APART:
            return item
    return SCREENS[int(np.argmax(distances))]


def lay_on(rgba: np.ndarray, screen: Screen) -> np.ndarray:  # rgba: (H, W, 4) uint8, straight alpha
    """The picture on the screen: (H, W, 3) uint8."""
    share = rgba[..., 3:].astype(np.float32) / 255.0
    return np.rint(rgba[..., :3] * share + np.float32(screen.rgb) * (1.0 - share)).astype(np.uint8)


def _lab(rgb: np.ndarray) -> np.ndarray:  # (N, 3) uint8
    """CIE Lab: (N, 3) float32."""
    return cv2.cvtColor((rgb.astype(np.float32) / 255.0)[None], cv2.COLOR_RGB2LAB)[0]
