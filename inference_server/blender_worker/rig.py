# SPDX-License-Identifier: GPL-3.0-or-later
"""The armature and what binds meshes to it."""

from __future__ import annotations

import json

import bpy
import numpy as np

from inference_server.blender_worker.failures import WorkerFailure
from inference_server.blender_worker.request import Bones, Labels, SkinRows
from inference_server.core.types import Float32

ROLE_PROPERTY = "figurine_role"
PROVENANCE_PROPERTY = "figurine_provenance"
VERSION_PROPERTY = "figurine_version"


def add_armature(name: str, bones: Bones) -> bpy.types.Object:
    """The skeleton in rest pose, drawn in front of the mesh, each bone with its role as a custom property.

    Raises WorkerFailure ExportCrashed where Blender drops or renames a bone (no length, a repeated or overlong name).
    """
    armature = bpy.data.armatures.new(name)
    armature_object = bpy.data.objects.new(name, armature)
    armature_object.show_in_front = True
    bpy.context.scene.collection.objects.link(armature_object)
    bpy.context.view_layer.objects.active = armature_object
    bpy.ops.object.mode_set(mode="EDIT")
    edit_bones = [armature.edit_bones.new(bone) for bone in bones.names]
    for index, bone in enumerate(edit_bones):
        bone.head = bones.heads[index].tolist()
        bone.tail = bones.tails[index].tolist()
        bone.roll = float(bones.rolls[index])
        if bones.parents[index] >= 0:
            bone.parent = edit_bones[bones.parents[index]]
    bpy.ops.object.mode_set(mode="OBJECT")
    if sorted(armature.bones.keys()) != sorted(bones.names):
        lost = sorted(set(bones.names) - set(armature.bones.keys()))
        raise WorkerFailure(
            "ExportCrashed",
            f"Blender did not keep the bones as they are: {', '.join(lost) or 'two have one name'}.",
            "Give every bone a length above zero and a name of its own, at most 63 bytes long.",
        )
    for bone, role in zip(bones.names, bones.roles, strict=True):
        armature.bones[bone][ROLE_PROPERTY] = role
    return armature_object


def bind(mesh_object: bpy.types.Object, armature_object: bpy.types.Object, bones: Bones, skin: SkinRows) -> None:
    """Parent the mesh to the armature, with one Armature modifier and one vertex group for each bone."""
    mesh_object.parent = armature_object
    modifier = mesh_object.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature_object
    groups = [mesh_object.vertex_groups.new(name=bone) for bone in bones.names]
    rows, columns = np.nonzero(skin.weights > 0)
    owners, weights = skin.indices[rows, columns], skin.weights[rows, columns]
    # One call sets one weight for many vertices: equal weights of one bone go together.
    order = np.lexsort((weights, owners))
    rows, owners, weights = rows[order], owners[order], weights[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (owners[1:] != owners[:-1]) | (weights[1:] != weights[:-1])
    starts = np.flatnonzero(is_first)
    for start, stop in zip(starts, np.append(starts[1:], len(order)), strict=True):
        groups[owners[start]].add(rows[start:stop].tolist(), float(weights[start]), "REPLACE")


def mark_origin(objects: list[bpy.types.Object], labels: Labels) -> None:
    """Write where the asset comes from into custom properties, which FBX and GLB carry along."""
    text = json.dumps(labels.provenance, ensure_ascii=False, sort_keys=True)
    for marked in objects:
        marked[PROVENANCE_PROPERTY] = text
        marked[VERSION_PROPERTY] = str(labels.provenance["version"])


def measured_bones(armature_object: bpy.types.Object, bones: Bones) -> dict[str, Float32]:
    """heads (J, 3), tails (J, 3), rolls (J,) float32 as Blender holds them, in the order that was asked for."""
    held = [armature_object.data.bones[bone] for bone in bones.names]
    rolls = [bone.AxisRollFromMatrix(bone.matrix_local.to_3x3())[1] for bone in held]
    return {
        "heads": np.array([bone.head_local for bone in held], dtype=np.float32),
        "tails": np.array([bone.tail_local for bone in held], dtype=np.float32),
        "rolls": np.array(rolls, dtype=np.float32),
    }
