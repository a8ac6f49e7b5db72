# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of bone roles, and what names and roles say."""

from __future__ import annotations

import pytest

from blender_addon.skeleton_map import (
    GROUPS,
    MIXAMO_NAMES,
    UNITY_NAMES,
    VRM_BONES,
    VRM_REQUIRED,
    bone_name,
    group_of,
    mirrored_bone,
    side_of,
    words_of,
)
from models.draft.tree import role_of


def test_vrm_has_55_bones_of_which_15_are_required() -> None:
    assert len(VRM_BONES) == len(set(VRM_BONES)) == 55
    assert len(VRM_REQUIRED) == 15
    assert set(VRM_BONES) >= VRM_REQUIRED


def test_every_table_names_each_bone_once() -> None:
    assert set(UNITY_NAMES) == set(VRM_BONES)
    assert len(set(UNITY_NAMES.values())) == 55
    assert set(MIXAMO_NAMES) == set(VRM_BONES) - {"jaw"}
    assert len(set(MIXAMO_NAMES.values())) == 54
    assert len({bone_name(role) for role in VRM_BONES}) == 55


@pytest.mark.parametrize("table", [UNITY_NAMES, MIXAMO_NAMES, {role: bone_name(role) for role in VRM_BONES}])
def test_the_sides_mirror_each_other(table: dict[str, str]) -> None:
    lefts = [role for role in table if role.startswith("left")]
    assert len(lefts) == 24
    for role in lefts:
        other = table[role.replace("left", "right")]
        assert other != table[role]
        assert other in (table[role].replace("Left", "Right"), table[role].replace(".L", ".R"))


@pytest.mark.parametrize(
    ("role", "unity", "mixamo", "name"),
    [
        ("hips", "Hips", "mixamorig:Hips", "hips"),
        ("upperChest", "UpperChest", "mixamorig:Spine2", "upper_chest"),
        ("leftUpperArm", "LeftUpperArm", "mixamorig:LeftArm", "upper_arm.L"),
        ("rightLowerLeg", "RightLowerLeg", "mixamorig:RightLeg", "lower_leg.R"),
        ("leftToes", "LeftToes", "mixamorig:LeftToeBase", "toes.L"),
        ("leftThumbMetacarpal", "LeftThumbProximal", "mixamorig:LeftHandThumb1", "thumb_metacarpal.L"),
        ("rightThumbProximal", "RightThumbIntermediate", "mixamorig:RightHandThumb2", "thumb_proximal.R"),
        ("leftLittleDistal", "LeftLittleDistal", "mixamorig:LeftHandPinky3", "little_distal.L"),
    ],
)
def test_names_elsewhere(role: str, unity: str, mixamo: str, name: str) -> None:
    assert (UNITY_NAMES[role], MIXAMO_NAMES[role], bone_name(role)) == (unity, mixamo, name)


@pytest.mark.parametrize(
    ("role", "group"),
    [
        ("root", "Spine"),
        ("hips", "Spine"),
        ("upperChest", "Spine"),
        ("neck", "Head"),
        ("neck2", "Head"),
        ("leftEye", "Head"),
        ("leftShoulder", "Arms"),
        ("rightHand", "Arms"),
        ("leftMiddleProximal", "Fingers"),
        ("rightThumbMetacarpal", "Fingers"),
        ("leftUpperLeg", "Legs"),
        ("frontLeftFoot", "Legs"),
        ("backRightPaw", "Legs"),
        ("leftUpperWing", "Arms"),
        ("backRightUpperLeg", "Legs"),
        ("tail3", "Tail"),
        ("chain", "Extra"),
        ("", "Extra"),
        ("狐", "Extra"),
        ("forearmor", "Extra"),
    ],
)
def test_groups(role: str, group: str) -> None:
    assert group_of(role) == group
    assert group in GROUPS


def test_every_vrm_bone_has_a_group() -> None:
    assert {group_of(role) for role in VRM_BONES} == {"Spine", "Head", "Arms", "Legs", "Fingers"}


@pytest.mark.parametrize(
    ("bone", "side", "mirrored"),
    [
        ("upper_arm.L", "L", "upper_arm.R"),
        ("front_foot.R", "R", "front_foot.L"),
        ("upper_arm.L.001", "L", "upper_arm.R.001"),
        ("hips", "", "hips"),
        ("tail_01", "", "tail_01"),
        ("chest.001", "", "chest.001"),
        (".L", "", ".L"),
        ("a.Left", "", "a.Left"),
    ],
)
def test_sides(bone: str, side: str, mirrored: str) -> None:
    assert side_of(bone) == side
    assert mirrored_bone(bone) == mirrored
    assert mirrored_bone(mirrored) == bone


def test_words_leave_numbers_out() -> None:
    assert words_of("frontLeftUpperLeg") == ("front", "left", "upper", "leg")
    assert words_of("tail12") == ("tail",)


def test_the_draft_engine_names_its_bones_by_the_same_rule() -> None:
    for role in VRM_BONES:
        assert role_of(bone_name(role)) == role
