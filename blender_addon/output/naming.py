# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bones are called elsewhere, and which of them a humanoid's bone has to hang on.

Sources: see skeleton_map; the parents are those of the VRM 1.0 specification (VRMC_vrm, humanoid), which Unity's and
Godot's humanoids share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from ..skeleton_map import (
    GODOT_NAMES,
    MIXAMO_NAMES,
    ROOT,
    UNITY_NAMES,
    UNREAL_NAMES,
    VRM_BONES,
    VRM_REQUIRED,
)

Scheme = Literal["KEEP", "UNITY", "UNREAL", "GODOT", "VRM", "MIXAMO"]

_TABLES: dict[Scheme, Mapping[str, str]] = {
    "KEEP": {},
    "UNITY": UNITY_NAMES | {ROOT: "Root"},
    "UNREAL": UNREAL_NAMES,
    "GODOT": GODOT_NAMES,
    "VRM": {role: role for role in VRM_BONES},
    "MIXAMO": MIXAMO_NAMES,
}
# Unreal and Godot replace these in names of bones; others are replaced here, so that both sides call them the same.
_REPLACED: dict[Scheme, re.Pattern[str]] = {"UNREAL": re.compile(r"[^A-Za-z0-9_]+"), "GODOT": re.compile(r"[.:/@%\"]+")}
_SPINE = ("hips", "spine", "chest", "upperChest")
_MOST_BYTES = 63  # of a bone's name, in Blender
_NUMBER_BYTES = 4  # kept free for what makes a name unique


def bone_names(names: Sequence[str], roles: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """One for each bone, no two the same. Of several bones of one role the first gets its name; bones without a role
    of the scheme keep theirs, but for signs that the program does not take.
    """
    table = _TABLES[scheme]
    first = {role: bone for bone, role in reversed(list(enumerate(roles)))}
    fixed = {bone: table[role] for role, bone in first.items() if role in table}
    taken = set(fixed.values())
    found = []
    for bone, name in enumerate(names):
        if bone not in fixed:
            pattern = _REPLACED.get(scheme)
            fixed[bone] = _unique(pattern.sub("_", name).strip("_") or "bone" if pattern else name, taken)
            taken.add(fixed[bone])
        found.append(fixed[bone])
    return tuple(found)


def _unique(name: str, taken: set[str]) -> str:
    stem = name.encode()[: _MOST_BYTES - _NUMBER_BYTES].decode(errors="ignore")
    numbers = (f"{stem}_{number}" for number in range(1, len(taken) + 2))
    return name if name not in taken else next(found for found in numbers if found not in taken)


def humanoid_bones(roles: Sequence[str]) -> dict[str, int]:
    """VRM's bone → the first bone of that role. An upper chest without a chest counts as the chest; parts of a finger
    without those before them are left out, as the specification wants.
    """
    first = {role: bone for bone, role in reversed(list(enumerate(roles))) if role in VRM_BONES}
    if "upperChest" in first and "chest" not in first:
        first["chest"] = first.pop("upperChest")
    for side in ("left", "right"):
        for finger in ("Thumb", "Index", "Middle", "Ring", "Little"):
            joints = ("Metacarpal", "Proximal", "Distal") if finger == "Thumb" else _JOINTS
            is_whole = True
            for joint in joints:
                is_whole = is_whole and f"{side}{finger}{joint}" in first
                if not is_whole:
                    first.pop(f"{side}{finger}{joint}", None)
    return first


_JOINTS = ("Proximal", "Intermediate", "Distal")


def missing_bones(roles: Sequence[str]) -> list[str]:
    """Those without which there is no humanoid, in the order of VRM's table."""
    there = humanoid_bones(roles)
    return [role for role in VRM_BONES if role in VRM_REQUIRED and role not in there]


def humanoid_parents(parents: Sequence[int], roles: Sequence[str]) -> tuple[int, ...]:
    """The parents (−1 for none) with every humanoid bone somewhere below the one that it belongs to: legs of rigs with
    IK often have feet that hang on nothing. parents: (J,), in any order. Where a bone's new parent hangs on the bone
    itself, that is first hung where the bone was.
    """
    bones = humanoid_bones(roles)
    found = list(parents)
    for role in VRM_BONES:
        if role not in bones or role == "hips":
            continue
        bone, above = bones[role], bones.get(_parent_role(role, bones), -1)
        if above < 0 or above in _ancestors(found, bone):
            continue
        if bone in _ancestors(found, above):
            found[above] = found[bone]
        found[bone] = above
    return tuple(found)


def _ancestors(parents: Sequence[int], bone: int) -> list[int]:
    found: list[int] = []
    while parents[bone] >= 0:
        bone = parents[bone]
        found.append(bone)
    return found


def _parent_role(role: str, bones: Mapping[str, int]) -> str:
    """The next one up that is there; "" for none."""
    chain = _CHAINS[role]
    return next((above for above in chain if above in bones), "")


def _chains() -> dict[str, tuple[str, ...]]:
    """Role → those above it, nearest first."""
    trunk = tuple(reversed(_SPINE))
    chains = {role: tuple(reversed(_SPINE[:place])) for place, role in enumerate(_SPINE)}
    chains |= {"neck": trunk, "head": ("neck", *trunk)}
    chains |= dict.fromkeys(("leftEye", "rightEye", "jaw"), ("head",))
    for side in ("left", "right"):
        for above, parts in (
            (trunk, ("Shoulder", "UpperArm", "LowerArm", "Hand")),
            (("hips",), ("UpperLeg", "LowerLeg", "Foot", "Toes")),
        ):
            for part in parts:
                chains[f"{side}{part}"] = above
                above = (f"{side}{part}", *above)
        for finger in ("Thumb", "Index", "Middle", "Ring", "Little"):
            above = (f"{side}Hand",)
            for joint in ("Metacarpal", "Proximal", "Distal") if finger == "Thumb" else _JOINTS:
                chains[f"{side}{finger}{joint}"] = above
                above = (f"{side}{finger}{joint}", *above)
    return chains


_CHAINS = _chains()
