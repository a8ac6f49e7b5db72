# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes posable mesh files in Blender. Run as a process of its own: it imports bpy.

python tests/integration/make_posable.py FOLDER
    posable.fbx, posable.glb    a body with a texture and bones, a hat with vertex colours that hangs on a bone, a
                                stone that nothing moves; the rig turned, scaled and moved
    body.glb                    the body alone, and its voxels by the add-on's operator: body.vox
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy
import numpy as np

from blender_addon.operators.vox_files import FIGURINE_OT_export_vox
from tests.integration.image_material import show_image

SIZE = 24  # of body.vox
BONES = {"hips": (0.0, 1.0), "chest": (1.0, 2.0), "head": (2.0, 3.0)}  # where each begins and ends


def main(folder: Path) -> None:
    """Write the files."""
    bpy.utils.register_class(FIGURINE_OT_export_vox)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rig, body = make_rig(), make_body()
    bind(body, rig)
    export(folder / "body.glb", [rig, body])
    hat = make_block("hat", (0.6, 0.6, 0.4), (0, 0, 3.1))
    paint(hat, (1.0, 1.0, 0.0, 1.0))
    matrix = hat.matrix_world.copy()
    hat.parent, hat.parent_type, hat.parent_bone = rig, "BONE", "head"
    bpy.context.view_layer.update()
    hat.matrix_world = matrix
    make_block("stone", (0.8, 0.8, 0.2), (0.7, 0, 0.1))
    world = bpy.data.objects.new("world", None)
    bpy.context.collection.objects.link(world)
    rig.parent = world
    world.location, world.scale, world.rotation_euler = (1, 2, 0), (0.5, 0.5, 0.5), (0, 0, np.pi / 2)
    bpy.context.view_layer.update()
    export(folder / "posable.glb", list(bpy.data.objects))
    bpy.ops.export_scene.fbx(filepath=str(folder / "posable.fbx"), path_mode="COPY", embed_textures=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(folder / "body.glb"))
    bpy.context.view_layer.objects.active = bpy.data.objects["body"]
    assert bpy.ops.figurine.export_vox(filepath=str(folder / "body.vox"), size=SIZE) == {"FINISHED"}


def make_rig() -> bpy.types.Object:
    rig = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    bpy.context.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    above = None
    for name, (low, high) in BONES.items():
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail, bone.parent = (0, 0, low), (0, 0, high), above
        above = bone
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def make_body() -> bpy.types.Object:
    """Three high, red below and green above the middle of its texture."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=24, ring_count=24, radius=1.5, location=(0, 0, 1.5))
    body = bpy.context.object
    body.name = "body"
    body.scale = (0.4, 0.3, 1.0)
    bpy.ops.object.transform_apply()
    image = bpy.data.images.new("paint", 8, 8)
    pixels = np.ones((8, 8, 4), np.float32)
    pixels[:4, :, :3], pixels[4:, :, :3] = (0.8, 0, 0), (0, 0.6, 0)
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    show_image(body.data, image)
    return body


def bind(body: bpy.types.Object, rig: bpy.types.Object) -> None:
    for name, (low, high) in BONES.items():
        own = [vertex.index for vertex in body.data.vertices if low <= min(max(vertex.co.z, 0), 2.999) < high]
        body.vertex_groups.new(name=name).add(own, 1, "REPLACE")
    body.modifiers.new("Armature", "ARMATURE").object = rig
    body.parent = rig


def make_block(name: str, size: tuple[float, ...], place: tuple[float, ...]) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(size=1, location=place)
    block = bpy.context.object
    block.name, block.scale = name, size
    bpy.context.view_layer.update()
    return block


def paint(item: bpy.types.Object, colour: tuple[float, ...]) -> None:
    layer = item.data.color_attributes.new("Color", "BYTE_COLOR", "CORNER")
    layer.data.foreach_set("color", np.tile(np.array(colour, np.float32), len(layer.data)))
    item.data.color_attributes.active_color = layer


def export(path: Path, items: list[bpy.types.Object]) -> None:
    bpy.ops.object.select_all(action="DESELECT")
    for item in items:
        item.select_set(True)
    bpy.ops.export_scene.gltf(filepath=str(path), use_selection=True, export_vertex_color="ACTIVE")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # without Blender's own clean-up, which has crashed after finished work
