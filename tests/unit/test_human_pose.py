# SPDX-License-Identifier: GPL-3.0-or-later
"""What drawn joints tell of a pose."""

from __future__ import annotations

import numpy as np
import pytest

from models.human_pose.measure import ANKLES, BODY, ELBOWS, HIPS, JOINTS, SHOULDERS, WRISTS, Joints, measure_pose

TRUNK_PX = 120.0


def person(
    arms_deg: tuple[float, float] = (45.0, 45.0),
    *,
    bend_deg: float = 0.0,
    width: float = 0.7,
    lean_deg: float = 0.0,
    score: float = 0.9,
) -> Joints:
    """A person with arms so far off the trunk. bend_deg: at the elbows, inward. width: between the shoulders, in trunk
    lengths; negative from behind. lean_deg: of the whole, clockwise in the picture."""
    points = np.zeros((JOINTS, 2))
    facing = 1.0 if width >= 0 else -1.0
    for side, sign in enumerate((1.0, -1.0)):  # the left is to the right of the picture
        shoulder = np.array([sign * width * TRUNK_PX / 2, 0.0])
        hip = np.array([sign * width * TRUNK_PX / 4, TRUNK_PX])
        upper, lower = np.radians(arms_deg[side]), np.radians(arms_deg[side] - bend_deg)
        outward = sign * facing
        elbow = shoulder + 70.0 * np.array([outward * np.sin(upper), np.cos(upper)])
        points[SHOULDERS[side]], points[HIPS[side]], points[ELBOWS[side]] = shoulder, hip, elbow
        points[WRISTS[side]] = elbow + 60.0 * np.array([outward * np.sin(lower), np.cos(lower)])
        points[ANKLES[side]] = hip + np.array([0.0, 200.0])
    lean = np.radians(lean_deg)
    turn = np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
    return Joints((points @ turn + 300.0).astype(np.float32), np.full(JOINTS, score, np.float32))


@pytest.mark.parametrize("lean_deg", [0.0, 12.0, -8.0])
def test_an_a_pose_is_one_also_when_it_leans(lean_deg: float) -> None:
    pose = measure_pose(person(lean_deg=lean_deg))
    assert pose.is_a_pose and pose.is_frontal and pose.are_arms_apart
    assert pose.arms_deg == pytest.approx((45.0, 45.0), abs=0.1)
    assert pose.elbows_deg == pytest.approx((180.0, 180.0), abs=0.1)
    assert pose.shoulder_width == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize(
    ("joints", "is_apart"),
    [
        (person((5.0, 5.0)), False),
        (person((45.0, 5.0)), False),
        (person((-20.0, -20.0)), False),
        (person((90.0, 90.0)), True),
        (person((45.0, 160.0)), True),
        (person((60.0, 60.0), bend_deg=70.0), True),
    ],
    ids=["hanging", "one hangs", "crossed", "T-pose", "one raised", "on the hips"],
)
def test_what_is_no_a_pose(joints: Joints, is_apart: bool) -> None:
    pose = measure_pose(joints)
    assert pose.is_human and not pose.is_a_pose
    assert pose.are_arms_apart == is_apart


@pytest.mark.parametrize("width", [0.1, -0.7, -0.1])
def test_from_the_side_or_from_behind_is_not_from_the_front(width: float) -> None:
    pose = measure_pose(person(width=width))
    assert not pose.is_frontal and not pose.is_a_pose
    assert pose.arms_deg == pytest.approx((45.0, 45.0), abs=0.1), "outward is away from the body on either side"


def test_who_lacks_joints_is_no_whole_human() -> None:
    assert not measure_pose(person(score=0.1)).is_human
    joints = person()
    joints.scores[list(BODY[:4])] = 0.1
    assert not measure_pose(joints).is_human
    joints.scores[BODY[0]] = 0.9
    assert measure_pose(joints).is_human


def test_joints_in_one_place_are_measured_without_a_fault() -> None:
    pose = measure_pose(Joints(np.zeros((JOINTS, 2), np.float32), np.ones(JOINTS, np.float32)))
    assert not pose.is_a_pose
    assert np.isfinite([*pose.arms_deg, *pose.elbows_deg, pose.shoulder_width]).all()
