# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig that a mesh file brings, as arrays: bones in rest pose, where they stand in the world, and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from blender_addon.figure.voxel_source import armature_of, influences_of
from blender_addon.skeleton_map import CHAIN, MIXAMO_NAMES, MIXAMO_PREFIX, UNITY_NAMES, VRM_BONES, bone_name
from inference_server.blender_worker.reading import PosableFile
from inference_server.blender_worker.rig import ROLE_PROPERTY
from inference_server.blender_worker.voxel_source import drop_leaf_bones
from inference_server.core.types import MAX_INFLUENCES, Float32, Int32

# What a bone is called by programs that name bones after parts of the body.
_ROLES = (
    {name: role for role, name in UNITY_NAMES.items()}
    | {name: role for role, name in MIXAMO_NAMES.items()}
    | {name.removeprefix(MIXAMO_PREFIX): role for role, name in MIXAMO_NAMES.items()}
    | {bone_name(role): role for role in VRM_BONES}
    | {role: role for role in VRM_BONES}
)


@dataclass(frozen=True, eq=False)
class OwnRigRows:
    """What `read` adds to its result.

    Document: rig, None where the file has no bones, otherwise armature_count, bone_count, and where there is one
    armature bones, roles and cut_count (vertices that more bones move than are kept). Arrays then: rig_parents (J,)
    int32, rig_heads and rig_tails (J, 3) float32, rig_rolls (J,) float32 radians, rig_indices (V, 4) int32 and
    rig_weights (V, 4) float32, whose rows sum to 1, or to 0 where no bone moves the vertex.
    """

    document: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def describe(found: PosableFile) -> OwnRigRows:
    """The file's rig; its leaf bones, which only mark where the last ones end, become their tails."""
    rigs = [rig for rig in found.rigs if len(rig.data.bones)]
    for rig in rigs:
        drop_leaf_bones(rig)
    if not rigs:
        return OwnRigRows({"rig": None})
    counts = {"armature_count": len(rigs), "bone_count": sum(len(rig.data.bones) for rig in rigs)}
    if len(rigs) > 1:
        return OwnRigRows({"rig": counts})
    (rig,) = rigs
    names = tuple(bone.name for bone in rig.data.bones)
    indices, weights, cut_count = _skin(found.objects, rig, names)
    roles = [_role(bone) for bone in rig.data.bones]
    return OwnRigRows(
        {"rig": {**counts, "bones": list(names), "roles": roles, "cut_count": cut_count}},
        {**_bones(rig, names), "rig_indices": indices, "rig_weights": weights},
    )


def _bones(rig: bpy.types.Object, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Blender lists parents before their children."""
    number = {name: index for index, name in enumerate(names)}
    world, bones = rig.matrix_world, rig.data.bones
    return {
        "rig_parents": np.array([-1 if bone.parent is None else number[bone.parent.name] for bone in bones], np.int32),
        "rig_heads": np.array([world @ bone.head_local for bone in bones], np.float32),
        "rig_tails": np.array([world @ bone.tail_local for bone in bones], np.float32),
        "rig_rolls": np.array([_roll(rig, bone) for bone in bones], np.float32),
    }


def _roll(rig: bpy.types.Object, bone: bpy.types.Bone) -> float:
    """In the world, where the rig may be turned."""
    turned = (rig.matrix_world.to_3x3() @ bone.matrix_local.to_3x3()).normalized()
    roll: float = bone.AxisRollFromMatrix(turned, axis=Vector(turned.col[1]))[1]
    return roll


def _role(bone: bpy.types.Bone) -> str:
    told = bone.get(ROLE_PROPERTY)
    return told if isinstance(told, str) else _ROLES.get(bone.name, CHAIN)


def _skin(objects: list[bpy.types.Object], rig: bpy.types.Object, names: tuple[str, ...]) -> tuple[Int32, Float32, int]:
    """Indices and weights of all vertices, and how many of them more bones move than are kept."""
    indices, weights, cut_count = [], [], 0
    for item in objects:
        count = len(item.data.vertices)
        found = influences_of(item, item.data, rig, names) if armature_of(item) == rig else None
        own_indices, own_weights = np.zeros((2, count, MAX_INFLUENCES), np.float32)
        if found is not None:
            width = min(MAX_INFLUENCES, found.weights.shape[1])
            own_indices[:, :width], own_weights[:, :width] = found.bones[:, :width], found.weights[:, :width]
            cut_count += int(found.weights[:, width:].any(axis=1).sum())
        indices.append(own_indices)
        weights.append(own_weights / np.maximum(own_weights.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny))
    return np.concatenate(indices).astype(np.int32), np.concatenate(weights).astype(np.float32), cut_count
