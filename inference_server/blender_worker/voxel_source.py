# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh file's objects and rig as the one surface that is voxelized."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import bpy
import numpy as np
from mathutils import Matrix

from blender_addon.figure.voxel_source import VoxelSource, read_source
from blender_addon.voxel.merge import merge_meshes
from blender_addon.voxel.mesh import Influences
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
        _drop_leaf_bones(rig)
    bpy.context.view_layer.update()
    sources = [read_source(item) for item in loaded.objects]
    counts = {rig.name: _bound_vertices(rig, sources) for rig in loaded.rigs}
    chosen = max(loaded.rigs, key=lambda rig: counts[rig.name]) if any(counts.values()) else None
    lead = next((source for source in sources if source.armature == chosen), None) if chosen else None
    if lead is None:
        mesh = merge_meshes([source.mesh for source in sources])
        return FileSource(VoxelSource(replace(mesh, influences=None), None, (), None), ())
    pairs = list(zip(loaded.objects, sources, strict=True))
    mesh = merge_meshes([_carried(item, source, lead).mesh for item, source in pairs])
    merged = VoxelSource(mesh, lead.armature, lead.bones, lead.skeleton)
    return FileSource(merged, tuple(_notes(loaded, pairs, lead)))


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


def _bound_vertices(rig: bpy.types.Object, sources: list[VoxelSource]) -> int:
    return sum(len(source.mesh.vertices) for source in sources if source.armature == rig)


def _carried(item: bpy.types.Object, source: VoxelSource, lead: VoxelSource) -> VoxelSource:
    """What hangs on a bone moves with it; what another armature moves, or none, with the first bone."""
    if source.armature == lead.armature:
        return source
    influences = None
    if _hangs_on_a_bone(item, lead):
        bone = lead.bones.index(item.parent_bone)
        shape = len(source.mesh.vertices), 1
        influences = Influences(np.full(shape, bone), np.ones(shape, np.float32))
    return replace(source, mesh=replace(source.mesh, influences=influences))


def _hangs_on_a_bone(item: bpy.types.Object, lead: VoxelSource) -> bool:
    return item.parent == lead.armature and item.parent_type == "BONE" and item.parent_bone in lead.bones


def _notes(loaded: PosableFile, pairs: list[tuple[bpy.types.Object, VoxelSource]], lead: VoxelSource) -> Iterator[str]:
    if len(loaded.rigs) > 1:
        yield f"The file has {len(loaded.rigs)} armatures; the figure follows {lead.armature.name}, which moves most."
    for item, source in pairs:
        if source.armature != lead.armature and not _hangs_on_a_bone(item, lead):
            yield f"No bone of {lead.armature.name} moves the object {item.name}: it follows {lead.bones[0]}."


def _drop_leaf_bones(rig: bpy.types.Object) -> None:
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
