# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bone's role is called elsewhere, which group it belongs to, and which bone is its mirror image.

Roles are those of rig.json: VRM 1.0 humanoid bone names (hips, leftUpperArm…), camelCase names of the same kind for
other bodies (frontLeftFoot, tail2, neck1), "root", and "chain" where no part is known. Bone names are snake_case with
the side behind a point (upper_arm.L), so that Blender itself can mirror a pose.

Sources: the VRM 1.0 specification (VRMC_vrm, humanoid), Unity's enumeration HumanBodyBones, the joint names of
Mixamo's auto-rigger, the skeleton of Unreal's mannequin, and Godot's class SkeletonProfileHumanoid.
"""

from __future__ import annotations

import re
from typing import Literal

Group = Literal["Spine", "Head", "Arms", "Legs", "Fingers", "Tail", "Extra"]
Side = Literal["L", "R", ""]

# In the order in which Blender lists the bone collections.
GROUPS: tuple[Group, ...] = ("Spine", "Head", "Arms", "Legs", "Fingers", "Tail", "Extra")

ROOT, CHAIN = "root", "chain"
MIXAMO_PREFIX = "mixamorig:"

_FINGERS = ("Index", "Middle", "Ring", "Little")
_SIDES = ("left", "right")

# Unity's and Mixamo's names where they are not the role itself with a capital letter. One side stands for both.
_UNITY_SPECIAL = {
    # VRM 1.0 names the thumb as anatomy does; Unity counts its three bones like a finger's.
    "leftThumbMetacarpal": "LeftThumbProximal",
    "leftThumbProximal": "LeftThumbIntermediate",
    "leftThumbDistal": "LeftThumbDistal",
}
_MIXAMO_CENTRE = {
    "hips": "Hips",
    "spine": "Spine",
    "chest": "Spine1",
    "upperChest": "Spine2",
    "neck": "Neck",
    "head": "Head",
}
_MIXAMO_LEFT = {
    "leftEye": "LeftEye",
    "leftShoulder": "LeftShoulder",
    "leftUpperArm": "LeftArm",
    "leftLowerArm": "LeftForeArm",
    "leftHand": "LeftHand",
    "leftUpperLeg": "LeftUpLeg",
    "leftLowerLeg": "LeftLeg",
    "leftFoot": "LeftFoot",
    "leftToes": "LeftToeBase",
    "leftThumbMetacarpal": "LeftHandThumb1",
    "leftThumbProximal": "LeftHandThumb2",
    "leftThumbDistal": "LeftHandThumb3",
} | {
    f"left{finger}{joint}": f"LeftHand{'Pinky' if finger == 'Little' else finger}{number}"
    for finger in _FINGERS
    for number, joint in enumerate(("Proximal", "Intermediate", "Distal"), start=1)
}


def _to_the_right(name: str) -> str:
    return name.replace("left", "right").replace("Left", "Right")


def _both_sides(left: dict[str, str]) -> dict[str, str]:
    return left | {_to_the_right(role): _to_the_right(name) for role, name in left.items()}


# The 55 humanoid bones of VRM 1.0, which are their roles' names.
VRM_BONES: tuple[str, ...] = (
    *("hips", "spine", "chest", "upperChest", "neck", "head", "leftEye", "rightEye", "jaw"),
    *(f"{side}{part}" for side in _SIDES for part in ("UpperLeg", "LowerLeg", "Foot", "Toes")),
    *(f"{side}{part}" for side in _SIDES for part in ("Shoulder", "UpperArm", "LowerArm", "Hand")),
    *(f"{side}Thumb{joint}" for side in _SIDES for joint in ("Metacarpal", "Proximal", "Distal")),
    *(
        f"{side}{finger}{joint}"
        for side in _SIDES
        for finger in _FINGERS
        for joint in ("Proximal", "Intermediate", "Distal")
    ),
)
# Those without which a file is no VRM.
VRM_REQUIRED: frozenset[str] = frozenset({"hips", "spine", "head"}) | {
    f"{side}{part}" for side in _SIDES for part in ("UpperLeg", "LowerLeg", "Foot", "UpperArm", "LowerArm", "Hand")
}
# Role → Unity's HumanBodyBones.
UNITY_NAMES: dict[str, str] = {role: role[0].upper() + role[1:] for role in VRM_BONES} | _both_sides(_UNITY_SPECIAL)
# Role → Mixamo's joint, with its prefix. A Mixamo skeleton has no jaw.
MIXAMO_NAMES: dict[str, str] = {
    role: MIXAMO_PREFIX + name for role, name in (_MIXAMO_CENTRE | _both_sides(_MIXAMO_LEFT)).items()
}

_UNREAL_CENTRE = {
    "root": "root",
    "hips": "pelvis",
    "spine": "spine_01",
    "chest": "spine_02",
    "upperChest": "spine_03",
    "neck": "neck_01",
    "head": "head",
    "jaw": "jaw",
}
_UNREAL_LEFT = {
    "leftEye": "eye_l",
    "leftShoulder": "clavicle_l",
    "leftUpperArm": "upperarm_l",
    "leftLowerArm": "lowerarm_l",
    "leftHand": "hand_l",
    "leftUpperLeg": "thigh_l",
    "leftLowerLeg": "calf_l",
    "leftFoot": "foot_l",
    "leftToes": "ball_l",
    "leftThumbMetacarpal": "thumb_01_l",
    "leftThumbProximal": "thumb_02_l",
    "leftThumbDistal": "thumb_03_l",
} | {
    f"left{finger}{joint}": f"{'pinky' if finger == 'Little' else finger.lower()}_{number:02d}_l"
    for finger in _FINGERS
    for number, joint in enumerate(("Proximal", "Intermediate", "Distal"), start=1)
}
# Role → bone of Unreal's mannequin, which has neither eyes nor a jaw; theirs are named in its way.
UNREAL_NAMES: dict[str, str] = (
    _UNREAL_CENTRE
    | _UNREAL_LEFT
    | {_to_the_right(role): f"{name.removesuffix('_l')}_r" for role, name in _UNREAL_LEFT.items()}
)
# Role → bone of Godot's SkeletonProfileHumanoid.
GODOT_NAMES: dict[str, str] = {role: role[0].upper() + role[1:] for role in (ROOT, *VRM_BONES)}

# What the words of a role say about its group; the first word that is found counts.
_GROUP_WORDS: tuple[tuple[Group, frozenset[str]], ...] = (
    ("Fingers", frozenset({"thumb", "index", "middle", "ring", "little"})),
    ("Arms", frozenset({"shoulder", "arm", "hand", "wing"})),
    ("Legs", frozenset({"leg", "foot", "toes", "paw"})),
    ("Head", frozenset({"neck", "head", "eye", "jaw", "ear"})),
    ("Tail", frozenset({"tail"})),
    ("Spine", frozenset({"hips", "spine", "chest", ROOT})),
)
_WORD = re.compile(r"[A-Z]?[a-z]+")
_SIDED_NAME = re.compile(r"(?P<stem>.+)\.(?P<side>[LR])(?P<number>\.\d{3})?")


def words_of(role: str) -> tuple[str, ...]:
    """A role's words in lower case, without its numbers: frontLeftUpperLeg is front, left, upper, leg."""
    return tuple(word.lower() for word in _WORD.findall(role))


