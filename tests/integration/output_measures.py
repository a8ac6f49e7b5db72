# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cases of Output share: exporting, importing again, and looking at what came."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from io_scene_fbx import parse_fbx
from mathutils import Vector
from mathutils.kdtree import KDTree

from blender_addon.operators import export_figure, export_print, mark_asset
from blender_addon.output.targets import TARGETS
from tests.integration.addon_scene import Bench
from tests.integration.pose_measures import register_pose_operators

AUTHOR = "The Author"
WALK_FRAMES = 9
EVERY = 7  # point is compared: a thousand of them


@dataclass
class Seen:
    """A figure in the world: heads (3,) and turns (3, 3) by bone, parents by bone, points (V, 3) of its mesh. lift:
    how far it was lifted onto the floor.
    """

    heads: dict[str, np.ndarray]
    turns: dict[str, np.ndarray]
    parents: dict[str, str]
    points: np.ndarray
    lift: float = 0.0


def register_output_operators() -> None:
    """Where the add-on as a whole is not switched on."""
    register_pose_operators()
    for kind in (*export_figure.CLASSES, *export_print.CLASSES, *mark_asset.CLASSES):
        if not getattr(kind, "is_registered", False):
            bpy.utils.register_class(kind)


def export(bench: Bench, target: str, name: str = "figure", **settings: Any) -> Path:
    """The file."""
    path = (bench.scratch / name).with_suffix(TARGETS[target].suffix)
    done = bpy.ops.figurine.export_figure(filepath=str(path), target=target, **{"author": AUTHOR} | settings)
    assert done == {"FINISHED"}
    return path


def refused(bench: Bench, target: str, folder: Path | None = None, blocked: bool = False, **settings: Any) -> str:
    """What is said. blocked: what would be written is in the way."""
    path = ((folder or bench.scratch) / "figure").with_suffix(TARGETS[target].suffix)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    if blocked:
        part.mkdir()
    try:
        bpy.ops.figurine.export_figure(filepath=str(path), target=target, **{"author": AUTHOR} | settings)
    except RuntimeError as error:
        return str(error).strip().removeprefix("Error: ")
    finally:
        if blocked:
            part.rmdir()
    raise AssertionError(f"{target} was not refused.")


