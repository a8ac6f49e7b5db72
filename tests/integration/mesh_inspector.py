# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes and opens mesh files in Blender. Run as a process of its own: it imports bpy.

python tests/integration/mesh_inspector.py make FOLDER            two objects, as scene.fbx, .glb, .obj, .ply, .stl
python tests/integration/mesh_inspector.py inspect ANSWER FILE…   what is in each file, as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

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


def inspect(path: Path) -> dict[str, Any]:
    """Objects with world positions, faces, materials, UV area; armatures; weights."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    operator = {
        ".fbx": lambda: bpy.ops.import_scene.fbx(filepath=str(path), ignore_leaf_bones=True),
        ".glb": lambda: bpy.ops.import_scene.gltf(filepath=str(path)),
        ".obj": lambda: bpy.ops.wm.obj_import(filepath=str(path)),
        ".ply": lambda: bpy.ops.wm.ply_import(filepath=str(path)),
        ".stl": lambda: bpy.ops.wm.stl_import(filepath=str(path)),
    }
    operator[path.suffix]()
    meshes = sorted((item for item in bpy.data.objects if item.type == "MESH"), key=lambda item: item.name)
    armatures = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    return {
        "armatures": len(armatures),
        "bones": sorted(bone.name for item in armatures for bone in item.data.bones),
        "meshes": [describe(item) for item in meshes],
    }


def describe(item: bpy.types.Object) -> dict[str, Any]:
    mesh = item.data
    points = np.array([item.matrix_world @ vertex.co for vertex in mesh.vertices])
    sums = [sum(element.weight for element in vertex.groups) for vertex in mesh.vertices]
    uv = np.array([corner.uv for corner in mesh.uv_layers.active.data]) if mesh.uv_layers.active else np.zeros((0, 2))
    return {
        "name": item.name,
        "points": np.round(points, 6).tolist(),
        "polygons": sorted(len(polygon.vertices) for polygon in mesh.polygons),
        "materials": [slot.material.name for slot in item.material_slots],
        "uv": np.round(uv, 6).tolist(),
        "modifiers": [modifier.type for modifier in item.modifiers],
        "weight_sums": [min(sums, default=0.0), max(sums, default=0.0)],
        "influences": max((len(vertex.groups) for vertex in mesh.vertices), default=0),
    }


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        Path(sys.argv[2]).write_text(json.dumps({name: inspect(Path(name)) for name in sys.argv[3:]}), encoding="utf-8")
