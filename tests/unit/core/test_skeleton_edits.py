# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections of a skeleton, by places that are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference_server.core.correction import correction_from_document
from inference_server.core.digest import digest
from inference_server.core.frames import front_facing_rolls, to_blender
from inference_server.core.rig_document import skeleton_to_document
from inference_server.core.skeleton_edits import apply_correction, is_for_another_mesh, mirrored_name
from inference_server.core.types import Skeleton
from inference_server.errors import CorrectionInvalid, SkeletonInvalid

# House frame: one metre high, half a metre wide, 0.4 m deep.
BOUNDS = np.float32([-0.25, 0, -0.2]), np.float32([0.25, 1, 0.2])
BOX = {"min": [-0.25, -0.2, 0.0], "max": [0.25, 0.2, 1.0]}  # the same in Blender's


@pytest.fixture
def body() -> Skeleton:
    """Hips, a spine, an arm of two bones on each side and a head, in Blender's frame; all but the hips guessed."""
    bones = {  # parent, head, tail
        "hips": (None, [0, 0, 0.5], [0, 0, 0.6]),
        "spine": ("hips", [0, 0, 0.6], [0, 0, 0.9]),
        "upper_arm.L": ("spine", [0.05, 0, 0.8], [0.15, 0, 0.7]),
        "lower_arm.L": ("upper_arm.L", [0.15, 0, 0.7], [0.25, 0, 0.6]),
        "upper_arm.R": ("spine", [-0.05, 0, 0.8], [-0.15, 0, 0.7]),
        "lower_arm.R": ("upper_arm.R", [-0.15, 0, 0.7], [-0.25, 0, 0.6]),
        "head": ("spine", [0, 0, 0.9], [0, 0, 1]),
    }
    names = tuple(bones)
    heads, tails = (np.array([bone[end] for bone in bones.values()], np.float32) for end in (1, 2))
    heads, tails = (np.stack([ends[:, 0], ends[:, 2], -ends[:, 1]], axis=1) for ends in (heads, tails))
    roles = ("hips", "spine", "leftUpperArm", "leftLowerArm", "rightUpperArm", "rightLowerArm", "head")
    return Skeleton(
        names=names,
        roles=roles,
        parents=np.array([-1 if parent is None else names.index(parent) for parent, *_ in bones.values()]),
        heads=heads,
        tails=tails,
        rolls=front_facing_rolls(heads, tails),
        kind="humanoid",
        guessed=names[1:],
    )


def corrected(body: Skeleton, *edits: dict[str, Any], **document: Any) -> Skeleton:
    return apply_correction(body, correction_from_document({"edits": list(edits), **document}), BOUNDS)


def place(skeleton: Skeleton, bone: str, end: str) -> list[float]:
    ends = {"head": skeleton.heads, "tail": skeleton.tails}[end]
    return [round(float(value), 6) for value in to_blender(ends)[skeleton.names.index(bone)]]


def parent_of(skeleton: Skeleton, bone: str) -> str:
    return skeleton.names[skeleton.parents[skeleton.names.index(bone)]]


def test_no_edits_change_nothing(body: Skeleton) -> None:
    assert digest(corrected(body)) == digest(body)


def test_a_moved_elbow_takes_both_its_bones_along_and_nothing_else(body: Skeleton) -> None:
    moved = corrected(body, {"edit": "move", "bone": "lower_arm.L", "head": [0.16, 0.05, 0.72]})
    assert place(moved, "lower_arm.L", "head") == place(moved, "upper_arm.L", "tail") == [0.16, 0.05, 0.72]
    assert moved.guessed == tuple(name for name in body.guessed if name != "lower_arm.L")
    turned = [body.names.index(name) for name in ("upper_arm.L", "lower_arm.L")]
    rest = np.delete(np.arange(7), turned)
    for before, after in ((body.heads, moved.heads), (body.tails, moved.tails), (body.rolls, moved.rolls)):
        assert np.array_equal(before[rest], after[rest])
    assert np.array_equal(moved.rolls, front_facing_rolls(moved.heads, moved.tails))


def test_a_moved_tail_takes_the_children_that_touch_it_along(body: Skeleton) -> None:
    moved = corrected(body, {"edit": "move", "bone": "spine", "tail": [0.01, 0, 0.88]})
    assert place(moved, "head", "head") == [0.01, 0, 0.88]
    assert place(moved, "upper_arm.L", "head") == place(body, "upper_arm.L", "head")


