# SPDX-License-Identifier: GPL-3.0-or-later
"""What the importer's cases share: the results, a look at the whole file, and linear blend skinning in numpy."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from blender_addon.importer import ImportOptions, import_result

JOB = {"job": "job-7", "server": "http://127.0.0.1:1"}


@dataclass
class Bench:
    """results: fixtures.json. scratch: an empty folder. measured: what a case wants to tell."""

    results: dict[str, dict[str, str]]
    scratch: Path
    measured: dict[str, Any] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        """A result's folder."""
        return Path(self.results[name]["folder"])

    def copy(self, name: str) -> Path:
        """A copy of a result that a case may spoil."""
        return Path(shutil.copytree(self.folder(name), self.scratch / f"copy-{len(list(self.scratch.iterdir()))}"))

    def rig(self, name: str) -> dict[str, Any]:
        """A result's rig.json."""
        return json.loads((self.folder(name) / "rig.json").read_text(encoding="utf-8"))

    def skin(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """What the server gave Blender: vertices (V, 3), Blender's frame, and weights (V, J) by rig.json's bones."""
        with np.load(self.results[name]["arrays"]) as arrays:
            weights = np.zeros((len(arrays["vertices"]), len(self.rig(name)["bones"])))
            np.add.at(weights, (np.arange(len(weights))[:, None], arrays["indices"]), arrays["weights"])
            return arrays["vertices"].astype(np.float64), weights

    def bring(self, result: str, **options: Any) -> bpy.types.Object:
        """Import a result with its own name; the armature."""
        return import_result(bpy.context, self.folder(result), ImportOptions(**{"name": result} | options), JOB)


def user_state() -> tuple[Any, ...]:
    """Mode, active object, selection, active collection, unit and add-ons: what an import has no business to change."""
    layer = bpy.context.view_layer
    return (
        bpy.context.mode,
        layer.objects.active,
        [(entry.name, entry.mode, entry.select_get()) for entry in layer.objects],
        layer.active_layer_collection,
        bpy.context.scene.unit_settings.scale_length,
        sorted(bpy.context.preferences.addons.keys()),
    )


def add_cube(name: str = "Cube") -> bpy.types.Object:
    """A cube in the scene, active and selected."""
    mesh = bpy.data.meshes.new(name)
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    cube = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(cube)
    bpy.context.view_layer.objects.active = cube
    cube.select_set(True)
    return cube


def mesh_points(figure: bpy.types.Object) -> np.ndarray:
    """(V, 3) float64, the mesh's own space, as the modifiers leave it."""
    evaluated = figure.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(evaluated.data.vertices))
    evaluated.data.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)


def rest_matrices(document: dict[str, Any]) -> np.ndarray:
    """(J, 4, 4): the bones' frames at rest, from rig.json alone."""
    frames = []
    for bone in document["bones"]:
        axis = Vector(bone["tail"]) - Vector(bone["head"])
        turn = bpy.types.Bone.MatrixFromAxisRoll(axis.normalized(), bone["roll"]).to_4x4()
        frames.append(np.array(Matrix.Translation(bone["head"]) @ turn))
    return np.array(frames)


def skinned(document: dict[str, Any], points: np.ndarray, weights: np.ndarray, turns: dict[str, Any]) -> np.ndarray:
    """Linear blend skinning of points (V, 3), Blender's frame, with weights (V, J). turns: Quaternion by bone."""
    rest = rest_matrices(document)
    place = {bone["name"]: index for index, bone in enumerate(document["bones"])}
    posed: dict[str, np.ndarray] = {}

    def frame(name: str) -> np.ndarray:
        if name not in posed:
            parent, own = document["bones"][place[name]]["parent"], rest[place[name]]
            start = frame(parent) @ np.linalg.inv(rest[place[parent]]) @ own if parent else own
            posed[name] = start @ np.array(turns.get(name, Quaternion()).to_matrix().to_4x4())
        return posed[name]

    moves = np.array([frame(bone["name"]) @ np.linalg.inv(rest[place[bone["name"]]]) for bone in document["bones"]])
    homogeneous = np.c_[points, np.ones(len(points))]
    return np.einsum("vj,jab,vb->va", weights, moves, homogeneous, optimize=True)[:, :3]


def pose(rig: bpy.types.Object, turns: dict[str, Any]) -> None:
    """Turn these bones, and no others."""
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION"
        bone.rotation_quaternion = turns.get(bone.name, Quaternion())
    bpy.context.view_layer.update()
