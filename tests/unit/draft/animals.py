# SPDX-License-Identifier: GPL-3.0-or-later
"""Animals made of capsules, in the house frame, facing +z; and the same as a picture from half the side shows them."""

import numpy as np

from tests.unit.draft.shapes import QUADRUPED

BIRD = {
    "trunk": ((0, 0.55, -0.22), (0, 0.60, 0.22), 0.17),
    "neck": ((0, 0.65, 0.30), (0, 0.90, 0.42), 0.06),
    "head": ((0, 0.95, 0.42), (0, 0.95, 0.46), 0.09),
    "beak": ((0, 0.94, 0.50), (0, 0.93, 0.66), 0.025),
    "tail": ((0, 0.55, -0.35), (0, 0.52, -0.80), 0.05),
    "leg.L": ((0.09, 0.04, 0), (0.09, 0.5, 0), 0.035),
    "leg.R": ((-0.09, 0.04, 0), (-0.09, 0.5, 0), 0.035),
    "foot.L": ((0.09, 0.03, 0), (0.09, 0.03, 0.12), 0.03),
    "foot.R": ((-0.09, 0.03, 0), (-0.09, 0.03, 0.12), 0.03),
}
WINGS = {
    "wing.L": ((0.12, 0.62, 0.15), (0.8, 0.66, 0.1), 0.05),
    "wing.R": ((-0.12, 0.62, 0.15), (-0.8, 0.66, 0.1), 0.05),
}
FISH = {
    "trunk": ((0, 0.5, 0.1), (0, 0.5, 0.4), 0.2),
    "stalk": ((0, 0.5, 0.0), (0, 0.5, -0.8), 0.1),
    "fin.top": ((0, 0.6, -0.9), (0, 0.75, -1.0), 0.03),
    "fin.bottom": ((0, 0.4, -0.9), (0, 0.25, -1.0), 0.03),
}
# The head at the viewer's left, its near, left legs lower in the picture than the far, right ones; all of one depth.
HALF_SIDE = {
    "trunk": ((-0.3, 0.62, 0), (0.35, 0.66, 0), 0.17),
    "neck": ((-0.36, 0.68, 0), (-0.5, 0.92, 0), 0.09),
    "head": ((-0.5, 0.95, 0), (-0.72, 0.9, 0), 0.1),
    "ear": ((-0.46, 1.02, 0), (-0.5, 1.2, 0), 0.03),
    "tail": ((0.48, 0.7, 0), (0.7, 0.95, 0), 0.04),
    "front.R": ((-0.38, 0.10, 0), (-0.36, 0.6, 0), 0.05),
    "front.L": ((-0.19, 0.05, 0), (-0.20, 0.6, 0), 0.05),
    "back.R": ((0.22, 0.24, 0), (0.22, 0.6, 0), 0.045),
    "back.L": ((0.40, 0.20, 0), (0.38, 0.6, 0), 0.045),
}
LIZARD = {
    "trunk": ((0, 0.35, -0.5), (0, 0.35, 0.5), 0.14),
    "head": ((0, 0.38, 0.6), (0, 0.36, 0.8), 0.1),
    "tail": ((0, 0.33, -0.6), (0, 0.1, -1.3), 0.05),
} | {
    f"{part} {end}.{side}": ((sign * start[0], start[1], z), (sign * stop[0], stop[1], z), 0.05)
    for end, z in (("front", 0.4), ("back", -0.4))
    for side, sign in (("L", 1), ("R", -1))
    for part, start, stop in (("upper", (0.1, 0.35), (0.5, 0.45)), ("lower", (0.5, 0.45), (0.6, 0.05)))
}
HORNS = {"horn.L": ((0.05, 1.0, 0.7), (0.2, 1.25, 0.85), 0.03), "horn.R": ((-0.05, 1.0, 0.7), (-0.2, 1.25, 0.85), 0.03)}
COW = QUADRUPED | HORNS


def turned(points: np.ndarray, turn_rad: float) -> np.ndarray:  # points: (N, 3)
    """The points turned about +y, +z toward +x; float32."""
    cosine, sine = np.cos(turn_rad), np.sin(turn_rad)
    x, y, z = points.T
    return np.stack([cosine * x + sine * z, y, cosine * z - sine * x], axis=1).astype(np.float32)
