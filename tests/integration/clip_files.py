# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with animation, made by the tests: a BVH of a body in a T, and an FBX with Mixamo's names."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from blender_addon.animation.player import SPEED_PROPERTY, playing
from blender_addon.pose.rig import key_pose, read_rig
from blender_addon.skeleton_map import MIXAMO_NAMES
from tests.integration.clip_measures import cycle_of

# Name, parent, offset in cm, Y up, facing +Z: the body's left is +X.
JOINTS = (
    ("Hips", "", (0, 96, 0)),
    ("Spine", "Hips", (0, 12, 0)),
    ("Spine1", "Spine", (0, 14, 0)),
    ("Neck", "Spine1", (0, 22, 0)),
    ("Head", "Neck", (0, 9, 0)),
    ("LeftShoulder", "Spine1", (4, 18, 0)),
    ("LeftArm", "LeftShoulder", (14, 0, 0)),
    ("LeftForeArm", "LeftArm", (28, 0, 0)),
    ("LeftHand", "LeftForeArm", (25, 0, 0)),
    ("RightShoulder", "Spine1", (-4, 18, 0)),
    ("RightArm", "RightShoulder", (-14, 0, 0)),
    ("RightForeArm", "RightArm", (-28, 0, 0)),
    ("RightHand", "RightForeArm", (-25, 0, 0)),
    ("LeftUpLeg", "Hips", (9, -4, 0)),
    ("LeftLeg", "LeftUpLeg", (0, -44, 0)),
    ("LeftFoot", "LeftLeg", (0, -40, 0)),
    ("RightUpLeg", "Hips", (-9, -4, 0)),
    ("RightLeg", "RightUpLeg", (0, -44, 0)),
    ("RightFoot", "RightLeg", (0, -40, 0)),
)
TIPS = {"Head": (0, 20, 0), "LeftHand": (10, 0, 0), "RightHand": (-10, 0, 0)}
FOOT_TIP = (0, -6, 14)
FPS = 30
FRAMES = 31
# Joint → angles in degrees about X, Y and Z that it swings by, over the clip. Applied as Z, X, Y.
SWINGS = {
    "Hips": (4, 10, 3),
    "Spine": (6, -8, 2),
    "LeftArm": (12, 30, -50),
    "RightArm": (-20, 15, 40),
    "LeftForeArm": (0, -60, 10),
    "RightForeArm": (5, 70, 0),
    "LeftUpLeg": (-30, 4, 5),
    "LeftLeg": (45, 0, 0),
    "RightUpLeg": (20, -3, -4),
    "RightLeg": (25, 0, 0),
    "Head": (-12, 25, 0),
    "LeftFoot": (-18, 0, 0),
    "RightFoot": (-45, 0, 0),
}


def angles_at(frame: int) -> dict[str, np.ndarray]:
    """Degrees about X, Y, Z by joint."""
    share = np.sin(np.pi * frame / (FRAMES - 1))
    return {name: share * np.array(most, float) for name, most in SWINGS.items()}


def place_at(frame: int) -> np.ndarray:
    """Of the hips, cm: forward, and a little down."""
    share = frame / (FRAMES - 1)
    return np.array([3.0, 96.0 - 5.0 * np.sin(np.pi * share), 60.0 * share])


def write_bvh(path: Path, rename: dict[str, str] | None = None, cut: int = 0) -> Path:
    """rename: other names for joints. cut: so many characters are missing at the end."""
    lines = ["HIERARCHY"]

    def add(name: str, depth: int) -> None:
        kind = "JOINT" if depth else "ROOT"
        tab = "\t" * depth
        offset = next(offset for joint, _, offset in JOINTS if joint == name)
        lines.append(f"{tab}{kind} {(rename or {}).get(name, name)}")
        lines.append(tab + "{")
        lines.append(f"{tab}\tOFFSET {' '.join(f'{number:.4f}' for number in offset)}")
        position = "Xposition Yposition Zposition " if not depth else ""
        lines.append(f"{tab}\tCHANNELS {6 if not depth else 3} {position}Zrotation Xrotation Yrotation")
        below = [joint for joint, parent, _ in JOINTS if parent == name]
        for joint in below:
            add(joint, depth + 1)
        if not below:
            tip = TIPS.get(name, FOOT_TIP)
            lines.append(f"{tab}\tEnd Site\n{tab}\t{{\n{tab}\t\tOFFSET {' '.join(map(str, tip))}\n{tab}\t}}")
        lines.append(tab + "}")

    add("Hips", 0)
    lines += ["MOTION", f"Frames: {FRAMES}", f"Frame Time: {1 / FPS:.7f}"]
    for frame in range(FRAMES):
        angles = angles_at(frame)
        row = [*place_at(frame)]
        for name in _in_order("Hips"):
            x, y, z = angles.get(name, np.zeros(3))
            row += [z, x, y]
        lines.append(" ".join(f"{number:.6f}" for number in row))
    text = "\n".join(lines) + "\n"
    path.write_text(text[: len(text) - cut], encoding="utf-8")
    return path


def _in_order(name: str) -> list[str]:
    below = [joint for joint, parent, _ in JOINTS if parent == name]
    return [name, *(other for joint in below for other in _in_order(joint))]


