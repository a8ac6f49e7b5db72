# SPDX-License-Identifier: GPL-3.0-or-later
"""Humanoids that hide something: hanging arms, cut-off legs, a robe, one arm that waves; and bodies that are none."""

import numpy as np
import pytest
import trimesh

from models.draft.body import find_mirror, is_cut_off
from models.draft.skeleton import SkeletonEstimate, estimate_skeleton
from models.draft.voxels import voxelise
from tests.unit.draft import shapes

BUST = {  # stands on the ground with its full width; its arms reach the ground too
    "neck": ((0, 1.0, 0), (0, 1.1, 0), 0.10),
    "head": ((0, 1.3, 0), (0, 1.4, 0), 0.22),
    "arm.L": ((0.40, 0.85, 0), (0.44, 0.06, 0), 0.06),
    "arm.R": ((-0.40, 0.85, 0), (-0.44, 0.06, 0), 0.06),
    "shoulders": ((-0.38, 0.86, 0), (0.38, 0.86, 0), 0.06),
}
ROBED = {  # a large head on a robe that hides the legs
    "robe": ((0, 0.22, 0), (0, 0.3, 0), 0.22),
    "chest": ((0, 0.4, 0), (0, 0.5, 0), 0.17),
    "head": ((-0.1, 0.95, 0), (0.1, 0.95, 0), 0.33),
    "arm.L": ((0.15, 0.52, 0), (0.50, 0.46, 0), 0.06),
    "arm.R": ((-0.15, 0.52, 0), (-0.50, 0.46, 0), 0.06),
}
FROM_THE_FRONT = {  # four legs, of which two are seen: the head hardly narrower than the chest below it, no arms
    "chest": ((0, 0.75, 0), (0, 0.95, 0), 0.20),
    "throat": ((0, 1.0, 0), (0, 1.2, 0), 0.15),
    "head": ((0, 1.32, 0), (0, 1.4, 0), 0.185),
    "leg.L": ((0.12, 0.06, 0), (0.12, 0.8, 0), 0.06),
    "leg.R": ((-0.12, 0.06, 0), (-0.12, 0.8, 0), 0.06),
}


def joint(skeleton: SkeletonEstimate, name: str) -> np.ndarray:
    return skeleton.heads[skeleton.names.index(name)]


def bust() -> tuple[np.ndarray, np.ndarray]:
    """The capsules of BUST on a trunk with a flat base."""
    vertices, faces = shapes.body(BUST)
    trunk = trimesh.creation.box((0.56, 0.92, 0.3))
    trunk.apply_translation((0, 0.46, 0))
    return (
        np.concatenate([vertices, np.asarray(trunk.vertices, np.float32)]),
        np.concatenate([faces, np.asarray(trunk.faces, np.int32) + len(vertices)]),
    )


@pytest.mark.parametrize("half_width", [0.14, 0.24])
def test_the_shoulders_of_hanging_arms_are_above_the_armpits(half_width):
    parts = {name: part for name, part in shapes.HUMANOID.items() if not name.startswith(("arm", "trunk"))}
    parts["trunk"] = ((0, 0.98, 0), (0, 1.3, 0), 0.12)
    for sign in (1, -1):
        parts[f"flank {sign}"] = ((sign * (half_width - 0.1), 1.0, 0), (sign * (half_width - 0.1), 1.3, 0), 0.1)
        parts[f"yoke {sign}"] = ((0, 1.36, 0), (sign * (half_width + 0.08), 1.36, 0), 0.06)
        parts[f"arm {sign}"] = ((sign * (half_width + 0.08), 1.36, 0), (sign * (half_width + 0.18), 0.8, 0), 0.05)
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces)
    assert skeleton.kind == "humanoid" and skeleton.guessed == ()
    for sign, side in ((1, "L"), (-1, "R")):
        assert abs(sign * joint(skeleton, f"upper_arm.{side}")[0] - half_width - 0.06) < 0.07
        assert 1.25 < joint(skeleton, f"upper_arm.{side}")[1] < 1.42


def test_a_body_that_the_picture_cuts_off_is_a_humanoid_with_guessed_legs_and_most_of_its_arms():
    vertices, faces = bust()
    skeleton = estimate_skeleton(vertices, faces)
    assert skeleton.kind == "humanoid"
    assert {"hips", "upper_leg.L", "foot.R"} <= set(skeleton.guessed) and "upper_arm.L" not in skeleton.guessed
    assert joint(skeleton, "hips")[1] < 0.25 and 0.85 < joint(skeleton, "neck")[1] < 1.1
    for side in "LR":
        assert joint(skeleton, f"lower_arm.{side}")[1] < 0.45  # more than half of what is seen is the upper arm
        assert joint(skeleton, f"hand.{side}")[1] < 0.15


def test_only_a_trunk_with_a_flat_base_is_cut_off():
    def measured(mesh):
        occupied = voxelise(*mesh, 64).occupied
        return is_cut_off(occupied, find_mirror(occupied)[0])

    assert measured(bust())
    assert not measured(shapes.body(shapes.HUMANOID))  # stands on two feet
    assert not measured(shapes.body(ROBED))  # round below


def test_under_a_robe_the_neck_is_still_below_the_large_head_and_the_hips_below_the_arms():
    vertices, faces = shapes.body(ROBED)
    skeleton = estimate_skeleton(vertices, faces)
    assert skeleton.kind == "humanoid" and {"hips", "upper_leg.L"} <= set(skeleton.guessed)
    assert 0.5 < joint(skeleton, "neck")[1] < 0.75
    assert 0.15 < joint(skeleton, "hips")[1] < 0.42
    assert joint(skeleton, "fingers.L")[0] > 0.35 and joint(skeleton, "fingers.R")[0] < -0.35


def test_an_arm_that_waves_stays_up_and_the_other_down():
    parts = shapes.HUMANOID | {
        "arm.L": ((0.15, 1.40, 0), (0.55, 1.72, 0), 0.05),
        "arm.R": ((-0.15, 1.40, 0), (-0.60, 1.1, 0), 0.05),
    }
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces)
    assert skeleton.kind == "humanoid" and skeleton.guessed == ()
    assert joint(skeleton, "fingers.L")[1] > 1.6 and joint(skeleton, "fingers.R")[1] < 1.22
    assert np.allclose(joint(skeleton, "foot.L") * [-1, 1, 1], joint(skeleton, "foot.R"), atol=0.02)


def test_two_legs_without_arms_or_a_clear_neck_are_no_humanoid():
    vertices, faces = shapes.body(FROM_THE_FRONT)
    assert estimate_skeleton(vertices, faces).kind != "humanoid"
