# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton as rig.json has it: what FBX lost is restored, and the bones are sorted, coloured and marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy
from mathutils import Matrix, Vector

from ..errors import ImportFailed
from ..phrases import phrase
from ..skeleton_map import GROUPS, group_of, side_of
from .result_folder import Bone

ROLE_PROPERTY = "figurine_role"
GUESSED_PROPERTY = "figurine_guessed"
GUESSED_COLLECTION = "Guessed"

# Blender's theme colours for bones: as animators have it, blue on the character's left and red on its right.
_SIDE_PALETTES = {"L": "THEME04", "R": "THEME01", "": "THEME09"}
_GUESSED_PALETTE = "THEME06"
# Bodies whose bones are few and limb-like. The bones of others lie close together: sticks leave room between them.
_KINDS_WITH_LIMBS = ("humanoid", "quadruped", "bird")
# FBX carries places in single precision and centimetres; a file of another skeleton is off by far more.
_SAME_PLACE = 1e-3
# Below this a child is taken to begin where its parent ends, and cannot be pulled off it.
_TOUCHING_m = 1e-6


def check_skeleton(armature: bpy.types.Object, bones: Sequence[Bone]) -> None:
    """Raises ImportFailed unless the armature, as imported at a unit scale of 1, holds these bones and no others."""
    held = armature.data.bones
    if set(held.keys()) != {bone.name for bone in bones}:
        raise _mismatch("their bones have other names")
    reach = max(abs(number) for bone in bones for number in (*bone.head, *bone.tail))
    for bone in bones:
        parent = held[bone.name].parent
        if (parent.name if parent else "") != bone.parent:
            raise _mismatch(phrase("{bone} hangs on another bone", bone=bone.name))
        head = armature.matrix_world @ held[bone.name].head_local
        if (head - Vector(bone.head)).length > _SAME_PLACE * max(1.0, reach):
            raise _mismatch(phrase("{bone} is somewhere else", bone=bone.name))


def restore_rest_pose(armature: bpy.types.Object, bones: Sequence[Bone], scale: float) -> None:
    """Give the bones their heads, tails and rolls, and no pose; leaves the armature active, in Object Mode.

    scale: Blender units a metre.
    """
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    edited = armature.data.edit_bones
    for entry in edited:
        entry.use_connect = False
    for bone in bones:
        entry = edited[bone.name]
        entry.head = Vector(bone.head) * scale
        entry.tail = Vector(bone.tail) * scale
        entry.roll = bone.roll
    tails = {bone.name: bone.tail for bone in bones}
    for bone in bones:
        if bone.parent and math.dist(tails[bone.parent], bone.head) < _TOUCHING_m:
            edited[bone.name].use_connect = True
    bpy.ops.object.mode_set(mode="OBJECT")
    for posed in armature.pose.bones:
        posed.matrix_basis = Matrix.Identity(4)


def dress(armature: bpy.types.Object, bones: Sequence[Bone], kind: str) -> None:
    """Sort the bones into collections by role, colour them by side, and mark those whose place is a guess."""
    data = armature.data
    for group in GROUPS:
        members = [bone for bone in bones if group_of(bone.role) == group]
        _collect(data, group, members)
    _collect(data, GUESSED_COLLECTION, [bone for bone in bones if bone.is_guessed])
    for bone in bones:
        held = data.bones[bone.name]
        held[ROLE_PROPERTY] = bone.role
        held.color.palette = _GUESSED_PALETTE if bone.is_guessed else _SIDE_PALETTES[side_of(bone.name)]
        if bone.is_guessed:
            held[GUESSED_PROPERTY] = True
    data.display_type = "OCTAHEDRAL" if kind in _KINDS_WITH_LIMBS else "STICK"
    data.show_bone_colors = True
    armature.show_in_front = True


def _collect(data: bpy.types.Armature, name: str, members: Sequence[Bone]) -> None:
    if members:
        collection = data.collections.new(name)
        for bone in members:
            collection.assign(data.bones[bone.name])


def _mismatch(reason: str) -> ImportFailed:
    return ImportFailed(
        phrase("rig.json does not belong to the FBX file beside it: {reason}.", reason=phrase(reason)),
        "Import it again from the job list: the files are fetched again.",
    )