def imported(path: Path) -> bpy.types.Object:
    """The armature of a new file that holds only this."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.suffix == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(path))
    else:
        bpy.ops.import_scene.gltf(filepath=str(path))
    return next(item for item in bpy.data.objects if item.type == "ARMATURE")


def see(rig: bpy.types.Object, *, at_rest: bool = False) -> Seen:
    """As it is posed, or at rest."""
    kept = rig.data.pose_position
    rig.data.pose_position = "REST" if at_rest else "POSE"
    bpy.context.view_layer.update()
    figure = next(item for item in bpy.data.objects if item.type == "MESH" and item.find_armature() == rig)
    seen = figure.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(seen.data.vertices), np.float32)
    seen.data.vertices.foreach_get("co", points)
    place = np.array(figure.matrix_world)
    frames = {posed.name: rig.matrix_world @ posed.matrix for posed in rig.pose.bones}
    found = Seen(
        {name: np.array(frame.translation) for name, frame in frames.items()},
        {name: np.array(frame.to_quaternion().to_matrix()) for name, frame in frames.items()},
        {bone.name: bone.parent.name if bone.parent else "" for bone in rig.data.bones},
        points.reshape(-1, 3) @ place[:3, :3].T + place[:3, 3],
    )
    rig.data.pose_position = kept
    bpy.context.view_layer.update()
    return found


def see_t_pose(rig: bpy.types.Object) -> Seen:
    """As posing makes it, on the floor; afterwards the rig is as it was."""
    kept = {posed.name: posed.matrix_basis.copy() for posed in rig.pose.bones}
    bpy.ops.figurine.reset_pose()
    bpy.ops.figurine.apply_pose(pose="t_pose")
    bpy.ops.figurine.hand_pose(pose="flat", side="both")
    found = see(rig)
    found.lift = -float(found.points[:, 2].min())
    found.points[:, 2] += found.lift
    found.heads = {name: head + np.array([0, 0, found.lift]) for name, head in found.heads.items()}
    for posed in rig.pose.bones:
        posed.matrix_basis = kept[posed.name]
    bpy.context.view_layer.update()
    return found


def heads_of(rig: bpy.types.Object) -> dict[str, np.ndarray]:
    """Where the bones begin in the world, as they are posed."""
    bpy.context.view_layer.update()
    return {posed.name: np.array(rig.matrix_world @ posed.head) for posed in rig.pose.bones}


def picture_of(rig: bpy.types.Object) -> tuple[tuple[int, ...], float]:
    """Size and mean of the one texture of the first mesh."""
    figure = next(item for item in bpy.data.objects if item.type == "MESH" and item.find_armature() == rig)
    trees = [slot.material.node_tree for slot in figure.material_slots if slot.material]
    (image,) = (node.image for tree in trees for node in tree.nodes if node.type == "TEX_IMAGE")
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return tuple(image.size), round(float(pixels.mean()), 4)


def apart_m(here: np.ndarray, there: np.ndarray) -> float:  # (V, 3), (W, 3)
    """How far a point of either is at most from the nearest of the other; every few of them are looked at."""
    worst = 0.0
    for points, others in ((here, there), (there, here)):
        tree = KDTree(len(others))
        for place, point in enumerate(others):
            tree.insert(point, place)
        tree.balance()
        worst = max(worst, *(tree.find(point)[2] for point in points[::EVERY]))
    return worst


def clips_of(rig: bpy.types.Object) -> list[str]:
    """Names of the animations that came with it, without what importers put around them."""
    return sorted({clip_name(action, rig) for action in bpy.data.actions})


def clip_name(action: bpy.types.Action, rig: bpy.types.Object) -> str:
    """FBX: rig|clip or rig|clip|layer; glTF before Blender 4.4: clip_rig."""
    parts = [part for part in action.name.split("|") if part != rig.name]
    return parts[0].removesuffix(f"_{rig.name}")


def key_walk(rig: bpy.types.Object) -> dict[str, list[dict[str, np.ndarray]]]:
    """A track Swing of the NLA in which a hand follows its handle, and an action Nod; the heads by clip and frame.

    Afterwards both are there, and the hand still follows its handle.
    """
    bpy.context.view_layer.objects.active = rig
    bpy.ops.figurine.switch_ik(limb="left_hand")
    handle, leg, head = (rig.pose.bones[name] for name in ("hand_ik.L", "upper_leg.L", "head"))
    start = handle.location.copy()
    for frame, share in ((1, 0.0), (5, 0.08), (WALK_FRAMES, 0.0)):
        handle.location = start + Vector((0.0, share, share))
        leg.rotation_mode = "XYZ"
        leg.rotation_euler.x = 4 * share
        handle.keyframe_insert("location", frame=frame)
        leg.keyframe_insert("rotation_euler", frame=frame)
    swing = rig.animation_data.action
    swing.name = "Swing"
    own = [bone.name for bone in rig.data.bones if bone.get("figurine_role") != "handle"]
    frames = {"Swing": _watch(rig, own)}
    track = rig.animation_data.nla_tracks.new()
    track.name = "Swing"
    track.strips.new("Swing", 1, swing)
    track.mute = True
    rig.animation_data.action = None
    bpy.ops.figurine.reset_pose()
    head.rotation_mode = "XYZ"
    for frame, angle_rad in ((1, 0.0), (5, 0.4), (WALK_FRAMES, 0.0)):
        head.rotation_euler.x = angle_rad
        head.keyframe_insert("rotation_euler", frame=frame)
    rig.animation_data.action.name = "Nod"
    frames["Nod"] = _watch(rig, own)
    return frames


def _watch(rig: bpy.types.Object, bones: list[str]) -> list[dict[str, np.ndarray]]:
    found = []
    for frame in range(1, WALK_FRAMES + 1):
        bpy.context.scene.frame_set(frame)
        heads = heads_of(rig)
        found.append({name: heads[name] for name in bones})
    return found


def bind_hat(rig: bpy.types.Object, bone: str) -> bpy.types.Object:
    """A cube that hangs on a bone."""
    bpy.ops.mesh.primitive_cube_add(size=0.2)
    hat = bpy.context.object
    hat.name = "hat"
    hat.parent, hat.parent_type, hat.parent_bone = rig, "BONE", bone
    bpy.context.view_layer.objects.active = rig
    bpy.context.view_layer.update()
    return hat


def glb_document(path: Path) -> dict[str, Any]:
    """The JSON of a binary glTF."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    return json.loads(content[20 : 20 + length])


def fbx_models(path: Path) -> tuple[float, dict[str, tuple[str, dict[str, Any]]]]:
    """The unit in centimetres; by name each model's kind and its own properties."""
    root, _ = parse_fbx.parse(str(path))

    def parts(element: Any, name: bytes) -> list[Any]:
        return [part for part in element.elems if part and part.id == name]

    def properties(element: Any) -> dict[str, Any]:
        (table,) = parts(element, b"Properties70")
        return {row.props[0].decode(): row.props[4:] for row in table.elems}

    (settings,), (objects,) = parts(root, b"GlobalSettings"), parts(root, b"Objects")
    models = {
        model.props[1].split(b"\x00")[0].decode(): (model.props[2].decode(), properties(model))
        for model in parts(objects, b"Model")
    }
    return properties(settings)["UnitScaleFactor"][0], models
