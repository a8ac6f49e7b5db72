# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender finds in mesh files: run as a program it writes JSON, `inspect` runs it and reads that.

    python tests/integration/inspector.py ANSWER.json pose|rest FILE...   →   [{"armatures": …, "meshes": …}, …]

Every place is in world space, Blender's frame. Leaf bones that Blender's exporter added are ignored.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

TIMEOUT_S = 300
POSE_ANGLE_RAD = 0.5236  # 30°
MOVED_M = 1e-5


def inspect(*paths: Path, is_posed: bool = False) -> list[dict[str, Any]]:
    """Import each FBX, GLB, OBJ, PLY or STL file into an empty Blender of its own process and describe what is there.

    objects, actions: counts. armatures: [{name, matrix, scale, properties, bones: [{name, parent, head, tail,
    properties}]}].
    meshes, by name: [{name, parent, scale, modifiers: [[type, object name]], vertices (V, 3), polygons [[vertex]],
    normals (one for each corner), uv (one for each corner) or None, weights: [{group: weight}] a vertex, materials,
    properties}]. images: [{name, size, packed_bytes, deviation (of its colours)}]. is_posed adds stiff_bones: those,
    the root excepted, whose turn by 30° moves no vertex of the first mesh, or every one.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        program = [sys.executable, str(Path(__file__).resolve()), str(answer), "pose" if is_posed else "rest"]
        done = subprocess.run(
            [*program, *map(str, paths)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert answer.exists(), f"{program} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        described: list[dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8"))
    return described


def _describe(path: str, is_posed: bool) -> dict[str, Any]:
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    _import(path)
    bpy.context.view_layer.update()
    rigs = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    shapes = {bone.custom_shape for rig in rigs for bone in rig.pose.bones}
    meshes = sorted(
        (item for item in bpy.data.objects if item.type == "MESH" and item not in shapes), key=lambda item: item.name
    )
    return {
        "objects": len(bpy.data.objects),
        "actions": len(bpy.data.actions),
        "armatures": [_describe_armature(rig) for rig in rigs],
        "meshes": [_describe_mesh(item) for item in meshes],
        "images": [_describe_image(image) for image in bpy.data.images if image.type == "IMAGE"],
        **({"stiff_bones": _stiff_bones(meshes[0], rigs[0])} if is_posed else {}),
    }


def _import(path: str) -> None:
    import bpy

    suffix = Path(path).suffix
    if suffix == ".glb":
        bpy.ops.import_scene.gltf(filepath=path)
    elif suffix != ".fbx":
        getattr(bpy.ops.wm, f"{suffix[1:]}_import")(filepath=path)
    elif "fbx_import" in dir(bpy.ops.wm):
        bpy.ops.wm.fbx_import(filepath=path, ignore_leaf_bones=True)
    else:
        bpy.ops.import_scene.fbx(filepath=path, ignore_leaf_bones=True)


def _describe_armature(rig: Any) -> dict[str, Any]:
    place = rig.matrix_world
    return {
        "name": rig.name,
        "matrix": [list(row) for row in place],
        "scale": list(rig.scale),
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
        "scale": list(item.scale),
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

    pixels = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    if pixels.size:
        image.pixels.foreach_get(pixels)
    return {
        "name": image.name,
        "size": list(image.size),
        "packed_bytes": image.packed_file.size if image.packed_file else 0,
        "deviation": float(pixels.reshape(-1, image.channels)[:, :3].std()) if pixels.size else 0.0,
    }


def _properties(owner: Any) -> dict[str, str]:
    return {name: str(owner[name]) for name in owner.keys() if name.startswith("figurine_")}


def _stiff_bones(item: Any, rig: Any) -> list[str]:
    import bpy
    import numpy as np
    from mathutils import Matrix

    rest = _posed_vertices(item)
    stiff = []
    for bone in rig.pose.bones:
        if bone.parent is None:
            continue
        shift = np.zeros(len(rest))
        for axis in ("X", "Z"):
            bone.matrix_basis = Matrix.Rotation(POSE_ANGLE_RAD, 4, axis)
            bpy.context.view_layer.update()
            shift = np.maximum(shift, np.abs(_posed_vertices(item) - rest).max(axis=1))
        bone.matrix_basis = Matrix.Identity(4)
        if int((shift > MOVED_M).sum()) in (0, len(rest)):
            stiff.append(bone.name)
    return stiff


def _posed_vertices(item: Any) -> Any:
    """(V, 3) float64, as the modifier leaves them."""
    import bpy
    import numpy as np

    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(evaluated.data.vertices))
    evaluated.data.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)


def leave() -> NoReturn:
    """End a process that has Blender in it, without Blender's own clean-up, which has crashed after finished work."""
    import bpy

    sys.stdout.flush()
    shutil.rmtree(bpy.app.tempdir)
    os._exit(0)


if __name__ == "__main__":
    described = [_describe(path, sys.argv[2] == "pose") for path in sys.argv[3:]]
    Path(sys.argv[1]).write_text(json.dumps(described), encoding="utf-8")
    leave()
