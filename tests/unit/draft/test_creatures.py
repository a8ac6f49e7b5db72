# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons of animals: which kind, which end the head is at, which bones, and where they are."""

from itertools import pairwise

import numpy as np
import pytest
import trimesh

from models.draft.skeleton import SkeletonEstimate, estimate_skeleton
from models.draft.tree import bend_points
from tests.unit.draft import animals, shapes
from tests.unit.draft.test_skeleton import assert_valid, end, place

QUARTER = np.pi / 2
QUADRUPED_NAMES = {
    *("hips", "spine", "chest", "neck_01", "neck_02", "head", "tail_01"),
    *(
        f"{pair}_{part}.{side}"
        for pair in ("front", "back")
        for part in ("upper_leg", "lower_leg", "foot", "paw")
        for side in "LR"
    ),
}
BIRD_NAMES = {
    *("hips", "spine", "chest", "neck_01", "neck_02", "head", "tail_01"),
    *(
        f"{part}.{side}"
        for part in ("upper_wing", "lower_wing", "wing_tip", "upper_leg", "lower_leg", "foot", "toes")
        for side in "LR"
    ),
}


def skeleton_of(parts: dict, turn_rad: float = 0.0, kind: str = "auto") -> tuple[np.ndarray, SkeletonEstimate]:
    vertices, faces = shapes.body(parts)
    vertices = animals.turned(vertices, turn_rad)
    return vertices, estimate_skeleton(vertices, faces, kind)


def parent_of(skeleton: SkeletonEstimate, name: str) -> str:
    return skeleton.names[skeleton.parents[skeleton.names.index(name)]]


@pytest.fixture(scope="module")
def cow() -> tuple[np.ndarray, SkeletonEstimate]:
    return skeleton_of(animals.COW)


@pytest.fixture(scope="module")
def half_side() -> tuple[np.ndarray, SkeletonEstimate]:
    return skeleton_of(animals.HALF_SIDE)


@pytest.fixture(scope="module")
def bird() -> tuple[np.ndarray, SkeletonEstimate]:
    return skeleton_of(animals.BIRD | animals.WINGS)


def test_a_quadruped_has_every_named_bone_and_bends_its_legs_the_right_way(cow):
    vertices, skeleton = cow
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "quadruped" and skeleton.guessed == () and skeleton.turn_rad == 0
    assert set(skeleton.names) >= QUADRUPED_NAMES
    for side in "LR":
        for pair, sign in (("back", 1), ("front", -1)):
            hip, bend, ankle = (place(skeleton, f"{pair}_{part}.{side}") for part in ("upper_leg", "lower_leg", "foot"))
            straight = hip + (ankle - hip) * (hip[1] - bend[1]) / (hip[1] - ankle[1])
            assert sign * (bend - straight)[2] > 0.01, f"{pair}.{side}"
        assert end(skeleton, f"front_paw.{side}")[2] > place(skeleton, f"front_paw.{side}")[2]
    assert parent_of(skeleton, "front_upper_leg.L") == "chest" and parent_of(skeleton, "tail_01") == "hips"
    assert place(skeleton, "hips")[2] < -0.25 and place(skeleton, "neck_01")[2] > 0.25


def test_horns_are_no_head_and_have_bones_that_move_with_it(cow):
    _, skeleton = cow
    assert np.linalg.norm(end(skeleton, "head") - [0, 0.88, 0.95]) < 0.08  # the snout
    for sign, side in ((1, "L"), (-1, "R")):
        assert parent_of(skeleton, f"extra_01_01.{side}") == "head"
        assert np.linalg.norm(end(skeleton, f"extra_01_02.{side}") - [sign * 0.2, 1.27, 0.86]) < 0.1


def test_a_splayed_leg_has_its_knee_where_it_bends():
    vertices, skeleton = skeleton_of(animals.LIZARD)
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "quadruped" and skeleton.guessed == ()
    for sign, side in ((1, "L"), (-1, "R")):
        for pair, z in (("front", 0.4), ("back", -0.4)):
            joints = [place(skeleton, f"{pair}_{part}.{side}") for part in ("upper_leg", "lower_leg", "foot", "paw")]
            knee = [sign * 0.5, 0.45, z]
            assert min(np.linalg.norm(joint - knee) for joint in joints) < 0.12, (pair, side)
            assert np.linalg.norm(end(skeleton, f"{pair}_paw.{side}") - [sign * 0.6, 0.05, z]) < 0.12


def test_bend_points_are_the_corners_of_a_polyline():
    corners = np.array([[0, 0, 0], [30, 0, 0], [30, 40, 0], [30, 40, 20]], float)
    steps = [np.linspace(start, stop, 40) for start, stop in pairwise(corners)]
    assert np.allclose(bend_points(np.concatenate(steps), 3), corners, atol=3.0)


