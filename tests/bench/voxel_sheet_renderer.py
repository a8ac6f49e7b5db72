# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelizes finished figures, poses and renders them. Run as a process of its own: it imports bpy.

    python tests/bench/voxel_sheet_renderer.py REQUEST.json

REQUEST.json: {"side_px": int, "figures": [folder]}. A folder holds figure.fbx and rig.json; the picture, its columns
side by side, becomes its voxels.png. Run in the root of the checkout.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

sys.path[:0] = [str(Path.cwd()), str(Path(__file__).parent)]
from sheet_renderer import prepare_scene, turn_in_world  # noqa: E402

from blender_addon.operators import bake_voxels, voxelize  # noqa: E402

SAMPLES = 6  # and the denoiser
BOUNCES = 2
SUN_W_m2, SKY = 2.3, 0.72  # cubes are told apart by the light on their sides
TURN_deg, RAISE_deg = 17.0, 9.0
MARGIN = 1.06  # the view's side over the figure's longest
SHADOW = 4.0  # sides of a view that a figure's shadow may be long
# World-space turns (axis, degrees) by role: a wave and a step.
HUMANOID = {
    "leftUpperArm": ("Y", -55.0),
    "leftLowerArm": ("Y", -60.0),
    "rightUpperArm": ("X", 25.0),
    "rightLowerArm": ("X", -40.0),
    "rightUpperLeg": ("X", -38.0),
    "rightLowerLeg": ("X", 45.0),
    "leftUpperLeg": ("X", 16.0),
    "leftLowerLeg": ("X", 12.0),
    "head": ("Z", 8.0),
}
QUADRUPED = {
    "frontLeftUpperLeg": ("X", -40.0),
    "frontLeftLowerLeg": ("X", 60.0),
    "backRightUpperLeg": ("X", 22.0),
    "head": ("Y", 14.0),
    "tail1": ("Y", 16.0),
    "tail2": ("Y", 16.0),
    "tail3": ("Y", 12.0),
}
STYLES = {
    "blocky": {"size": 32, "rig": "BLOCKY"},
    "smooth": {"size": 64, "rig": "SMOOTH"},
    "few": {"size": 32, "rig": "BLOCKY", "colours": 8},
    "ours": {"size": 32, "rig": "BLOCKY", "palette": "FIGURINE_16"},
    "wide": {"size": 48, "rig": "BLOCKY", "palette": "FIGURINE_32"},
}
BAKED_SIZE = 48


def render(folder: Path, side_px: int) -> None:
    """One figure: as it is, and as voxels of every style, side by side."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(folder / "figure.fbx"), ignore_leaf_bones=True)
    armature = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    figure = next(item for item in bpy.data.objects if item.type == "MESH")
    light(side_px)
    shown = [still(figure)]
    made = []
    for options in STYLES.values():
        show_only(figure)
        bpy.ops.figurine.voxelize(**options)
        made.append(bpy.context.object)
    pose(armature, json.loads((folder / "rig.json").read_text(encoding="utf-8"))["bones"])
    show_only(figure)
    bpy.ops.figurine.bake_voxels(size=BAKED_SIZE, start=1, end=1)
    made.append(bpy.context.object.children[0])
    for item in made:
        show_only(item)
        shown.append(still(item))
    for item in list(bpy.data.objects):
        if item.type == "MESH" and item not in shown:
            bpy.data.objects.remove(item)
    shoot(shown, side_px, folder / "voxels.png")


def still(item: bpy.types.Object) -> bpy.types.Object:
    """A copy that stays as the object is now."""
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = item.evaluated_get(depsgraph)
    data = bpy.data.meshes.new_from_object(evaluated, preserve_all_data_layers=True, depsgraph=depsgraph)
    data.transform(evaluated.matrix_world)
    copy = bpy.data.objects.new(f"{item.name} still", data)
    bpy.context.scene.collection.objects.link(copy)
    return copy


def show_only(wanted: bpy.types.Object) -> None:
    """Make it active, and the only mesh that can be seen."""
    for item in bpy.data.objects:
        if item.type == "MESH":
            item.hide_set(item != wanted)
    bpy.ops.object.select_all(action="DESELECT")
    wanted.select_set(True)
    bpy.context.view_layer.objects.active = wanted


def light(side_px: int) -> None:
    """A strong sun from the upper left, and enough sky that no side is black."""
    prepare_scene(side_px)
    scene = bpy.context.scene
    scene.cycles.samples, scene.cycles.max_bounces = SAMPLES, BOUNCES
    scene.cycles.use_denoising = True
    scene.world.node_tree.nodes["Background"].inputs[1].default_value = SKY
    sun = bpy.data.objects["sun"]
    sun.data.energy = SUN_W_m2
    sun.data.angle = math.radians(8)
    sun.rotation_euler = (math.radians(48), 0.0, math.radians(-38))


def pose(armature: bpy.types.Object, bones: list[dict[str, object]]) -> None:
    """By the roles of the bones; what has none stands still."""
    turns = HUMANOID | QUADRUPED
    for bone in bones:
        if bone["role"] in turns:
            turn_in_world(armature.pose.bones[str(bone["name"])], *turns[str(bone["role"])])
    bpy.context.view_layer.update()


def shoot(items: list[bpy.types.Object], side_px: int, path: Path) -> None:
    """All side by side, each fitted to a square, a little from the side and from above."""
    around = Matrix.Rotation(math.radians(TURN_deg), 3, "Z") @ Matrix.Rotation(math.radians(90 - RAISE_deg), 3, "X")
    for place, item in enumerate(items):
        points = [around.transposed() @ vertex.co for vertex in item.data.vertices]
        low = Vector(min(point[axis] for point in points) for axis in range(3))
        high = Vector(max(point[axis] for point in points) for axis in range(3))
        scale = 1 / (MARGIN * max((high - low)[:2]))
        # One behind the other, too: the picture is the same, and none stands in another's shadow.
        spot = around @ Vector((place - (len(items) - 1) / 2, 0, -SHADOW * place))
        item.matrix_world = Matrix.Translation(spot - scale * (around @ ((low + high) / 2))) @ Matrix.Scale(scale, 4)
    scene = bpy.context.scene
    camera = scene.camera
    camera.data.ortho_scale, camera.data.clip_end = len(items), 2 * SHADOW * (len(items) + 1)
    camera.matrix_world = Matrix.Translation(around @ Vector((0, 0, SHADOW))) @ around.to_4x4()
    scene.render.resolution_x, scene.render.resolution_y = len(items) * side_px, side_px
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    for kind in (*voxelize.CLASSES, *bake_voxels.CLASSES):
        bpy.utils.register_class(kind)
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name in request["figures"]:
        render(Path(name), request["side_px"])
