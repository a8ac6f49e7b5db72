# SPDX-License-Identifier: GPL-3.0-or-later
"""The meshes as they go into a file: in its space, at its rest, bound to its bones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import bpy
import numpy as np

from ..pose.bound import is_bound
from ..vertex_groups import read_bone_weights
from .skeleton import FileSkeleton, rest_matrices
from .subject import Subject
from .workshop import Workshop

# Blender's own: what has less weight in all stays where it is.
_NO_WEIGHT = 1e-4


@dataclass(frozen=True, eq=False)
class FileMesh:
    """data: in the armature's space at rest. weights: (V, J) of its skin by the file's bones, rows not normalised;
    None for a mesh that hangs on the armature as a whole.
    """

    source: bpy.types.Object
    data: bpy.types.Mesh
    weights: np.ndarray | None


def read_meshes(shop: Workshop, subject: Subject, skeleton: FileSkeleton) -> list[FileMesh]:
    """Copies, with all modifiers but the armature's applied."""
    stand = shop.copy(subject.armature)
    stand.animation_data_clear()
    stand.data = stand.data.copy()
    stand.data.pose_position = "REST"
    copies = {item: shop.copy(item) for item in subject.meshes}
    for copy in copies.values():
        _rehang(copy, {subject.armature: stand, **copies})
        for modifier in copy.modifiers:
            if modifier.type == "ARMATURE":
                modifier.show_viewport = False
    bpy.context.view_layer.update()
    found = []
    for item, copy in copies.items():
        data = _applied(copy)
        place = stand.matrix_world.inverted() @ copy.matrix_world
        data.transform(place, shape_keys=True)
        if place.determinant() < 0:
            data.flip_normals()
        found.append(FileMesh(item, data, _weights(item, data, subject, skeleton)))
    bpy.data.batch_remove([*copies.values(), stand, stand.data])
    return found


def move_skin(mesh: FileMesh, skeleton: FileSkeleton, armature: bpy.types.Object, posed: np.ndarray) -> None:
    """Bring the vertices and shape keys into the file's space, where the bones are `posed`, (J, 4, 4)."""
    points = _points(mesh.data.vertices)
    moves = np.tile(skeleton.to_file, (len(points), 1, 1))
    if mesh.weights is not None:
        starts = skeleton.in_file(rest_matrices(armature, skeleton.sources))
        turns = posed @ np.linalg.inv(starts) @ skeleton.to_file
        sums = mesh.weights.sum(axis=1)
        is_held = sums > _NO_WEIGHT
        shares = mesh.weights[is_held] / sums[is_held, None]
        moves[is_held] = np.einsum("vj,jab->vab", shares, turns, optimize=True)
    keys = mesh.data.shape_keys.key_blocks if mesh.data.shape_keys else ()
    for part in (mesh.data.vertices, *(key.data for key in keys)):
        places = np.einsum("vab,vb->va", moves[:, :3, :3], _points(part)) + moves[:, :3, 3]
        part.foreach_set("co", places.astype(np.float32).ravel())
    mesh.data.update()


def lowest(meshes: list[FileMesh], up: np.ndarray) -> float:
    """Of all vertices, along the axis up."""
    return min(float((_points(mesh.data.vertices) @ up).min()) for mesh in meshes if len(mesh.data.vertices))


def add_meshes(shop: Workshop, meshes: list[FileMesh], skeleton: FileSkeleton, armature: bpy.types.Object) -> None:
    """As objects below the armature, with a vertex group for each bone that has a share, and nothing else."""
    for mesh in meshes:
        item = shop.add(mesh.source.name, mesh.data)
        shop.call(item, mesh.source.name, bpy.data.objects)
        shop.call(mesh.data, mesh.source.data.name, bpy.data.meshes)
        item.parent = armature
        item.vertex_groups.clear()
        for slot, own in zip(item.material_slots, mesh.source.material_slots, strict=False):
            slot.link, slot.material = own.link, own.material
        if mesh.weights is None:
            continue
        top = skeleton.parents.index(-1)
        mesh.weights[mesh.weights.sum(axis=1) <= _NO_WEIGHT, top] = 1.0
        _weigh(item, mesh.weights, skeleton)
        item.modifiers.new("Armature", "ARMATURE").object = armature


def _rehang(copy: bpy.types.Object, partners: Mapping[bpy.types.Object, bpy.types.Object]) -> None:
    """On the copies instead of the originals; setting a parent forgets how it was placed."""
    if copy.parent in partners:
        place, kind, bone = copy.matrix_parent_inverse.copy(), copy.parent_type, copy.parent_bone
        copy.parent = partners[copy.parent]
        copy.parent_type, copy.parent_bone = kind, bone
        copy.matrix_parent_inverse = place


def _applied(copy: bpy.types.Object) -> bpy.types.Mesh:
    """Its data with the modifiers that are shown; shape keys stay where there are none."""
    if not any(modifier.show_viewport for modifier in copy.modifiers):
        return copy.data.copy()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    seen = copy.evaluated_get(depsgraph)
    return bpy.data.meshes.new_from_object(seen, preserve_all_data_layers=True, depsgraph=depsgraph)


def _weights(
    item: bpy.types.Object, data: bpy.types.Mesh, subject: Subject, skeleton: FileSkeleton
) -> np.ndarray | None:
    places = skeleton.by_source
    weights = np.zeros((len(data.vertices), len(skeleton.names)))
    if not is_bound(item, subject.armature):
        bone = _holder(item, subject.armature)
        if bone not in places:
            return None
        weights[:, places[bone]] = 1.0
        return weights
    deforming = {bone.name for bone in subject.armature.data.bones if bone.use_deform}
    held = read_bone_weights(item, data, {name: place for name, place in places.items() if name in deforming})
    weights[held.vertices, held.bones] = held.weights
    return weights


def _holder(item: bpy.types.Object, armature: bpy.types.Object) -> str:
    """The bone on which it hangs, "" for none."""
    while item.parent != armature:
        item = item.parent
    return str(item.parent_bone) if item.parent_type == "BONE" else ""


def _weigh(item: bpy.types.Object, weights: np.ndarray, skeleton: FileSkeleton) -> None:
    """One call sets one weight for many vertices: equal weights go together."""
    for bone in np.flatnonzero(weights.any(axis=0)):
        group = item.vertex_groups.new(name=skeleton.names[bone])
        rows = np.flatnonzero(weights[:, bone])
        values, which = np.unique(weights[rows, bone], return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        parts = np.split(rows[order], np.cumsum(np.bincount(which.ravel()))[:-1])
        for value, part in zip(values.tolist(), parts, strict=True):
            group.add(part.tolist(), value, "REPLACE")


def _points(collection: bpy.types.bpy_prop_collection) -> np.ndarray:
    points = np.empty(3 * len(collection), np.float32)
    collection.foreach_get("co", points)
    return points.reshape(-1, 3).astype(np.float64)