def test_a_mirrored_move_gives_mirror_images(body: Skeleton) -> None:
    moved = corrected(body, {"edit": "move", "bone": "lower_arm.R", "head": [-0.14, 0.03, 0.75], "mirror": True})
    assert place(moved, "lower_arm.R", "head") == [-0.14, 0.03, 0.75]
    assert place(moved, "lower_arm.L", "head") == place(moved, "upper_arm.L", "tail") == [0.14, 0.03, 0.75]
    left, right = (moved.rolls[moved.names.index(f"lower_arm.{side}")] for side in "LR")
    assert left == pytest.approx(-right, abs=1e-6)


def test_the_mirror_stands_between_the_sides_not_at_zero(body: Skeleton) -> None:
    aside = replace(body, heads=body.heads + np.float32([0.1, 0, 0]), tails=body.tails + np.float32([0.1, 0, 0]))
    moved = corrected(aside, {"edit": "move", "bone": "lower_arm.L", "tail": [0.3, 0, 0.6], "mirror": True})
    assert place(moved, "lower_arm.R", "tail") == pytest.approx([-0.1, 0, 0.6], abs=1e-6)


def test_a_given_roll_wins_over_the_rule(body: Skeleton) -> None:
    edit = {"edit": "move", "bone": "lower_arm.L", "head": [0.16, 0.05, 0.72], "roll": 1.25, "mirror": True}
    moved = corrected(body, edit)
    assert moved.rolls[moved.names.index("lower_arm.L")] == 1.25
    assert moved.rolls[moved.names.index("lower_arm.R")] == -1.25


def test_a_removed_bone_takes_its_descendants_along(body: Skeleton) -> None:
    left = corrected(body, {"edit": "remove", "bone": "upper_arm.L"})
    assert left.names == ("hips", "spine", "upper_arm.R", "lower_arm.R", "head")
    assert parent_of(left, "head") == "spine"
    none = corrected(body, {"edit": "remove", "bone": "upper_arm.L", "mirror": True})
    assert none.names == ("hips", "spine", "head")
    assert none.guessed == ("spine", "head")


def test_an_added_limb_is_a_chain_that_faces_the_front(body: Skeleton) -> None:
    joints = [[0, 0.1, 0.5], [0, 0.2, 0.45], [0, 0.3, 0.4]]
    grown = corrected(body, {"edit": "add", "parent": "hips", "names": ["tail1", "tail2"], "joints": joints})
    assert (parent_of(grown, "tail1"), parent_of(grown, "tail2")) == ("hips", "tail1")
    assert place(grown, "tail1", "tail") == place(grown, "tail2", "head") == [0, 0.2, 0.45]
    assert grown.roles[-2:] == ("chain", "chain")
    assert "tail1" not in grown.guessed
    assert np.array_equal(grown.rolls[-2:], front_facing_rolls(grown.heads[-2:], grown.tails[-2:]))


def test_an_added_limb_has_its_mirror_image_on_the_other_side(body: Skeleton) -> None:
    edit = {
        "edit": "add",
        "parent": "lower_arm.L",
        "names": ["hand.L"],
        "joints": [[0.25, 0, 0.6], [0.3, 0.01, 0.58]],
        "roles": ["leftHand"],
        "mirror": True,
    }
    grown = corrected(body, edit)
    assert parent_of(grown, "hand.R") == "lower_arm.R"
    assert place(grown, "hand.R", "tail") == [-0.3, 0.01, 0.58]
    assert grown.roles[-2:] == ("leftHand", "rightHand")
    ears = corrected(body, {**edit, "parent": "head", "names": ["ear.L"]})
    assert parent_of(ears, "ear.R") == parent_of(ears, "ear.L") == "head"


def test_edits_come_one_after_the_other(body: Skeleton) -> None:
    renamed = corrected(
        body,
        {"edit": "rename", "bone": "upper_arm.L", "name": "wing.L", "role": "leftWing", "mirror": True},
        {"edit": "move", "bone": "wing.R", "roll": 0.5},
        {"edit": "remove", "bone": "lower_arm.R"},
        {"edit": "add", "parent": "wing.R", "names": ["lower_arm.R"], "joints": [[-0.15, 0, 0.7], [-0.2, 0, 0.7]]},
    )
    assert renamed.names == ("hips", "spine", "wing.L", "lower_arm.L", "wing.R", "head", "lower_arm.R")
    assert parent_of(renamed, "lower_arm.L") == "wing.L"
    assert renamed.roles[4] == "rightWing"
    assert "wing.L" in renamed.guessed


def test_a_whole_skeleton_stands_in_for_the_one_that_was_found(body: Skeleton) -> None:
    document = skeleton_to_document(body, BOUNDS, name="x", seed=0, versions={})
    other = replace(body, names=("pelvis", *body.names[1:]))
    given = corrected(other, {"edit": "remove", "bone": "head"}, skeleton=document)
    assert given.names == body.names[:-1]
    assert np.array_equal(given.heads, body.heads[:-1]) and np.array_equal(given.rolls, body.rolls[:-1])


