# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens finished FBX files in Blender and reports what is in them. Run as a process of its own: it imports bpy.

    python tests/integration/asset_inspector.py REQUEST.json ANSWER.json

REQUEST.json: {"assets": [{"fbx": path, "rig": path of rig.json, "skin": path of an npz with indices, weights,
vertices}]}. skin is optional. ANSWER.json: one object an asset, see `inspect`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

POSE_ANGLE_RAD = np.radians(30.0)
MOVED_M = 1e-5


def inspect(fbx: str, rig: str, skin: str | None = None) -> dict[str, Any]:
    """Counts, and the largest differences between the file and rig.json and the arrays of the exchange."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=fbx, ignore_leaf_bones=True)
    armatures = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    meshes = [item for item in bpy.data.objects if item.type == "MESH"]
    figure, armature = meshes[0], armatures[0]
    document = json.loads(Path(rig).read_text(encoding="utf-8"))
    weights = weight_matrix(figure, [bone["name"] for bone in document["bones"]])
    answer = {
        "armatures": len(armatures),
        "meshes": len(meshes),
        "objects": len(bpy.data.objects),
        "actions": len(bpy.data.actions),
        "modifiers": [(modifier.type, modifier.object == armature) for modifier in figure.modifiers],
        "is_child": figure.parent == armature,
        "scales": [list(item.scale) for item in (figure, armature)],
        "unweighted": int((weights.sum(axis=1) < 1e-6).sum()),
        "weight_sum_error": float(np.abs(weights.sum(axis=1) - 1).max()),
        "influences": int((weights > 0).sum(axis=1).max()),
        "pictures": [list(image.size) for image in bpy.data.images if image.packed_file],
        "grey_spread": texture_spread(),
        **compare_bones(armature, document),
        **surface(figure),
        "stiff_bones": stiff_bones(figure, armature),
    }
    if skin is not None:
        with np.load(skin) as arrays:
            wanted = np.zeros_like(weights)
            np.add.at(wanted, (np.arange(len(wanted))[:, None], arrays["indices"]), arrays["weights"])
            answer["weight_error"] = float(np.abs(weights - wanted).max())
            answer["vertex_error"] = float(np.abs(rest_vertices(figure) - arrays["vertices"]).max())
    return answer


def weight_matrix(figure: bpy.types.Object, bones: list[str]) -> np.ndarray:
    """(V, J) float64; a group of no bone raises KeyError."""
    column = {name: place for place, name in enumerate(bones)}
    groups = [column[group.name] for group in figure.vertex_groups]
    weights = np.zeros((len(figure.data.vertices), len(bones)))
    for vertex in figure.data.vertices:
        for element in vertex.groups:
            weights[vertex.index, groups[element.group]] = element.weight
    return weights


def compare_bones(armature: bpy.types.Object, document: dict[str, Any]) -> dict[str, Any]:
    """Names, parents, heads of all bones and tails of the last ones, in world space, against rig.json."""
    bones = {bone.name: bone for bone in armature.data.bones}
    wanted = {bone["name"]: bone for bone in document["bones"]}
    parents = {name: bone.parent.name if bone.parent else None for name, bone in bones.items()}
    leaves = [name for name, bone in bones.items() if not bone.children]
    place = armature.matrix_world
    shared = [name for name in bones if name in wanted]
    heads = [np.abs(np.array(place @ bones[name].head_local) - wanted[name]["head"]).max() for name in shared]
    tails = [np.abs(np.array(place @ bones[name].tail_local) - wanted[name]["tail"]).max() for name in leaves]
    return {
        "names_equal": set(bones) == set(wanted),
        "parents_equal": all(parents[name] == wanted[name]["parent"] for name in shared),
        "head_error": float(max(heads)),
        "leaf_tail_error": float(max(tails)),
    }


def surface(figure: bpy.types.Object) -> dict[str, Any]:
    """Edges by how many faces they have, and the bounding box in world space."""
    faces = np.array([list(polygon.vertices) for polygon in figure.data.polygons])
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    points = rest_vertices(figure)
    return {
        "open_edges": int((counts == 1).sum()),
        "crowded_edges": int((counts > 2).sum()),
        "low": points.min(axis=0).tolist(),
        "high": points.max(axis=0).tolist(),
    }


def rest_vertices(figure: bpy.types.Object) -> np.ndarray:
    """(V, 3) float64, world space, undeformed."""
    points = np.empty(3 * len(figure.data.vertices))
    figure.data.vertices.foreach_get("co", points)
    place = np.array(figure.matrix_world)
    return points.reshape(-1, 3) @ place[:3, :3].T + place[:3, 3]


def posed_vertices(figure: bpy.types.Object) -> np.ndarray:
    """(V, 3) float64, as the modifier leaves them."""
    evaluated = figure.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(evaluated.data.vertices))
    evaluated.data.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)


def stiff_bones(figure: bpy.types.Object, armature: bpy.types.Object) -> list[str]:
    """Bones, the root excepted, whose turn by 30° moves no vertex, or every vertex."""
    rest = posed_vertices(figure)
    stiff = []
    for bone in armature.pose.bones:
        if bone.parent is None:
            continue
        shift = np.zeros(len(rest))
        for axis in ("X", "Z"):
            bone.matrix_basis = Matrix.Rotation(POSE_ANGLE_RAD, 4, axis)
            bpy.context.view_layer.update()
            shift = np.maximum(shift, np.abs(posed_vertices(figure) - rest).max(axis=1))
        bone.matrix_basis = Matrix.Identity(4)
        moved = int((shift > MOVED_M).sum())
        if moved in (0, len(rest)):
            stiff.append(bone.name)
    bpy.context.view_layer.update()
    return stiff


def texture_spread() -> float:
    """Standard deviation of the first packed picture's values: 0 for one without content."""
    for image in bpy.data.images:
        if image.packed_file and image.size[0]:
            pixels = np.empty(image.size[0] * image.size[1] * image.channels, dtype=np.float32)
            image.pixels.foreach_get(pixels)
            return float(pixels.reshape(-1, image.channels)[:, :3].std())
    return 0.0


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps([inspect(**asset) for asset in asked["assets"]]), encoding="utf-8")