def group_of(role: str) -> Group:
    """The bone collection that a role belongs to; "Extra" for chains and for what is not known."""
    words = set(words_of(role))
    return next((group for group, marks in _GROUP_WORDS if words & marks), "Extra")


def side_of(bone: str) -> Side:
    """The side that a bone's name tells: upper_arm.L is on the character's left. "" where it stands in the middle."""
    match = _SIDED_NAME.fullmatch(bone)
    if match is None:
        return ""
    return "L" if match["side"] == "L" else "R"


def mirrored_bone(bone: str) -> str:
    """The bone's name on the other side; the same name where it has no side."""
    match = _SIDED_NAME.fullmatch(bone)
    if match is None:
        return bone
    return f"{match['stem']}.{'R' if match['side'] == 'L' else 'L'}{match['number'] or ''}"


def bone_name(role: str) -> str:
    """The name that a bone of a humanoid role gets here: leftUpperArm is upper_arm.L. Other roles: KeyError."""
    return _BONE_NAMES[role]


def role_of_name(name: str) -> str:
    """The role that a bone's name tells where no role was stored: VRM's, Unity's, Unreal's, Mixamo's and our own
    names, an animal's too, these also without their separators and capitals (UpperArm.L, upperarm.l), and what artists
    often call them (thigh.L). "" for any other.
    """
    return _ROLES_BY_NAME.get(name, "") or _ROLES_BY_LETTERS.get(_letters(name), "")


def _letters(name: str) -> str:
    """In lower case, without what stands between."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _snake_case(role: str) -> str:
    words = words_of(role)
    sides = {"left": ".L", "right": ".R"}
    return "_".join(words[1:]) + sides[words[0]] if words[0] in sides else "_".join(words)


_BONE_NAMES = {role: _snake_case(role) for role in VRM_BONES}
_ROLES_BY_NAME = {
    name: role
    for names in (UNREAL_NAMES, UNITY_NAMES, _BONE_NAMES, MIXAMO_NAMES, {role: role for role in VRM_BONES})
    for role, name in names.items()
}
# What artists often call these bones; of both sides, the left one's role.
_OFTEN = {
    "abdomen": "spine",
    "torso": "chest",
    "pelvis": "hips",
    "clavicle": "leftShoulder",
    "forearm": "leftLowerArm",
    "palm": "leftHand",
    "thigh": "leftUpperLeg",
    "shin": "leftLowerLeg",
    "calf": "leftLowerLeg",
    "toe": "leftToes",
}
_MOST_TAIL_BONES = 9
_ANIMAL_ROLES = {
    letters: f"{end}{side.capitalize()}{part}"
    for end in ("front", "back")
    for side in _SIDES
    for part in ("UpperLeg", "LowerLeg", "Foot", "Paw")
    for letters in (f"{end}{part}{side[0]}".lower(), f"{end}{side}{part}".lower())
} | {
    letters: f"{part}{number}"
    for part in ("neck", "tail")
    for number in range(1, _MOST_TAIL_BONES + 1)
    for letters in (f"{part}{number}", f"{part}{number:02d}")
}
_ROLES_BY_LETTERS = (
    {name: role for name, role in _OFTEN.items() if not role.startswith("left")}
    | {f"{name}l": role for name, role in _OFTEN.items() if role.startswith("left")}
    | {f"{name}r": _to_the_right(role) for name, role in _OFTEN.items() if role.startswith("left")}
    | {_letters(name): role for role, name in _BONE_NAMES.items()}
    | _ANIMAL_ROLES
)
