# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons of bodies with known joints, and what must hold of every skeleton."""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from models.draft.framing import frame_subject, subject_bounds
from models.draft.matting import cut_out
from models.draft.skeleton import SkeletonEstimate, estimate_skeleton
from models.draft.surface import build_mesh
from tests.unit.draft import shapes

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
HUMANOID_ROLES = {
    *("hips", "spine", "chest", "upperChest", "neck", "head"),
    *(
        side + part
        for side in ("left", "right")
        for part in (
            "Shoulder",
            "UpperArm",
            "LowerArm",
            "Hand",
            "MiddleProximal",
            "UpperLeg",
            "LowerLeg",
            "Foot",
            "Toes",
        )
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


def end(skeleton: SkeletonEstimate, name: str) -> np.ndarray:
    return skeleton.tails[skeleton.names.index(name)]


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
    assert end(skeleton, "toes.L")[2] > 0.12


def test_elbows_lie_behind_and_knees_before_the_straight_limb(humanoid):
    _, _, skeleton = humanoid
    for side in "LR":
        for upper, lower, ends, sign in (("upper_arm", "lower_arm", "hand", -1), ("upper_leg", "lower_leg", "foot", 1)):
            first, bend, last = (place(skeleton, f"{part}.{side}") for part in (upper, lower, ends))
            straight = first + (last - first) * np.linalg.norm(bend - first) / np.linalg.norm(last - first)
            assert sign * (bend - straight)[2] > 0.002, lower


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


def without(*names: str) -> dict:
    return {name: part for name, part in shapes.FOX.items() if not name.startswith(names)}


HARE = shapes.FOX | {
    "ear.L": ((0.18, 1.25, 0), (0.20, 2.2, 0), 0.08),
    "ear.R": ((-0.18, 1.25, 0), (-0.20, 2.2, 0), 0.08),
}


@pytest.mark.parametrize(
    "parts",
    [shapes.FOX, without("tuft"), without("ear"), without("tail"), without("ear", "tuft"), HARE],
    ids=["whole", "no tuft", "no ears", "no tail", "a ball for a head", "a hare's ears"],
)
def test_ears_are_no_arms_a_tail_is_no_leg_and_a_large_head_is_above_the_neck(parts):
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces)
    assert_valid(skeleton, vertices)
    assert skeleton.kind == "humanoid" and skeleton.guessed == ()
    assert 0.62 < place(skeleton, "neck")[1] < 0.80  # the head's lowest point is at 0.72, the shoulders are at 0.62
    assert place(skeleton, "head")[1] < 0.85 and 1.25 < end(skeleton, "head")[1] < 1.5  # not to the ears' tips
    for sign, side in ((1, "L"), (-1, "R")):
        away = end(skeleton, f"fingers.{side}") - [sign * 0.56, 0.36, 0]
        assert np.linalg.norm(away) < (0.18 if "tail.tip" in parts else 0.08)  # the tip of the tail touches a hand
        assert 0.4 < place(skeleton, f"upper_arm.{side}")[1] < 0.66
        assert abs(place(skeleton, f"upper_leg.{side}")[0] - sign * 0.09) < 0.06
        for part in ("lower_leg", "foot"):
            assert abs(place(skeleton, f"{part}.{side}")[0] - sign * 0.10) < 0.06, part


def test_arms_that_are_raised_in_a_greeting_are_arms():
    parts = shapes.HUMANOID | {
        "arm.L": ((0.15, 1.40, 0), (0.62, 1.75, 0), 0.05),
        "arm.R": ((-0.15, 1.40, 0), (-0.62, 1.75, 0), 0.05),
    }
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces)
    assert skeleton.kind == "humanoid" and skeleton.guessed == ()
    for sign, side in ((1, "L"), (-1, "R")):
        assert np.linalg.norm(end(skeleton, f"fingers.{side}") - [sign * 0.66, 1.78, 0]) < 0.1


def test_a_brow_between_cheeks_and_hair_is_no_neck():
    parts = without("ear", "tuft", "tail", "head") | {
        "neck": ((-0.18, 0.70, 0), (0.18, 0.70, 0), 0.10),
        "cheeks": ((-0.14, 0.95, 0), (0.14, 0.95, 0), 0.21),
        "brow": ((-0.07, 1.18, 0), (0.07, 1.18, 0), 0.19),
        "hair": ((-0.14, 1.40, 0), (0.14, 1.40, 0), 0.20),
    }
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces)
    assert 0.6 < place(skeleton, "neck")[1] < 0.8 and place(skeleton, "upper_arm.L")[1] < 0.66