def directions_at(frame: int) -> dict[str, np.ndarray]:
    """Where each joint with one below it points, in Blender's axes; by mathutils, not by what is tested."""
    angles, turns, found = angles_at(frame), {}, {}
    for name, parent, offset in JOINTS:
        x, y, z = np.radians(angles.get(name, np.zeros(3)))
        own = Matrix.Rotation(z, 3, "Z") @ Matrix.Rotation(x, 3, "X") @ Matrix.Rotation(y, 3, "Y")
        turns[name] = turns[parent] @ own if parent else own
        if parent:
            along = turns[parent] @ Vector(offset)
            found[parent] = np.array((along.x, -along.z, along.y)) / along.length
    return found


def write_fbx(rig: bpy.types.Object, path: Path) -> Path:
    """What a rig does in its cycle as a stranger's file has it: Mixamo's names, at rest in a T, bones rolled at random,
    in centimetres.
    """
    posable = read_rig(rig)
    bpy.context.scene.frame_set(cycle_of(rig)[0])
    played = []
    for frame in cycle_of(rig):
        bpy.context.scene.frame_set(frame)
        played.append((posable.turns(), posable.shift()))
    strips = [strip for track in rig.animation_data.nla_tracks for strip in track.strips]
    for strip in strips:
        strip.mute = True
    bpy.ops.figurine.apply_pose(pose="t_pose")
    start, at_rest = posable.turns(), posable.shift()
    other = _stranger(rig)
    bpy.ops.figurine.reset_pose()
    for strip in strips:
        strip.mute = False
    theirs = read_rig(other)
    order = [rig.pose.bones.find(_own_name(rig, name)) for name in theirs.skeleton.names]
    names = list(posable.skeleton.names)
    order = [names.index(rig.pose.bones[index].name) for index in order]
    for frame, (turns, shift) in enumerate(played, start=1):
        theirs.write((turns @ np.swapaxes(start, 1, 2))[order], 100.0 * (shift - at_rest))
        for bone in other.pose.bones:
            key_pose(bone, frame)
    _export(other, path, len(played))
    return path


def write_walked_bvh(rig: bpy.types.Object, path: Path, cycles: int = 2) -> Path:
    """What a rig does in its cycle, some times, by Blender's own exporter: it goes its way, and the floor rests. The
    rig loses its clip.
    """
    posable, played = read_rig(rig), []
    step = posable.to_character[1] * playing(rig)[SPEED_PROPERTY] / bpy.context.scene.render.fps
    for frame in cycle_of(rig):
        bpy.context.scene.frame_set(frame)
        played.append((posable.turns(), posable.shift()))
    bpy.ops.figurine.clear_clip()
    frames = cycles * (len(played) - 1) + 1
    for frame in range(frames):
        turns, shift = played[frame % (len(played) - 1)]
        posable.write(turns, shift - posable.to_character @ step * frame)
        for name in posable.skeleton.names:
            key_pose(rig.pose.bones[name], frame + 1)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.export_anim.bvh(filepath=str(path), frame_start=1, frame_end=frames, root_transform_only=True)
    bpy.data.actions.remove(rig.animation_data.action)
    rig.animation_data_clear()
    bpy.ops.figurine.reset_pose()
    return path


def _own_name(rig: bpy.types.Object, mixamo: str) -> str:
    role = next(role for role, name in MIXAMO_NAMES.items() if name == mixamo)
    return next(bone.name for bone in rig.data.bones if bone["figurine_role"] == role)


def _stranger(rig: bpy.types.Object) -> bpy.types.Object:
    """An armature of the rig's bones as they are posed now."""
    rng = np.random.default_rng(11)
    other = bpy.data.objects.new("stranger", bpy.data.armatures.new("stranger"))
    bpy.context.scene.collection.objects.link(other)
    bpy.context.view_layer.objects.active = other
    bpy.ops.object.mode_set(mode="EDIT")
    for posed in rig.pose.bones:
        name = MIXAMO_NAMES.get(posed.bone["figurine_role"])
        if name is None:
            continue
        bone = other.data.edit_bones.new(name)
        bone.head, bone.tail, bone.roll = 100 * posed.head, 100 * posed.tail, rng.uniform(-3, 3)
        if posed.parent is not None:
            bone.parent = other.data.edit_bones[MIXAMO_NAMES[posed.parent.bone["figurine_role"]]]
    bpy.ops.object.mode_set(mode="OBJECT")
    _give_skin(other)
    other.scale = (0.01, 0.01, 0.01)
    bpy.context.view_layer.update()
    return other


def _give_skin(other: bpy.types.Object) -> None:
    """A vertex for each bone: a file keeps the rest pose of bones that carry something."""
    mesh = bpy.data.meshes.new("stranger_skin")
    mesh.from_pydata([tuple(bone.head_local) for bone in other.data.bones], [], [(0, 1, 2)])
    skin = bpy.data.objects.new("stranger_skin", mesh)
    bpy.context.scene.collection.objects.link(skin)
    for index, bone in enumerate(other.data.bones):
        skin.vertex_groups.new(name=bone.name).add([index], 1.0, "REPLACE")
    skin.modifiers.new("Armature", "ARMATURE").object = other
    skin.parent = other


def _export(other: bpy.types.Object, path: Path, frames: int) -> None:
    bpy.ops.object.select_all(action="DESELECT")
    other.select_set(True)
    other.children[0].select_set(True)
    scene = bpy.context.scene
    end, scene.frame_end = scene.frame_end, frames
    action = other.animation_data.action
    bpy.ops.export_scene.fbx(
        filepath=str(path),
        use_selection=True,
        object_types={"ARMATURE", "MESH"},
        add_leaf_bones=False,
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_simplify_factor=0.0,
    )
    scene.frame_end = end
    skin = other.children[0]
    bpy.data.batch_remove([other, other.data, skin, skin.data, action])
