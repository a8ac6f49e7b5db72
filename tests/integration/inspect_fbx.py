# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender finds in FBX and GLB files: run as a program it prints one JSON line, `inspect` runs it and reads that.

    python tests/integration/inspect_fbx.py FILE...   →   [{"armatures": …, "meshes": …, "images": …}, …]

Every place is in world space, Blender's frame. Leaf bones that Blender's exporter added are ignored.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn


def inspect(*paths: Path) -> list[dict[str, Any]]:
    """Import each file into an empty Blender of its own process and describe what is there.

    armatures: [{name, matrix, properties, bones: [{name, parent, head, tail, properties}]}].
    meshes: [{name, parent, modifiers: [[type, object name]], vertices (V, 3), polygons [[vertex]], normals (one for
    each corner), uv (one for each corner) or None, weights: [{group: weight}] a vertex, materials, properties}].
    images: [{name, size, packed_bytes, deviation (of its pixels)}].
    """
    command = [sys.executable, str(Path(__file__).resolve()), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("[{")]
    assert lines, f"{command} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return json.loads(lines[-1])


def _describe(path: str) -> dict[str, Any]:
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    if not path.endswith(".fbx"):
        bpy.ops.import_scene.gltf(filepath=path)
    elif "fbx_import" in dir(bpy.ops.wm):
        bpy.ops.wm.fbx_import(filepath=path, ignore_leaf_bones=True)
    else:
        bpy.ops.import_scene.fbx(filepath=path, ignore_leaf_bones=True)
    bpy.context.view_layer.update()
    rigs = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    shapes = {bone.custom_shape for rig in rigs for bone in rig.pose.bones}
    return {
        "armatures": [_describe_armature(rig) for rig in rigs],
        "meshes": [_describe_mesh(item) for item in bpy.data.objects if item.type == "MESH" and item not in shapes],
        "images": [_describe_image(image) for image in bpy.data.images if image.type == "IMAGE"],
    }


def _describe_armature(rig: Any) -> dict[str, Any]:
    place = rig.matrix_world
    return {
        "name": rig.name,
        "matrix": [list(row) for row in place],
        "properties": _properties(rig),
        "bones": [
            {
                "name": bone.name,
                "parent": bone.parent.name if bone.parent else None,
                "head": list(place @ bone.head_local),
                "tail": list(place @ bone.tail_local),
                "properties": _properties(bone) | _properties(rig.pose.bones[bone.name]),
            }
            for bone in rig.data.bones
        ],
    }


def _describe_mesh(item: Any) -> dict[str, Any]:
    mesh, place = item.data, item.matrix_world
    turn = place.to_3x3().inverted_safe().transposed()
    names = {group.index: group.name for group in item.vertex_groups}
    return {
        "name": item.name,
        "parent": item.parent.name if item.parent else None,
        "modifiers": [[modifier.type, getattr(modifier.object, "name", None)] for modifier in item.modifiers],
        "vertices": [list(place @ vertex.co) for vertex in mesh.vertices],
        "polygons": [list(polygon.vertices) for polygon in mesh.polygons],
        "normals": [list((turn @ corner.vector).normalized()) for corner in mesh.corner_normals],
        "uv": [list(corner.vector) for corner in mesh.uv_layers.active.uv] if mesh.uv_layers.active else None,
        "weights": [{names[group.group]: group.weight for group in vertex.groups} for vertex in mesh.vertices],
        "materials": [slot.material.name for slot in item.material_slots if slot.material],
        "properties": _properties(item),
    }


def _describe_image(image: Any) -> dict[str, Any]:
    import numpy as np

    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    if pixels.size:
        image.pixels.foreach_get(pixels)
    return {
        "name": image.name,
        "size": [width, height],
        "packed_bytes": image.packed_file.size if image.packed_file else 0,
        "deviation": float(pixels.std()) if pixels.size else 0.0,
    }


def _properties(owner: Any) -> dict[str, str]:
    return {name: str(owner[name]) for name in owner.keys() if name.startswith("figurine_")}


def leave() -> NoReturn:
    """End a process that has Blender in it, without Blender's own clean-up, which has crashed after finished work."""
    import bpy

    sys.stdout.flush()
    shutil.rmtree(bpy.app.tempdir)
    os._exit(0)


if __name__ == "__main__":
    described = [_describe(path) for path in sys.argv[1:]]
    sys.stdout.write("\n" + json.dumps(described) + "\n")
    leave()
