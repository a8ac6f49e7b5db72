# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones for meshes of the file that have none: an armature beside them, and their weights. Vertices, faces, UV maps,
materials, shape keys and transforms of the meshes stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..errors import ImportFailed
from ..jobs.aim import Aim
from ..phrases import phrase
from ..pose.bound import rigs_of
from .armature import dress, restore_rest_pose
from .provenance import facts_of
from .result_folder import Bone, read_report, read_skeleton
from .rollback import all_or_nothing, restore_work
from .sent_body import SentBody, has_surface, mesh_obstacle
from .shape_makers import place_for_bones
from .weights import Weights, found_body, read_weights, settle, write_weights
from .whole_shape import take_over

# Of the body's size: what was not moved, or only moved as a whole, differs by single precision.
_SAME_SHAPE = 1e-4
# A turn below this, in radians, is none.
_NO_TURN = 1e-5
_KEPT_SUFFIX = ".before"


def chosen_meshes(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected meshes, the active one first."""
    active = context.view_layer.objects.active
    found = [item for item in context.view_layer.objects.selected if item.type == "MESH"]
    return sorted(found, key=lambda item: item is not active)


def obstacle(context: bpy.types.Context) -> str:
    """Why the selected meshes cannot be rigged, for the artist; "" where they can."""
    if context.mode != "OBJECT":
        return "Leave the mode that the object is in first: Rig Selected Mesh works in Object Mode."
    meshes = chosen_meshes(context)
    if not any(map(has_surface, meshes)):
        return "Select one mesh or several: they get one skeleton together."
    for item in meshes:
        reason = _binding_of(item) or mesh_obstacle(item)
        if reason:
            return reason
    return ""


def _binding_of(item: bpy.types.Object) -> str:
    rigs = rigs_of(item)
    if not rigs:
        return ""
    return phrase(
        "{name} is bound to {name_2} already: Update Skin weighs it anew. For other bones, remove"
        " its Armature modifier first.",
        name=item.name,
        name_2=rigs[0].name,
    )


def rig_meshes(
    context: bpy.types.Context, folder: Path, aim: Aim, name: str, origin: Mapping[str, str]
) -> bpy.types.Object:
    """Give the meshes that were sent the bones and weights in the folder; returns the armature. What was moved, turned
    or scaled as a whole meanwhile has its bones where it is now. No undo step is made.

    Raises ImportFailed, after which the file is as it was.
    """
    (bones, kind), weights, report = read_skeleton(folder), read_weights(folder), read_report(folder)
    with found_body(context.scene, aim.parts, weights) as (body, applied):
        for item in body.objects:
            if _binding_of(item):
                raise ImportFailed(_binding_of(item), "Then press Import in the job list.")
        if {bone.name for bone in bones} != set(weights.bones):
            raise ImportFailed(
                "The result's bones and weights do not belong together.",
                "Import it again from the job list: the files are fetched again.",
            )
        place, scale = _placed(body, weights)
        settled = settle(body, weights)
        with all_or_nothing() as before, take_over(applied):
            rig = _new_armature(body.objects[0], bones, name, scale)
            rig.matrix_world = place
            dress(rig, bones, kind)
            for key, fact in facts_of(report, origin).items():
                rig[key] = fact
            _hang(rig, place, body.objects)
            for item in body.objects:
                _free_names(item, weights.bones)
                _add_modifier(item, rig)
            write_weights(settled)
            restore_work(before)
    return rig


def _placed(body: SentBody, weights: Weights) -> tuple[Matrix, float]:
    """Where the armature stands, without scale, and Blender units a metre of its bones. Raises ImportFailed where the
    meshes have another shape by now.
    """
    sent, now = weights.vertices, body.places
    turn, scale = _similarity(sent - sent.mean(axis=0), now - now.mean(axis=0))
    move = now.mean(axis=0) - scale * turn @ sent.mean(axis=0)
    off = np.abs(sent @ turn.T * scale + move - now).max()
    if not off < _SAME_SHAPE * np.ptp(now, axis=0).max():
        names = ", ".join(item.name for item in body.objects)
        raise ImportFailed(
            phrase("{names} changed in shape, or against each other, since they were sent.", names=names),
            "Undo that and press Import in the job list, or press Rig Selected Mesh again.",
        )
    if np.abs(turn - np.eye(3)).max() < _NO_TURN:
        turn = np.eye(3)
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = turn, move
    return Matrix(place.tolist()), scale


def _similarity(sent: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, float]:  # (V, 3) both, about their means
    """The turn and the scale that take the first nearest to the second (Umeyama 1991)."""
    left, sizes, right = np.linalg.svd(now.T @ sent)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    spread = float((sent * sent).sum())
    return (left * signs) @ right, float((sizes * signs).sum() / spread) if spread > 0 else 1.0


def _new_armature(beside: bpy.types.Object, bones: Sequence[Bone], name: str, scale: float) -> bpy.types.Object:
    """In the mesh's collection, with these bones at rest."""
    rig = bpy.data.objects.new(f"{name}_rig", bpy.data.armatures.new(f"{name}_rig"))
    ground = bpy.context.scene.collection
    own = {ground, *ground.children_recursive}
    there = next(entry for entry in beside.users_collection if entry in own)
    there.objects.link(rig)
    bpy.context.view_layer.update()
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    edited = rig.data.edit_bones
    for bone in bones:
        entry = edited.new(bone.name)
        entry.head, entry.tail = bone.head, bone.tail
    for bone in bones:
        if bone.parent:
            edited[bone.name].parent = edited[bone.parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    restore_rest_pose(rig, bones, scale)
    return rig


def _hang(rig: bpy.types.Object, place: Matrix, meshes: Sequence[bpy.types.Object]) -> None:
    """Meshes without a parent get the armature as theirs; where all have the same, it gets the armature too. Nothing
    moves.
    """
    parents = {item.parent for item in meshes}
    for item in meshes:
        if item.parent is None:
            item.parent = rig
            item.matrix_parent_inverse = place.inverted()
    (parent,) = parents if len(parents) == 1 else (None,)
    if parent is not None and all(item.parent_type == "OBJECT" for item in meshes):
        rig.parent = parent
        rig.matrix_parent_inverse = parent.matrix_world.inverted()
        rig.matrix_basis = place


def _add_modifier(item: bpy.types.Object, rig: bpy.types.Object) -> None:
    """Behind those that mirror the mesh, before those that smooth or thicken what it moves."""
    place = place_for_bones(item)
    modifier = item.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    item.modifiers.move(len(item.modifiers) - 1, place)


def _free_names(item: bpy.types.Object, bones: Sequence[str]) -> None:
    """The artist's own groups that are named like bones get another name, everywhere."""
    keys = item.data.shape_keys.key_blocks if item.data.shape_keys else ()
    for name in bones:
        group = item.vertex_groups.get(name)
        if group is None:
            continue
        group.name = f"{name}{_KEPT_SUFFIX}"
        for user in (*item.modifiers, *keys):
            if getattr(user, "vertex_group", "") == name:
                user.vertex_group = group.name