def test_a_picture_from_half_the_side_is_a_quadruped_that_is_to_be_turned(half_side):
    vertices, skeleton = half_side
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "quadruped" and skeleton.confidence == 1.0
    assert skeleton.turn_rad == pytest.approx(QUARTER)
    assert end(skeleton, "head")[0] < -0.75 and end(skeleton, "tail_01")[0] > 0.5
    for name, x in {"front.L": -0.19, "front.R": -0.38, "back.L": 0.40, "back.R": 0.22}.items():
        pair, side = name.split(".")
        assert abs(place(skeleton, f"{pair}_lower_leg.{side}")[0] - x) < 0.07, name


def test_a_mirrored_picture_gives_the_other_turn_and_swaps_left_and_right(half_side):
    _, skeleton = half_side
    mirrored = {name: tuple((-p[0], *p[1:]) for p in part[:2]) + part[2:] for name, part in animals.HALF_SIDE.items()}
    _, other = skeleton_of(mirrored)
    assert other.turn_rad == pytest.approx(-QUARTER)
    for name in ("front_lower_leg", "back_foot"):
        here, there = place(skeleton, f"{name}.L"), place(other, f"{name}.R")
        assert np.allclose(here * [-1, 1, 1], there, atol=0.06), name


def test_feet_that_touch_are_still_four():
    parts = animals.HALF_SIDE | {"mud": ((-0.5, 0.04, 0), (0.5, 0.04, 0), 0.06)}
    parts |= {"back.R": ((0.22, 0.05, 0), (0.22, 0.6, 0), 0.045), "back.L": ((0.40, 0.05, 0), (0.38, 0.6, 0), 0.045)}
    _, skeleton = skeleton_of(parts)
    assert skeleton.kind == "quadruped" and skeleton.guessed == ()


def test_legs_that_the_picture_shows_as_one_are_guessed_in_pairs():
    parts = {name: part for name, part in animals.HALF_SIDE.items() if name[-2:] != ".R"}
    parts |= {"front.L": ((-0.29, 0.1, 0), (-0.28, 0.6, 0), 0.09), "back.L": ((0.3, 0.1, 0), (0.3, 0.6, 0), 0.09)}
    vertices, skeleton = skeleton_of(parts)
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "quadruped" and skeleton.confidence <= 0.5
    assert {"front_upper_leg.L", "back_paw.R"} <= set(skeleton.guessed) and "head" not in skeleton.guessed
    left, right = place(skeleton, "front_lower_leg.L"), place(skeleton, "front_lower_leg.R")
    assert left[2] > right[2] and abs(left[2]) < 0.09  # it faces the viewer's left, and both are in the leg


def test_a_table_in_a_picture_has_no_head_and_is_no_animal():
    legs = {str(x): ((x, 0.05, 0), (x, 0.6, 0), 0.04) for x in (-0.5, -0.35, 0.35, 0.5)}
    _, skeleton = skeleton_of({"top": ((-0.55, 0.65, 0), (0.55, 0.65, 0), 0.08)} | legs)
    assert skeleton.kind != "quadruped" and skeleton.turn_rad == 0


def test_six_legs_are_an_insect_with_generic_bones():
    legs = {f"{z} {s}": ((0.35 * s, 0.05, z), (0.1 * s, 0.4, z), 0.03) for z in (-0.3, 0, 0.3) for s in (1, -1)}
    vertices, skeleton = skeleton_of({"trunk": ((0, 0.45, -0.5), (0, 0.45, 0.5), 0.12)} | legs)
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "generic"


def test_a_bird_has_wings_legs_neck_and_tail_where_they_are(bird):
    vertices, skeleton = bird
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "bird" and skeleton.confidence == 1.0 and skeleton.guessed == ()
    assert set(skeleton.names) >= BIRD_NAMES
    for sign, side in ((1, "L"), (-1, "R")):
        assert np.linalg.norm(end(skeleton, f"wing_tip.{side}") - [sign * 0.83, 0.66, 0.1]) < 0.08
        assert np.allclose(place(skeleton, f"foot.{side}")[[0, 2]], (sign * 0.09, 0), atol=0.06)
        assert end(skeleton, f"toes.{side}")[2] > 0.05
    assert end(skeleton, "head")[2] > 0.6 and parent_of(skeleton, "upper_wing.L") == "chest"
    assert skeleton.roles[skeleton.names.index("upper_wing.L")] == "leftUpperWing"


