# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports exported files into empty scenes and renders what came. Run as a process of its own: it imports bpy.

    python -m tests.bench.output_renderer REQUEST.json

REQUEST.json: {"side_px": int, "tiles": [{"file", "out", "is_rest"}]}; a PNG for each. is_rest: without its clip.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from tests.bench.pose_renderer import shoot
from tests.bench.sheet_renderer import prepare_scene

VIEW_DEG = 22.0
MARGIN = 1.08
SAMPLES = 24
CLAY = (0.62, 0.60, 0.56, 1.0)
POSE_FRAME = 1


def render(file: Path, out: Path, side_px: int, is_rest: bool) -> None:
    """One file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if file.suffix == ".stl":
        bpy.ops.wm.stl_import(filepath=str(file))
        clay = bpy.data.materials.new("clay")
        if clay.node_tree is None:
            clay.use_nodes = True
        clay.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = CLAY
        bpy.context.object.data.materials.append(clay)
    elif file.suffix == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(file))
    else:
        bpy.ops.import_scene.gltf(filepath=str(file))
    prepare_scene(side_px)
    bpy.context.scene.cycles.samples = SAMPLES
    bpy.context.scene.frame_set(POSE_FRAME)
    for rig in (item for item in bpy.data.objects if item.type == "ARMATURE" and is_rest):
        rig.data.pose_position = "REST"
    points = _points()
    low, high = points.min(axis=0), points.max(axis=0)
    shoot(Vector(((low + high) / 2).tolist()), MARGIN * float((high - low).max()), VIEW_DEG, out)


def _points() -> np.ndarray:
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found = []
    for item in bpy.context.scene.objects:
        if item.type == "MESH" and item.visible_get() and not item.name.startswith("Icosphere"):
            seen = item.evaluated_get(depsgraph)
            found += [seen.matrix_world @ vertex.co for vertex in seen.data.vertices]
    return np.array(found)


if __name__ == "__main__":
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for tile in request["tiles"]:
        render(Path(tile["file"]), Path(tile["out"]), request["side_px"], tile["is_rest"])
    sys.stdout.flush()
    os._exit(0)
