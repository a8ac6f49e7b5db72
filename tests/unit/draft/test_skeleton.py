# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons of bodies with known joints, and what must hold of every skeleton."""

from itertools import product

import numpy as np
import pytest
import trimesh

from models.draft.skeleton import SkeletonEstimate, estimate_skeleton
from tests.unit.draft import shapes

HUMANOID_ROLES = {
    *("hips", "spine", "chest", "upperChest", "neck", "head"),
    *(
        side + part
        for side in ("left", "right")
        for part in ("Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")
    ),
}


def assert_valid(skeleton: SkeletonEstimate, vertices: np.ndarray) -> None:
    """What rigging and export need of every skeleton."""
    count = len(skeleton.names)
    assert skeleton.parents.shape == (count,) and skeleton.parents.dtype == np.int32
    assert skeleton.heads.shape == skeleton.tails.shape == (count, 3)
    assert skeleton.heads.dtype == skeleton.tails.dtype == np.float32
    assert len(skeleton.roles) == count and len(set(skeleton.names)) == count and all(skeleton.names)
    assert skeleton.parents[0] == -1 and (skeleton.parents[1:] >= 0).all()
    assert (skeleton.parents < np.arange(count)).all()
    assert np.isfinite(skeleton.heads).all() and np.isfinite(skeleton.tails).all()
    low, high = vertices.min(0), vertices.max(0)
    size = (high - low).max()
    assert (np.linalg.norm(skeleton.tails - skeleton.heads, axis=1) >= 1e-3 * size).all()
    assert (skeleton.heads >= low - 0.05 * size).all() and (skeleton.heads <= high + 0.05 * size).all()
    assert set(skeleton.guessed) <= set(skeleton.names)
    assert 0.0 <= skeleton.confidence <= 1.0


def place(skeleton: SkeletonEstimate, name: str) -> np.ndarray:
    return skeleton.heads[skeleton.names.index(name)]


@pytest.fixture(scope="module")
def humanoid():
    vertices, faces = shapes.body(shapes.HUMANOID)
    return vertices, faces, estimate_skeleton(vertices, faces)


@pytest.fixture(scope="module")
def quadruped():
    vertices, faces = shapes.body(shapes.QUADRUPED)
    return vertices, faces, estimate_skeleton(vertices, faces)


def test_a_standing_figure_is_a_humanoid_with_every_vrm_bone(humanoid):
    vertices, _, skeleton = humanoid
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "humanoid" and skeleton.confidence == 1.0 and skeleton.guessed == ()
    assert set(skeleton.roles) == HUMANOID_ROLES and skeleton.names[0] == "hips"


def test_the_humanoid_joints_are_where_they_were_put(humanoid):
    _, _, skeleton = humanoid
    expected = {
        "upper_arm.L": (0.15, 1.40, 0),
        "lower_arm.L": (0.47, 1.40, 0),
        "upper_leg.R": (-0.10, 0.88, 0),
        "lower_leg.R": (-0.105, 0.5, 0),
        "foot.L": (0.11, 0.1, 0),
        "neck": (0, 1.46, 0),
    }
    for name, joint in expected.items():
        assert np.linalg.norm(place(skeleton, name) - joint) < 0.08, name
    assert skeleton.tails[skeleton.names.index("foot.L")][2] > 0.12


def test_left_is_at_plus_x_and_mirrors_right(humanoid):
    _, _, skeleton = humanoid
    for name in skeleton.names:
        if name.endswith(".L"):
            left, right = place(skeleton, name), place(skeleton, name[:-1] + "R")
            assert left[0] > 0
            assert np.allclose(left * [-1, 1, 1], right, atol=0.02)


def test_children_follow_their_anatomical_parents(humanoid):
    _, _, skeleton = humanoid
    parent = {n: skeleton.names[p] for n, p in zip(skeleton.names[1:], skeleton.parents[1:], strict=True)}
    assert parent["hand.L"] == "lower_arm.L" and parent["shoulder.R"] == "upper_chest"
    assert parent["upper_leg.L"] == "hips" and parent["head"] == "neck"


def test_scale_and_place_carry_over(humanoid):
    vertices, faces, skeleton = humanoid
    moved = estimate_skeleton(vertices * 64 + np.float32([128, -64, 32]), faces)
    assert moved.kind == "humanoid"
    assert np.allclose(moved.heads, skeleton.heads * 64 + [128, -64, 32], atol=64 * 0.02)


def test_a_missing_arm_is_mirrored_and_said_to_be_guessed():
    parts = {name: part for name, part in shapes.HUMANOID.items() if name != "arm.R"}
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces, "humanoid")
    assert_valid(skeleton, vertices)
    assert {"upper_arm.R", "lower_arm.R", "hand.R"} <= set(skeleton.guessed)
    assert "upper_arm.L" not in skeleton.guessed and skeleton.confidence < 1.0
    assert any("upper_arm.R" in note for note in skeleton.notes)


