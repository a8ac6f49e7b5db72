# SPDX-License-Identifier: GPL-3.0-or-later
"""The animation of an FBX file, read with Blender's own importer; nothing of the file stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np

from ..bundled import FBX, enabled_addon
from ..errors import ClipUnusable
from ..figure.rollback import borrowed, make_active_collection
from ..phrases import phrase
from ..pose.rig import role_of
from .fitting import frames_per_second
from .source import WorldClip, role_of_joint


def read_fbx(path: Path) -> WorldClip:
    """The animated skeleton with most names that are known. Raises ClipUnusable."""
    with borrowed(), _kept_time(bpy.context.scene):
        loaded = _import(path)
        rigs = [entry for entry in loaded if entry.type == "ARMATURE"]
        if not rigs:
            raise ClipUnusable(
                phrase("{name} holds no armature.", name=path.name), "Choose a file with a skeleton and its animation."
            )
        moving = [rig for rig in rigs if _action(rig) is not None]
        if not moving:
            raise ClipUnusable(
                phrase("{name} holds no animation.", name=path.name), "Choose a file with a skeleton and its animation."
            )
        return _read(max(moving, key=lambda rig: sum(bool(_role(bone)) for bone in rig.data.bones)), loaded)


def _import(path: Path) -> list[bpy.types.Object]:
    """What the file holds, in a collection that is seen: the importer fails in the artist's where that is hidden."""
    if not path.is_file():
        raise ClipUnusable(phrase("{name} is not there.", name=path.name), "Choose another file.")
    collection = bpy.data.collections.new("Figurine")
    bpy.context.scene.collection.children.link(collection)
    make_active_collection(collection)
    before = {entry.as_pointer() for entry in bpy.data.objects}
    try:
        with enabled_addon(FBX):  # this importer is in every version, and keeps a clip's time
            finished = bpy.ops.import_scene.fbx(filepath=str(path), use_anim=True, ignore_leaf_bones=False)
    except RuntimeError as error:
        raise ClipUnusable(
            phrase("Blender cannot read {name}: the file is damaged or is no FBX file that it knows.", name=path.name),
            "Export it again as a binary FBX file, or use BVH.",
            details=str(error),
        ) from error
    if finished != {"FINISHED"}:
        raise ClipUnusable(
            phrase("Blender did not import {name}.", name=path.name),
            "Export it again as a binary FBX file, or use BVH.",
        )
    return [entry for entry in bpy.data.objects if entry.as_pointer() not in before]


@contextmanager
def _kept_time(scene: bpy.types.Scene) -> Iterator[None]:
    """The importer sets the scene's frame rate and range to the file's."""
    names = ("frame_start", "frame_end", "frame_current")
    before = {name: getattr(scene, name) for name in names}
    rate = scene.render.fps, scene.render.fps_base
    try:
        yield
    finally:
        scene.render.fps, scene.render.fps_base = rate
        for name, value in before.items():
            setattr(scene, name, value)


def _read(rig: bpy.types.Object, loaded: list[bpy.types.Object]) -> WorldClip:
    """Every frame of its action, in the world's axes; played with what came with it on a stage of its own, which has
    nothing else to move.
    """
    stage = bpy.data.scenes.new("Figurine")
    for entry in loaded:
        stage.collection.objects.link(entry)
    bones = list(rig.data.bones)
    names = tuple(bone.name for bone in bones)
    first, last = (round(frame) for frame in _action(rig).frame_range)
    frames = range(first, max(last, first + 1) + 1)
    rotations, heads = np.empty((len(frames), len(bones), 3, 3)), np.empty((len(frames), len(bones), 3))
    rests = np.empty((len(bones), 3, 3))
    for place, frame in enumerate(frames):
        stage.frame_set(frame)
        seen = rig.evaluated_get(stage.view_layers[0].depsgraph)
        world = seen.matrix_world
        if place == 0:
            rest_heads, rest_tails = (
                np.array([world @ getattr(bone, end) for bone in bones]) for end in ("head_local", "tail_local")
            )
            rests[:] = [_turn(world @ bone.matrix_local) for bone in bones]
        for index, name in enumerate(names):
            matrix = world @ seen.pose.bones[name].matrix
            rotations[place, index] = _turn(matrix) @ rests[index].T
            heads[place, index] = matrix.translation
    parents = tuple(names.index(bone.parent.name) if bone.parent else -1 for bone in bones)
    fps = frames_per_second(bpy.context.scene)
    return WorldClip(names, tuple(map(_role, bones)), parents, rest_heads, rest_tails, rotations, heads, fps)


def _turn(matrix: object) -> np.ndarray:  # Matrix → (3, 3)
    return np.array(matrix.to_quaternion().to_matrix())


def _role(bone: bpy.types.Bone) -> str:
    return role_of(bone) or role_of_joint(bone.name)


def _action(rig: bpy.types.Object) -> bpy.types.Action | None:
    return rig.animation_data.action if rig.animation_data is not None else None
