# SPDX-License-Identifier: GPL-3.0-or-later
"""New weights for a figure whose bones were edited. Bones, pose, animation and constraints are not touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import bpy

from ..errors import ImportFailed
from ..jobs.aim import Aim
from ..phrases import phrase
from ..pose.bound import is_bound, meshes_of
from ..pose.rig import active_rig
from .provenance import PREFIX, facts_of
from .result_folder import read_report
from .sent_body import has_surface, mesh_obstacle, read_bones
from .weights import found_body, read_weights, settle, write_weights
from .whole_shape import take_over

# Of the unit cube, scaled as the armature is: less cannot be undone in single precision.
_LEAST_VOLUME = 1e-15
_AGAIN = "Press Update Skin again."


def obstacle(context: bpy.types.Context) -> str:
    """Why no weights can be made for the active figure, for the artist; "" where they can."""
    armature = active_rig(context)
    if armature is None:
        return "Select a figure, or its armature."
    if context.mode not in ("OBJECT", "POSE", "EDIT_ARMATURE"):
        return "Leave this mode first: Update Skin works in Object, Pose and an armature's Edit Mode."
    meshes = meshes_of(armature, context.scene)
    if not any(map(has_surface, meshes)):
        return phrase(
            "{name} moves no mesh of this scene. Rig Selected Mesh gives a mesh its bones.", name=armature.name
        )
    reasons = [reason for reason in map(mesh_obstacle, meshes) if reason]
    if reasons:
        return reasons[0]
    if abs(armature.matrix_world.determinant()) < _LEAST_VOLUME:
        return phrase("{name} is scaled to nothing: give it a scale first.", name=armature.name)
    if not read_bones(armature):
        return phrase(
            "{name} has no bone that deforms: turn on Deform in the properties of its bones.", name=armature.name
        )
    return ""


def reskin(context: bpy.types.Context, folder: Path, aim: Aim, origin: Mapping[str, str]) -> bpy.types.Object:
    """Give the meshes of the armature the weights in the folder; returns the armature. No undo step is made.

    Raises ImportFailed, after which the file is as it was.
    """
    armature = context.scene.objects.get(aim.armature)
    if armature is None or armature.type != "ARMATURE":
        raise ImportFailed(
            phrase("{armature}, whose skin was to be updated, is not in this scene any more.", armature=aim.armature),
            "If it was renamed, give it that name again and press Import in the job list.",
        )
    if armature.mode == "EDIT":
        raise ImportFailed(
            phrase("{name} is in Edit Mode.", name=armature.name), "Leave it, and press Import in the job list."
        )
    weights, report = read_weights(folder), read_report(folder)
    _check_bones(armature, weights.bones)
    with found_body(context.scene, aim.parts, weights) as (body, applied):
        for item in body.objects:
            if not is_bound(item, armature):
                raise ImportFailed(
                    phrase("{name} is not bound to {name_2} any more.", name=item.name, name_2=armature.name), _AGAIN
                )
        settled = settle(body, weights)
        with take_over(applied):
            write_weights(settled)
    facts = facts_of(report, {})
    for name in (f"{PREFIX}stage_rig", f"{PREFIX}digest_weights"):
        if name in facts:
            armature[name] = facts[name]
    armature[f"{PREFIX}skin_job"] = origin["job"]
    return armature


def _check_bones(armature: bpy.types.Object, sent: tuple[str, ...]) -> None:
    now = {bone.name for bone in read_bones(armature)}
    gone, new = sorted(set(sent) - now), sorted(now - set(sent))
    if gone or new:
        what = phrase("{name} is not there any more", name=gone[0]) if gone else phrase("{name} was added", name=new[0])
        raise ImportFailed(
            phrase("The bones of {name} are others than those that were sent: {what}.", name=armature.name, what=what),
            _AGAIN,
        )