def test_a_forced_humanoid_in_a_ball_is_all_guesses():
    ball = trimesh.creation.icosphere(subdivisions=3)
    vertices, faces = np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32)
    skeleton = estimate_skeleton(vertices, faces, "humanoid")
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "humanoid" and set(skeleton.roles) == HUMANOID_ROLES
    assert set(skeleton.guessed) == set(skeleton.names) and skeleton.confidence < 0.3
    assert (np.linalg.norm(skeleton.heads, axis=1) < 1.05).all()


def test_an_animal_facing_the_viewer_is_a_quadruped(quadruped):
    vertices, _, skeleton = quadruped
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "quadruped" and skeleton.guessed == ()
    for name, (x, z) in {"front_lower_leg.L": (0.11, 0.38), "back_lower_leg.R": (-0.11, -0.38)}.items():
        assert np.allclose(place(skeleton, name)[[0, 2]], (x, z), atol=0.05)
    assert skeleton.tails[skeleton.names.index("head")][2] > 0.8
    assert place(skeleton, "tail_01")[2] < -0.45
    assert skeleton.roles[skeleton.names.index("front_upper_leg.L")] == "frontLeftUpperLeg"


@pytest.mark.parametrize("sign", [1, -1])
def test_an_animal_from_the_side_keeps_its_left_and_right(sign):
    vertices, faces = shapes.body(shapes.QUADRUPED)
    turned = np.stack([sign * vertices[:, 2], vertices[:, 1], -sign * vertices[:, 0]], axis=1)  # it faces ±x
    skeleton = estimate_skeleton(turned, faces)
    assert_valid(skeleton, turned)
    assert skeleton.kind == "quadruped"
    assert sign * skeleton.tails[skeleton.names.index("head")][0] > 0.8
    assert sign * place(skeleton, "front_lower_leg.L")[2] < -0.05


def test_a_forced_quadruped_without_legs_is_all_guesses():
    vertices, faces = shapes.body({"log": ((0, 0, -1), (0, 0, 1), 0.2)})
    skeleton = estimate_skeleton(vertices, faces, "quadruped")
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "quadruped" and set(skeleton.guessed) == set(skeleton.names)


def test_a_star_becomes_a_tree_with_a_chain_in_each_ray():
    rays = {str(a): ((0, 0, 0), (np.cos(a), np.sin(a), 0), 0.08) for a in np.arange(5) * 2 * np.pi / 5 + 0.3}
    vertices, faces = shapes.body(rays)
    skeleton = estimate_skeleton(vertices, faces, "generic")
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "generic" and skeleton.names[0] == "root" and set(skeleton.roles[1:]) == {"chain"}
    tips = skeleton.tails[[i for i in range(len(skeleton.names)) if i not in skeleton.parents]]
    for _, stop, _ in rays.values():
        assert np.linalg.norm(tips - stop, axis=1).min() < 0.12


@pytest.mark.parametrize("kind", ["humanoid", "quadruped", "generic", "none"])
def test_a_kind_that_is_asked_for_is_obeyed_on_anything(kind, quadruped):
    vertices, faces, _ = quadruped
    skeleton = estimate_skeleton(vertices, faces, kind)
    assert skeleton.kind == kind
    assert_valid(skeleton, vertices)


THIN = [(1, 1, 0.001), (0.001, 0.001, 1), (1, 0.01, 1)]
KINDS = ["auto", "humanoid", "quadruped", "generic", "none"]


@pytest.mark.parametrize(("extents", "kind"), [*product(THIN, KINDS), ((1, 1, 1), "auto")])
def test_plates_sticks_and_a_cube_get_valid_skeletons(extents, kind):
    box = trimesh.creation.box(extents)
    vertices, faces = np.asarray(box.vertices, np.float32), np.asarray(box.faces, np.int32)
    assert_valid(estimate_skeleton(vertices, faces, kind), vertices)


def test_no_skeleton_is_one_bone_from_bottom_to_top(humanoid):
    vertices, faces, _ = humanoid
    skeleton = estimate_skeleton(vertices, faces, "none")
    assert skeleton.names == ("root",) and skeleton.notes
    assert skeleton.heads[0][1] == vertices[:, 1].min() and skeleton.tails[0][1] == vertices[:, 1].max()


def test_the_same_mesh_gives_the_same_bits(humanoid):
    vertices, faces, skeleton = humanoid
    again = estimate_skeleton(vertices.copy(), faces.copy())
    assert again.heads.tobytes() == skeleton.heads.tobytes() and again.names == skeleton.names
