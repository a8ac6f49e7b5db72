# SPDX-License-Identifier: GPL-3.0-or-later
"""One figure takes the place of another: its bones, mesh and texture, under the other's name, where that stands, in its
pose and with its animation. Candidates stand beside a figure until one of them does so.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Matrix

from ..errors import ImportFailed
from ..phrases import phrase
from ..pose.bound import meshes_of
from ..pose.ik import COLLECTION, REACH, TURN, paused
from ..pose.rig import HANDLE_ROLE, active_rig, read_rig, role_of
from ..pose.rotations import Matrix3, Vector3
from ..pose.solve import fill
from .armature import ROLE_PROPERTY
from .provenance import PREFIX
from .rollback import all_or_nothing
from .weights import GROUPS_PROPERTY

# On a candidate's armature: the armature that it stands beside.
BESIDE_PROPERTY = f"{PREFIX}beside"
_BONES_BACK = "Undo brings its bones back."
# From one figure to the next, in widths of the first.
_STEP = 1.3

Pose = tuple[dict[str, Matrix3], Vector3]


def original_of(armature: bpy.types.Object) -> bpy.types.Object:
    """The figure that it is a candidate for; itself where it is none, or where that figure was deleted."""
    found = _marked(armature)
    # The mark alone keeps a deleted object in the file; it is in no scene then.
    is_there = found is not None and any(
        scene.objects.get(found.name) == found for scene in bpy.data.scenes if armature.name in scene.objects
    )
    return found if is_there else armature


def candidates_of(original: bpy.types.Object, scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Armatures of the figures that stand beside it to be chosen from."""
    return [item for item in scene.objects if item.type == "ARMATURE" and item.get(BESIDE_PROPERTY) == original]


