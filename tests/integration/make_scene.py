# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes mesh files in Blender. Run as a process of its own: it imports bpy.

python tests/integration/make_scene.py FOLDER     two objects, as scene.fbx, .glb, .obj, .ply and .stl
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np


def make(folder: Path) -> None:
    """A capsule body under a turned, scaled empty, and a cube hat: quads, two materials, UVs, not at the origin."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_uv_sphere_add(segments=24, ring_count=16, location=(0.5, 2.0, 1.0))
    body = bpy.context.object
    body.name = "body"
    body.scale = (0.4, 0.4, 1.0)
    bpy.ops.mesh.primitive_cube_add(size=0.5, location=(0.5, 2.0, 2.2))
    hat = bpy.context.object
    hat.name = "hat"
    for item, color in ((body, (1, 0, 0, 1)), (hat, (0, 0, 1, 1))):
        material = bpy.data.materials.new(f"{item.name} paint")
        if not material.node_tree:
            material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = color
        item.data.materials.append(material)
    bpy.ops.object.empty_add()
    world = bpy.context.object
    world.name = "world"
    for item in (body, hat):
        item.parent = world
    world.rotation_euler = (0.0, 0.0, np.pi / 2)
    world.scale = (2.0, 2.0, 2.0)
    bpy.context.view_layer.update()
    bpy.ops.export_scene.fbx(filepath=str(folder / "scene.fbx"), object_types={"MESH", "EMPTY"})
    bpy.ops.export_scene.gltf(filepath=str(folder / "scene.glb"), export_format="GLB")
    bpy.ops.wm.obj_export(filepath=str(folder / "scene.obj"))
    bpy.ops.wm.ply_export(filepath=str(folder / "scene.ply"))
    bpy.ops.wm.stl_export(filepath=str(folder / "scene.stl"))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
