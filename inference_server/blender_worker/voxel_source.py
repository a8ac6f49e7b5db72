# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh file's objects and rig as the one surface that is voxelized."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy
from mathutils import Matrix

from blender_addon.figure.voxel_source import VoxelSource, armature_of, read_source
from inference_server.blender_worker.reading import PosableFile

# What Blender's FBX writer calls the bones that it adds for the length of the last ones.
LEAF_SUFFIX = "_end"


@dataclass(frozen=True, eq=False)
class FileSource:
    """source: all objects in one. notes: sentences for the artist."""

    source: VoxelSource
    notes: tuple[str, ...]


def read_file(loaded: PosableFile) -> FileSource:
    """All objects of a file as one; the armature that moves most of it is its armature. Raises VoxelError."""
    for rig in loaded.rigs:
        drop_leaf_bones(rig)
    bpy.context.view_layer.update()
    lead = max(loaded.objects, key=lambda item: _moved_with(item, loaded.objects))
    others = [item for item in loaded.objects if item != lead]
    source = read_source(lead, others)
    return FileSource(source, tuple(_notes(loaded, source)))


def _moved_with(item: bpy.types.Object, objects: list[bpy.types.Object]) -> int:
    """How many vertices the armature of this object moves; -1 where it has none."""
    rig = armature_of(item)
    return -1 if rig is None else sum(len(other.data.vertices) for other in objects if armature_of(other) == rig)


def stand_alone(rig: bpy.types.Object) -> None:
    """Rest pose; no parent, place or scale of its own: the bones stay where they are in the world."""
    matrix = rig.matrix_world.copy()
    if rig.data.users > 1:
        rig.data = rig.data.copy()
    for bone in rig.pose.bones:
        bone.custom_shape = None
        bone.matrix_basis = Matrix()
    rig.constraints.clear()
    rig.parent = None
    rig.matrix_parent_inverse = rig.matrix_basis = Matrix()
    rig.data.transform(matrix)
    rig.data.pose_position = "POSE"
    bpy.context.view_layer.update()


def _notes(loaded: PosableFile, source: VoxelSource) -> Iterator[str]:
    rig = source.armature
    if rig is None:
        return
    if len(loaded.rigs) > 1:
        yield f"The file has {len(loaded.rigs)} armatures; the figure follows {rig.name}, which moves most of it."
    for item in loaded.objects:
        if armature_of(item) != rig:
            yield f"No bone of {rig.name} moves the object {item.name}: it follows {source.bones[0]}."


def drop_leaf_bones(rig: bpy.types.Object) -> None:
    """Take away the bones that only tell how long the last ones are, and give those their length."""
    markers = [
        bone.name
        for bone in rig.data.bones
        if bone.parent and not bone.children and bone.name == f"{bone.parent.name}{LEAF_SUFFIX}"
    ]
    if not markers:
        return
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name in markers:
        marker = rig.data.edit_bones[name]
        if (marker.head - marker.parent.head).length > 0 and len(marker.parent.children) == 1:
            roll_axis = marker.parent.z_axis.copy()
            marker.parent.tail = marker.head
            marker.parent.align_roll(roll_axis)
        rig.data.edit_bones.remove(marker)
    bpy.ops.object.mode_set(mode="OBJECT")