def choice_of(armature: bpy.types.Object, scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """It and those that stand beside it, the original first where that is still there; candidates of a deleted one are
    chosen from among themselves.
    """
    original, found = original_of(armature), _marked(armature)
    if original == armature and found is not None:
        return candidates_of(found, scene)
    return [original, *candidates_of(original, scene)]


def find_original(scene: bpy.types.Scene, name: str) -> bpy.types.Object:
    """The figure that a job was asked for. Raises ImportFailed where it is gone."""
    found = scene.objects.get(name)
    if found is None or found.type != "ARMATURE":
        raise ImportFailed(
            phrase("{name}, the figure that this was made for, is not in this scene any more.", name=name),
            "If it was renamed, give it that name again and press Import in the job list; Rerun… makes a figure of its "
            "own, at once.",
        )
    if not (found.is_editable and found.data.is_editable):
        raise ImportFailed(
            phrase("{name} is linked from another file and cannot be changed.", name=found.name), "Make it local first."
        )
    return found


def place_beside(original: bpy.types.Object, candidate: bpy.types.Object) -> None:
    """To the original's left, one after the other, in its pose, in one collection with the other candidates. Those that
    stood beside it as candidates of a deleted figure are its own from now on.
    """
    scene = bpy.context.scene
    if original_of(original) == original:
        for item in choice_of(original, scene):
            item[BESIDE_PROPERTY] = original
        original.pop(BESIDE_PROPERTY, None)
    others = candidates_of(original, scene)
    candidate[BESIDE_PROPERTY] = original
    bpy.context.view_layer.update()
    step = _STEP * _width(original, scene)
    candidate.matrix_world = Matrix.Translation((step * (len(others) + 1), 0.0, 0.0)) @ original.matrix_world
    _take_pose(candidate, _pose_of(original))
    name = f"{original.name} Candidates"
    group = bpy.data.collections.get(name)
    if group is None or group not in scene.collection.children_recursive:
        group = bpy.data.collections.new(name)
        scene.collection.children.link(group)
    own = candidate.users_collection[0]
    scene.collection.children.unlink(own)
    group.children.link(own)


def keep(chosen: bpy.types.Object) -> bpy.types.Object:
    """Of a figure and its candidates this one; the others go. Returns the armature that stays: the original's, or where
    that was deleted the chosen one itself.
    """
    scene, original = bpy.context.scene, original_of(chosen)
    with all_or_nothing() as work:
        others = [item for item in choice_of(chosen, scene) if item not in (chosen, original)]
        gone = [part for item in others for part in (*meshes_of(item, scene), item)]
        if chosen != original:
            pairs = [(original, chosen), *zip(_own_meshes(original, scene), meshes_of(chosen, scene), strict=False)]
            gone += _take_over(original, chosen)
            for stays, goes in pairs:
                _take_visibility(stays, goes)
        original.pop(BESIDE_PROPERTY, None)
        for item in bpy.context.view_layer.objects:
            item.select_set(item == original)
        bpy.context.view_layer.objects.active = original
        _remove(gone)
        if work.mode == "POSE" and original.visible_get():
            bpy.ops.object.mode_set(mode="POSE")
    return original


def adopt(original: bpy.types.Object, other: bpy.types.Object) -> None:
    """The original's armature and mesh objects stay, with their names, places, parents, modifiers, constraints and
    animation; what they show is the other's from now on, which goes. In Object Mode.
    """
    _remove(_take_over(original, other))


def hidden_collection(chosen: bpy.types.Object, context: bpy.types.Context) -> bpy.types.Collection | None:
    """One that hides what `keep` works on in this view layer, whatever the objects' own eyes say."""
    original = original_of(chosen)
    entries, shown = [context.view_layer.layer_collection], []
    while entries:
        entry = entries.pop()
        entries += entry.children
        shown += [entry.collection] if entry.is_visible else []
    for item in (chosen, original, *_own_meshes(original, context.scene), *meshes_of(chosen, context.scene)):
        if not any(item.name in collection.objects for collection in shown):
            return item.users_collection[0]
    return None


def active_figure(context: bpy.types.Context) -> bpy.types.Object | None:
    """The active armature, or the one of the active mesh, where Figurine made it."""
    armature = active_rig(context)
    return armature if armature is not None and armature.get(f"{PREFIX}job") else None


def _marked(armature: bpy.types.Object) -> bpy.types.Object | None:
    """The armature that it was placed beside, be that deleted or not."""
    found = armature.get(BESIDE_PROPERTY)
    return found if isinstance(found, bpy.types.Object) else None


def _is_animated(armature: bpy.types.Object) -> bool:
    held = armature.animation_data
    return held is not None and (held.action is not None or len(held.nla_tracks) > 0)


def _take_over(original: bpy.types.Object, other: bpy.types.Object) -> list[bpy.types.Object]:
    """As `adopt`, and the objects that nobody needs any more are returned. What can fail does so before anything of
    the original's is changed. Raises ImportFailed where the other has no bones.
    """
    if not other.data.bones:
        raise ImportFailed(phrase("{name} has no bones left to take over.", name=other.name), _BONES_BACK)
    scene = bpy.context.scene
    pose = None if _is_animated(original) else _pose_of(original)
    new, old = meshes_of(other, scene), _own_meshes(original, scene)
    _replace_handles(original, other)
    if pose is not None:
        _take_pose(other, pose)  # bones that cannot take it are told by their own armature
    _swap_data(original, other)
    for item, fresh in zip(old, new, strict=False):
        _swap_data(item, fresh)
        item[GROUPS_PROPERTY] = fresh.get(GROUPS_PROPERTY, "")
    for fresh in new[len(old) :]:
        _rebind(fresh, original)
    _take_facts(original, other)
    bpy.context.view_layer.update()
    if pose is not None:
        _take_pose(original, pose)
    return [*new[: len(old)], *old[len(new) :], other]


def _pose_of(armature: bpy.types.Object) -> Pose:
    """How far each bone is turned from rest, by its name, and how far the hips are moved."""
    rig = read_rig(armature)
    return dict(zip(rig.skeleton.names, rig.turns(), strict=True)), rig.shift()


def _take_pose(armature: bpy.types.Object, pose: Pose) -> None:
    """Bones that the pose does not know go with their parents."""
    turns, shift = pose
    with paused(armature):
        rig = read_rig(armature)
        known = {index: turns[name] for index, name in enumerate(rig.skeleton.names) if name in turns}
        rig.write(fill(rig.skeleton, known, np.tile(np.eye(3), (len(rig.skeleton.names), 1, 1))), shift)


def _width(armature: bpy.types.Object, scene: bpy.types.Scene) -> float:
    """Of its meshes at rest, along the world's X."""
    corners = [item.matrix_world @ place.co for item in meshes_of(armature, scene) for place in item.data.vertices]
    across = [corner.x for corner in corners]
    return max(across) - min(across) if across else 1.0


def _own_meshes(armature: bpy.types.Object, scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Those that came with it; what the artist bound to it besides stays."""
    bound = meshes_of(armature, scene)
    return [item for item in bound if GROUPS_PROPERTY in item] or bound[:1]


def _swap_data(item: bpy.types.Object, fresh: bpy.types.Object) -> None:
    """Each has what the other had, and the first keeps the name of its own."""
    name = item.data.name
    item.data, fresh.data = fresh.data, item.data
    fresh.data.name = f"{name}.before"
    item.data.name = name


def _replace_handles(original: bpy.types.Object, other: bpy.types.Object) -> None:
    """The other's bones get the original's handles of posing and lose their own, so that what follows the original's
    goes on to.
    """
    lost, handles = ([bone for bone in item.data.bones if role_of(bone) == HANDLE_ROLE] for item in (other, original))
    if not lost and not handles:
        return
    names = [bone.name for bone in lost]
    for posed in other.pose.bones:
        for constraint in [entry for entry in posed.constraints if entry.name in (REACH, TURN)]:
            posed.constraints.remove(constraint)
    is_hidden, other.hide_viewport = other.hide_viewport, False  # what is hidden there cannot be edited
    bpy.context.view_layer.objects.active = other
    bpy.ops.object.mode_set(mode="EDIT")
    edited = other.data.edit_bones
    for name in names:
        edited.remove(edited[name])
    for bone in handles:
        entry = edited.new(bone.name)
        entry.head, entry.tail, entry.use_deform = bone.head_local, bone.tail_local, False
        entry.align_roll(bone.matrix_local.to_3x3().col[2])
    bpy.ops.object.mode_set(mode="OBJECT")
    other.hide_viewport = is_hidden
    groups = other.data.collections
    group = groups.get(COLLECTION) or groups.new(COLLECTION)
    for bone in handles:
        entry = other.data.bones[bone.name]
        entry[ROLE_PROPERTY] = HANDLE_ROLE
        entry.color.palette, entry.hide = bone.color.palette, bone.hide
        for held in list(entry.collections):
            held.unassign(entry)
        group.assign(entry)


def _rebind(item: bpy.types.Object, armature: bpy.types.Object) -> None:
    item.parent = armature
    for modifier in item.modifiers:
        if modifier.type == "ARMATURE":
            modifier.object = armature
    home = armature.users_collection[0]
    for collection in list(item.users_collection):
        collection.objects.unlink(item)
    home.objects.link(item)


def _take_facts(original: bpy.types.Object, other: bpy.types.Object) -> None:
    for key in [key for key in original.keys() if key.startswith(PREFIX)]:
        del original[key]
    for key in [key for key in other.keys() if key.startswith(PREFIX) and key != BESIDE_PROPERTY]:
        original[key] = other[key]


def _take_visibility(stays: bpy.types.Object, goes: bpy.types.Object) -> None:
    """The eye, the viewport's screen and the render's camera of the outliner."""
    stays.hide_viewport, stays.hide_render = goes.hide_viewport, goes.hide_render
    stays.hide_set(goes.hide_get())


def _remove(items: Sequence[bpy.types.Object]) -> None:
    """These objects, and the collections that are empty without them."""
    each = tuple(dict.fromkeys(items))
    homes = [home for item in each for home in item.users_collection if not home.is_embedded_data]
    above = [entry for entry in bpy.data.collections if any(home.name in entry.children for home in homes)]
    for item in each:
        _discard(item)
    for collection in dict.fromkeys((*homes, *above)):
        if not collection.objects and not collection.children:
            bpy.data.collections.remove(collection)


def _discard(item: bpy.types.Object) -> None:
    """The object, and what nothing else uses of it."""
    data, materials = item.data, list(item.data.materials) if item.type == "MESH" else []
    bpy.data.objects.remove(item)
    if data.users == 0:
        (bpy.data.meshes if isinstance(data, bpy.types.Mesh) else bpy.data.armatures).remove(data)
    for material in filter(None, materials):
        if material.users == 0:
            nodes = material.node_tree.nodes if material.node_tree else ()
            images = [node.image for node in nodes if node.type == "TEX_IMAGE" and node.image]
            bpy.data.materials.remove(material)
            bpy.data.batch_remove([image for image in dict.fromkeys(images) if image.users == 0])
