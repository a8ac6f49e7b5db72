# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person's joints tell of the pose: are the arms apart, is it an A-pose, does it face the viewer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# COCO's joints; left and right are the person's own.
NOSE = 0
SHOULDERS, ELBOWS, WRISTS = (5, 6), (7, 8), (9, 10)
HIPS, ANKLES = (11, 12), (15, 16)
BODY = (*SHOULDERS, *ELBOWS, *WRISTS, *HIPS, 13, 14, *ANKLES)
JOINTS = 17

SURE_SCORE = 0.3  # of a joint's heatmap: the usual limit below which a joint is not drawn
HUMAN_SHARE = 0.75  # of the twelve joints of the body that must be sure: a person, and all of it in the picture
APART_DEG = 15.0  # between trunk and arm: less leaves no gap at the armpit
A_POSE_DEG = (20.0, 70.0)  # between trunk and arm: what hangs is below, what is spread as for a T above
STRAIGHT_DEG = 140.0  # at the elbow: a straight arm has 180
FRONTAL_WIDTH = 0.45  # between the shoulders, in trunk lengths: seen from the front 0.6 to 0.9, from the side near 0


@dataclass(frozen=True, eq=False)
class Joints:
    """points: (17, 2) float32, pixels, x to the right and y down. scores: (17,) float32, 0..1."""

    points: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class PoseMeasure:
    """is_human: whether the joints of a whole person were found; nothing below is worth anything otherwise.

    arms_deg: between trunk and left, right arm: 0 hangs, 45 is an A-pose, 90 a T-pose, 180 is raised, below 0 crosses
    the body. elbows_deg: 180 is straight. shoulder_width: in trunk lengths; below 0 the person is seen from behind.
    """

    is_human: bool
    arms_deg: tuple[float, float]
    elbows_deg: tuple[float, float]
    shoulder_width: float

    @property
    def are_arms_apart(self) -> bool:
        """Whether both arms are off the body, straight or not."""
        return min(self.arms_deg) >= APART_DEG

    @property
    def is_frontal(self) -> bool:
        """Whether the person faces the viewer."""
        return self.shoulder_width >= FRONTAL_WIDTH

    @property
    def is_a_pose(self) -> bool:
        """Whether it is a neutral A-pose seen from the front."""
        low, high = A_POSE_DEG
        are_spread = all(low <= angle <= high for angle in self.arms_deg)
        return self.is_human and self.is_frontal and are_spread and min(self.elbows_deg) >= STRAIGHT_DEG


def measure_pose(joints: Joints) -> PoseMeasure:
    """The pose that the joints show."""
    points = joints.points.astype(np.float64)
    is_human = float((joints.scores[list(BODY)] >= SURE_SCORE).mean()) >= HUMAN_SHARE
    shoulders, hips = points[list(SHOULDERS)].mean(axis=0), points[list(HIPS)].mean(axis=0)
    down, trunk_px = _direction(hips - shoulders)
    toward_left = np.array([down[1], -down[0]])  # of a person who faces the viewer
    across = points[SHOULDERS[0]] - points[SHOULDERS[1]]
    width = float(across @ toward_left) / trunk_px
    facing = 1.0 if width >= 0 else -1.0
    arms, elbows = [], []
    for side, outward in enumerate((toward_left * facing, -toward_left * facing)):
        shoulder, elbow, wrist = (points[pair[side]] for pair in (SHOULDERS, ELBOWS, WRISTS))
        arm = wrist - shoulder
        arms.append(float(np.degrees(np.arctan2(arm @ outward, arm @ down))))
        upper, lower = _direction(shoulder - elbow)[0], _direction(wrist - elbow)[0]
        elbows.append(float(np.degrees(np.arccos(np.clip(upper @ lower, -1.0, 1.0)))))
    return PoseMeasure(is_human, (arms[0], arms[1]), (elbows[0], elbows[1]), width)


def _direction(vector: np.ndarray) -> tuple[np.ndarray, float]:
    """(2,) of length 1, and the length; joints in one place have no direction."""
    length = max(float(np.linalg.norm(vector)), 1e-6)
    return vector / length, length