def test_folded_wings_are_guessed_along_the_flanks():
    vertices, skeleton = skeleton_of(animals.BIRD)
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "bird" and skeleton.confidence < 1.0
    assert {"upper_wing.L", "wing_tip.R"} <= set(skeleton.guessed) and "upper_leg.L" not in skeleton.guessed
    assert (
        place(skeleton, "upper_wing.L")[0] > 0.05
        and end(skeleton, "wing_tip.L")[2] < place(skeleton, "upper_wing.L")[2]
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_bird_from_the_side_knows_its_front_and_its_left(sign):
    _, skeleton = skeleton_of(animals.BIRD, sign * QUARTER)
    assert skeleton.kind == "bird" and skeleton.turn_rad == pytest.approx(-sign * QUARTER)
    assert sign * end(skeleton, "head")[0] > 0.6
    assert sign * place(skeleton, "upper_leg.L")[2] < -0.05


@pytest.mark.parametrize("kind", ["quadruped", "bird"])
def test_a_kind_that_is_not_there_is_guessed_with_low_confidence(kind):
    vertices, skeleton = skeleton_of({"log": ((0, 0, -1), (0, 0, 1), 0.2)}, kind=kind)
    assert_valid(skeleton, vertices)
    assert skeleton.kind == kind and skeleton.confidence <= 0.3
    assert any(name.endswith("upper_leg.L") for name in skeleton.guessed)


@pytest.mark.parametrize(("turn_rad", "expected"), [(0.0, 0.0), (QUARTER, -QUARTER), (-QUARTER, QUARTER)])
def test_a_fish_faces_where_its_bulk_is(turn_rad, expected):
    _, skeleton = skeleton_of(animals.FISH, turn_rad)
    assert skeleton.kind == "generic" and skeleton.turn_rad == pytest.approx(expected)


def test_what_stands_is_seen_from_the_front():
    vertices, faces = shapes.body(shapes.HUMANOID)
    assert estimate_skeleton(vertices, faces).turn_rad == 0


def test_a_tail_of_a_humanoid_gets_a_chain_of_its_own():
    parts = shapes.HUMANOID | {"tail": ((0, 0.95, -0.1), (0, 0.6, -0.8), 0.04)}
    vertices, skeleton = skeleton_of(parts)
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "humanoid"
    tips = [name for name in skeleton.names if name.startswith("extra_01")]
    assert parent_of(skeleton, tips[0]) == "hips" and tips[0] == "extra_01_01"  # in the middle: it has no side
    assert np.linalg.norm(end(skeleton, tips[-1]) - [0, 0.58, -0.83]) < 0.1
    assert not any(name.startswith("extra_02") for name in skeleton.names)


def test_a_hat_has_few_bones_and_they_are_alike_on_both_sides():
    hat = trimesh.util.concatenate(
        [
            trimesh.creation.cylinder(0.62, 0.05, sections=32),
            trimesh.creation.cone(0.2, 0.7, sections=32),
        ]
    )
    hat.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    hat.apply_translation([0.03, 1.82, 0])
    vertices, faces = shapes.body(shapes.HUMANOID)
    faces = np.concatenate([faces, hat.faces + len(vertices)])
    skeleton = estimate_skeleton(np.concatenate([vertices, hat.vertices]), faces)
    assert skeleton.kind == "humanoid"
    extras = [name for name in skeleton.names if name.startswith("extra")]
    sides = [[name[:-2] for name in extras if name.endswith(side)] for side in (".L", ".R")]
    assert 3 <= len(extras) <= 4 and sides[0] == sides[1] != []


def test_a_muzzle_has_a_jaw_in_its_lower_half_that_is_said_to_be_a_guess():
    parts = shapes.QUADRUPED | {
        "head": ((0, 0.95, 0.66), (0, 0.95, 0.70), 0.13),
        "muzzle": ((0, 0.92, 0.75), (0, 0.92, 1.0), 0.055),
    }
    vertices, skeleton = skeleton_of(parts)
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "quadruped" and skeleton.guessed == ("jaw",)
    assert parent_of(skeleton, "jaw") == "head" and skeleton.roles[skeleton.names.index("jaw")] == "jaw"
    hinge, tip = place(skeleton, "jaw"), end(skeleton, "jaw")
    assert 0.65 < hinge[2] < tip[2] < end(skeleton, "head")[2]
    assert 0.865 < tip[1] < 0.92 and abs(tip[0]) < 0.02


def test_a_head_without_a_muzzle_has_no_jaw(cow):
    flat = shapes.QUADRUPED | {"head": ((0, 0.95, 0.66), (0, 0.95, 0.70), 0.15)}
    assert "jaw" not in cow[1].names and "jaw" not in skeleton_of(flat)[1].names
