# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a figure has nowhere to go where another one's bones take the place of its own."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
from mathutils import Matrix

from ..animation.actions import curves_of
from ..phrases import phrase
from ..pose.rig import HANDLE_ROLE, role_of

# Of a rotation matrix' numbers, and of metres: what is below was never posed.
_AT_REST = 1e-4
_MOST_NAMED = 6


def lost_bones(original: bpy.types.Object, other: bpy.types.Object) -> list[str]:
    """Bones that the other lacks, of those that the artist posed, keyed, constrained or hung something on."""
    gone = [
        bone for bone in original.pose.bones if bone.name not in other.data.bones and role_of(bone.bone) != HANDLE_ROLE
    ]
    paths = _keyed_paths(original) if gone else []
    carrying = {item.parent_bone for item in original.children if item.parent_type == "BONE"}
    return [
        bone.name
        for bone in gone
        if _is_posed(bone)
        or bone.name in carrying
        or bone.constraints
        or any(path.startswith(f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"]') for path in paths)
    ]


def lost_sentence(figure: str, bones: Sequence[str]) -> str:
    """That these have no effect any more, "" where there are none. figure: its name."""
    if not bones:
        return ""
    named = ", ".join(bones[:_MOST_NAMED])
    if len(bones) > _MOST_NAMED:
        named = phrase("{bones} and {count} more", bones=named, count=len(bones) - _MOST_NAMED)
    return phrase(
        "{figure} has other bones now. What was posed, keyed or hung on these has no effect any more: {bones}.",
        figure=figure,
        bones=named,
    )


def _is_posed(bone: bpy.types.PoseBone) -> bool:
    rest = Matrix.Identity(4)
    return any(
        abs(bone.matrix_basis[row][column] - rest[row][column]) > _AT_REST for row in range(4) for column in range(4)
    )


def _keyed_paths(armature: bpy.types.Object) -> list[str]:
    data = armature.animation_data
    if data is None:
        return []
    actions = [data.action, *(strip.action for track in data.nla_tracks for strip in track.strips)]
    return [curve.data_path for action in dict.fromkeys(filter(None, actions)) for curve in curves_of(action)]