def test_a_waist_between_arms_on_the_hips_is_no_neck():
    parts = without("arm", "trunk", "tail") | {"hips": ((0, 0.45, 0), (0, 0.47, 0), 0.17)}
    parts |= {"waist": ((0, 0.5, 0), (0, 0.7, 0), 0.08), "shoulders": ((-0.16, 0.74, 0), (0.16, 0.74, 0), 0.06)}
    parts |= {"throat": ((0, 0.8, 0), (0, 0.95, 0), 0.10), "head": ((-0.1, 1.16, 0), (0.1, 1.16, 0), 0.30)}
    for sign in (1, -1):
        parts[f"upper arm {sign}"] = ((sign * 0.18, 0.74, 0), (sign * 0.30, 0.62, 0), 0.05)
        parts[f"lower arm {sign}"] = ((sign * 0.30, 0.62, 0), (sign * 0.17, 0.50, 0), 0.05)
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces)
    assert skeleton.kind == "humanoid" and 0.75 < place(skeleton, "neck")[1] < 0.9


def test_an_aerial_is_no_head():
    parts = shapes.HUMANOID | {"aerial": ((0, 1.8, 0), (0, 1.98, 0), 0.02), "bobble": ((0, 2, 0), (0, 2.01, 0), 0.05)}
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces)
    assert 1.38 < place(skeleton, "neck")[1] < 1.5 and place(skeleton, "head")[1] < 1.6


PICTURES = {  # by eye, as shares of the picture from the top left: hands and ankles (viewer's left, right), chin, eyes
    "adventurer.png": (((0.165, 0.695), (0.835, 0.695)), ((0.415, 0.86), (0.585, 0.86)), 0.43, 0.31),
    "fox_kid.png": (((0.165, 0.68), (0.715, 0.68)), ((0.345, 0.86), (0.53, 0.86)), 0.47, 0.335),
    "robot.jpg": (((0.17, 0.70), (0.83, 0.70)), ((0.415, 0.86), (0.59, 0.86)), 0.42, 0.30),
}


@pytest.mark.parametrize("picture", PICTURES)
def test_in_the_example_pictures_hands_feet_and_heads_have_their_bones(picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "gpytoolbox.remesh_botsch", None)  # the quicker remesher; joints are the same
    hands, ankles, chin, eyes = PICTURES[picture]
    pixels = np.asarray(Image.open(EXAMPLES / picture).convert("RGBA"))
    cut = cut_out(pixels).rgba
    framed = frame_subject(cut)
    mesh = build_mesh(framed.rgba)
    skeleton = estimate_skeleton(mesh.vertices, mesh.faces)
    left, top, right, bottom = subject_bounds(cut)
    side_px = framed.rgba.shape[0] / framed.scale  # of the framed square, in pixels of the picture: 1 in the mesh
    tolerance = 0.08 * (bottom - top) / pixels.shape[0]

    def seen(joint: np.ndarray) -> np.ndarray:
        """A place in the mesh as shares of the picture."""
        x, y = (left + right) / 2 + side_px * joint[0], (top + bottom) / 2 - side_px * joint[1]
        return np.array([x / pixels.shape[1], y / pixels.shape[0]])

    assert skeleton.kind == "humanoid" and skeleton.guessed == ()
    for side, hand, ankle in zip("RL", hands, ankles, strict=True):
        assert np.linalg.norm(seen(end(skeleton, f"fingers.{side}")) - hand) < tolerance
        assert np.linalg.norm(seen(place(skeleton, f"foot.{side}")) - ankle) < tolerance
        assert abs(seen(place(skeleton, f"upper_leg.{side}"))[0] - ankle[0]) < tolerance
        assert seen(place(skeleton, f"upper_arm.{side}"))[1] > chin
    assert abs(seen(place(skeleton, "head"))[1] - chin) < tolerance
    assert seen(end(skeleton, "head"))[1] < eyes - tolerance


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
        assert np.allclose(place(skeleton, name)[[0, 2]], (x, z), atol=0.08)  # knees bend forward, elbows back
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


@pytest.mark.parametrize("kind", ["humanoid", "quadruped", "bird", "generic", "none"])
def test_a_kind_that_is_asked_for_is_obeyed_on_anything(kind, quadruped):
    vertices, faces, _ = quadruped
    skeleton = estimate_skeleton(vertices, faces, kind)
    assert skeleton.kind == kind
    assert_valid(skeleton, vertices)


THIN = [(1, 1, 0.001), (0.001, 0.001, 1), (1, 0.01, 1)]
KINDS = ["auto", "humanoid", "quadruped", "bird", "generic", "none"]


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
