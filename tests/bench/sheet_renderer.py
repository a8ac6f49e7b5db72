# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders finished figures from all sides and posed. Run as a process of its own: it imports bpy.

    python tests/bench/sheet_renderer.py REQUEST.json

REQUEST.json: {"side_px": int, "figures": [{"fbx": path, "out": folder}]}. Writes front, three_quarter, side, back
and posed as PNG into each folder, and skeleton.json: each bone's name, head and tail in the front view, in shares of
its side from the upper left.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

SAMPLES = 6
MARGIN = 1.08  # the view's side over the figure's longest
VIEWS_DEG = {"front": 0.0, "three_quarter": 40.0, "side": 90.0, "back": 180.0}
POSED_VIEW_DEG = 20.0
# World-space turns (axis, degrees) that show at a glance whether a humanoid's limbs are bound rightly.
HUMANOID_POSE = {
    "upper_arm.L": ("Y", -55.0),
    "lower_arm.L": ("Y", -35.0),
    "upper_arm.R": ("Y", -35.0),
    "upper_leg.R": ("X", -50.0),
    "lower_leg.R": ("X", 60.0),
    "head": ("Z", 25.0),
}
CHAIN_TURN_DEG = 18.0


def render(figure: dict[str, str], side_px: int) -> None:
    """All views of one figure."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=figure["fbx"], ignore_leaf_bones=True)
    armature = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    mesh = next(item for item in bpy.data.objects if item.type == "MESH")
    prepare_scene(side_px)
    out = Path(figure["out"])
    out.mkdir(parents=True, exist_ok=True)
    for name, degrees in VIEWS_DEG.items():
        shoot(mesh, degrees, out / f"{name}.png")
    (out / "skeleton.json").write_text(json.dumps(front_bones(armature, mesh)), encoding="utf-8")
    pose(armature)
    shoot(mesh, POSED_VIEW_DEG, out / "posed.png")


def prepare_scene(side_px: int) -> None:
    """Flat light from everywhere and a soft key: shapes read, colours stay."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 2
    scene.render.resolution_x = scene.render.resolution_y = side_px
    scene.render.film_transparent = True
    scene.view_settings.view_transform = "Standard"
    world = bpy.data.worlds.new("world")
    if not world.node_tree:
        world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.85, 0.87, 0.9, 1.0)
    scene.world = world
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy = 1.6
    sun.rotation_euler = (math.radians(40), 0.0, math.radians(-30))
    scene.collection.objects.link(sun)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.type = "ORTHO"
    scene.collection.objects.link(camera)
    scene.camera = camera


def extent(mesh: bpy.types.Object) -> tuple[Vector, float]:
    """The middle of the figure as it is posed, and its longest side."""
    evaluated = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = [evaluated.matrix_world @ vertex.co for vertex in evaluated.data.vertices]
    low = Vector(min(point[axis] for point in points) for axis in range(3))
    high = Vector(max(point[axis] for point in points) for axis in range(3))
    return (low + high) / 2, max(high - low)


def front_bones(armature: bpy.types.Object, mesh: bpy.types.Object) -> list[tuple[str, list[float], list[float]]]:
    """Where the bones lie in the front view."""
    middle, reach = extent(mesh)

    def share(point: Vector) -> list[float]:
        away = (armature.matrix_world @ point - middle) / (MARGIN * reach)
        return [0.5 + away.x, 0.5 - away.z]

    return [(bone.name, share(bone.head_local), share(bone.tail_local)) for bone in armature.data.bones]


def shoot(mesh: bpy.types.Object, degrees: float, path: Path) -> None:
    """An orthographic view of the whole figure from this side."""
    middle, reach = extent(mesh)
    camera = bpy.context.scene.camera
    camera.data.ortho_scale = MARGIN * reach
    camera.data.clip_end = 20 * reach
    around = Matrix.Rotation(math.radians(degrees), 4, "Z")
    camera.location = middle + around @ Vector((0.0, -4.0 * reach, 0.0))
    camera.rotation_euler = (math.pi / 2, 0.0, math.radians(degrees))
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def pose(armature: bpy.types.Object) -> None:
    """A humanoid lifts arms and a knee; any other body bends every second bone of its chains."""
    bones = armature.pose.bones
    if "upper_arm.L" in bones and "upper_leg.R" in bones:
        for name, (axis, degrees) in HUMANOID_POSE.items():
            turn_in_world(bones[name], axis, degrees)
    else:
        for place, bone in enumerate(bones):
            if bone.parent and place % 2:
                bone.matrix_basis = Matrix.Rotation(math.radians(CHAIN_TURN_DEG), 4, "X")
    bpy.context.view_layer.update()


def turn_in_world(bone: bpy.types.PoseBone, axis: str, degrees: float) -> None:
    rest = bone.bone.matrix_local.to_3x3()
    turn = rest.inverted() @ Matrix.Rotation(math.radians(degrees), 3, axis) @ rest
    bone.matrix_basis = turn.to_4x4()


if __name__ == "__main__":
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for item in request["figures"]:
        render(item, request["side_px"])