def test_places_for_another_mesh_are_fitted_to_this_one(body: Skeleton) -> None:
    edit = {"edit": "move", "bone": "lower_arm.L", "head": [0.32, 0.2, 1.5], "mirror": True}
    twice = {"min": [-0.5, -0.4, 0.0], "max": [0.5, 0.4, 2.0]}
    moved = corrected(body, edit, bounding_box=twice)
    assert place(moved, "lower_arm.L", "head") == pytest.approx([0.16, 0.1, 0.75])
    assert place(moved, "lower_arm.R", "head") == pytest.approx([-0.16, 0.1, 0.75])
    document = skeleton_to_document(body, BOUNDS, name="x", seed=0, versions={})
    given = corrected(body, skeleton=document, bounding_box=twice)
    assert np.allclose(given.heads, body.heads / 2)
    for box, is_other in ((twice, True), (BOX, False)):
        assert is_for_another_mesh(correction_from_document({"bounding_box": box}), BOUNDS) is is_other
    assert not is_for_another_mesh(correction_from_document({}), BOUNDS)


def test_a_flat_mesh_is_fitted_too(body: Skeleton) -> None:
    flat = {"min": [-0.25, 0.3, 0.0], "max": [0.25, 0.3, 1.0]}
    moved = corrected(body, {"edit": "move", "bone": "head", "tail": [0, 0.3, 1]}, bounding_box=flat)
    assert place(moved, "head", "tail") == [0, 0, 1]


ADD = {"edit": "add", "parent": "head", "names": ["ear"], "joints": [[0, 0, 1], [0, 0, 1.1]]}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"edit": "move", "bone": "elbow", "head": [0, 0, 0]}, "no bone 'elbow'"),
        ({"edit": "move", "bone": "elbow.L", "head": [0, 0, 0], "mirror": True}, "no bone 'elbow.L'"),
        ({"edit": "remove", "bone": "elbow"}, "Its bones: hips, spine"),
        ({"edit": "remove", "bone": "hips"}, "is the root"),
        ({"edit": "remove", "bone": "head", "mirror": True}, "no other side"),
        ({"edit": "rename", "bone": "head", "name": "spine"}, "a bone spine already"),
        ({"edit": "rename", "bone": "head", "name": ""}, "no name"),
        ({"edit": "rename", "bone": "head", "name": "h" * 64}, "longer than 63 bytes"),
        ({**ADD, "parent": "ear"}, "no bone 'ear'"),
        ({**ADD, "names": ["spine"]}, "a bone spine already"),
        ({**ADD, "names": ["a", "a"], "joints": [[0, 0, 1], [0, 0, 1.1], [0, 0, 1.2]]}, "a bone a already"),
        ({**ADD, "names": []}, "0 bones and 2 joints"),
        ({**ADD, "joints": [[0, 0, 1]]}, "1 bones and 1 joints"),
        ({**ADD, "roles": ["ear", "ear"]}, "2 roles"),
        ({**ADD, "joints": [[0, 0, 1], [0, 0, 1]]}, "no length: ear"),
        ({**ADD, "joints": [[0, 0, 1], [0, 0, 110]]}, "far outside the mesh"),
        ({**ADD, "mirror": True}, "ear has no side"),
        ({"edit": "move", "bone": "head", "tail": [0, 0, 0.9]}, "no length: head"),
        ({"edit": "move", "bone": "head", "tail": [0, -1.5, 0.9]}, "far outside the mesh"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(body: Skeleton, edit: dict[str, Any], words: str) -> None:
    with pytest.raises(CorrectionInvalid) as caught:
        corrected(body, edit)
    assert words in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"parent": "head"}, SkeletonInvalid),  # a circle
        ({"parent": "elbow"}, SkeletonInvalid),
        ({"name": "hips"}, SkeletonInvalid),
        ({"tail": [0, 0, float("nan")]}, SkeletonInvalid),
        ({"tail": [0, 0, 90]}, CorrectionInvalid),
    ],
)
def test_a_whole_skeleton_that_is_none_is_refused(
    body: Skeleton, change: dict[str, Any], error: type[Exception]
) -> None:
    document = skeleton_to_document(body, BOUNDS, name="x", seed=0, versions={})
    document["bones"][1] |= change
    with pytest.raises(error):
        corrected(body, skeleton=document)


@pytest.mark.parametrize(
    ("name", "other"),
    [("arm.L", "arm.R"), ("arm.R.001", "arm.L.001"), ("spine", "spine"), ("arm.left", "arm.left"), (".L", ".R")],
)
def test_names_of_the_other_side(name: str, other: str) -> None:
    assert mirrored_name(name) == other
