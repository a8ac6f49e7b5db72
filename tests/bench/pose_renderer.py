# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses finished figures with the add-on and renders them. Run as a process of its own: it imports bpy.

    python -m tests.bench.pose_renderer REQUEST.json

REQUEST.json: {"side_px": int, "figures": [{"folder", "out", "poses": [key, …]}]}. Writes each pose as PNG into `out`,
all of a figure in the same scale, and poses.json: what `measure_poses` finds.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from tests.bench.sheet_renderer import prepare_scene
from tests.integration.pose_measures import Skin, bring_folder, measure_poses, register_pose_operators

VIEW_DEG, HUMANOID_START, ANIMAL_START = 24.0, "a_pose", "attention"
ANIMAL_VIEW_DEG = 58.0
MARGIN = 1.3  # the view's side over the figure's height at rest: arms go out, jumps go up
ANIMAL_MARGIN = 1.4
LOOK_DOWN_DEG = 6.0
SAMPLES = 16


def render(figure: dict[str, object], side_px: int) -> None:
    """All poses of one figure."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rig = bring_folder(Path(str(figure["folder"])), "figure")
    register_pose_operators()
    prepare_scene(side_px)
    bpy.context.scene.cycles.samples = SAMPLES
    out = Path(str(figure["out"]))
    out.mkdir(parents=True, exist_ok=True)
    is_humanoid = "leftUpperArm" in {bone.get("figurine_role") for bone in rig.data.bones}
    found = measure_poses(rig, HUMANOID_START if is_humanoid else ANIMAL_START)
    (out / "poses.json").write_text(json.dumps(found), encoding="utf-8")
    bpy.ops.figurine.reset_pose()
    points = Skin(rig).points()
    low, high = points.min(axis=0), points.max(axis=0)
    side = (MARGIN if is_humanoid else ANIMAL_MARGIN) * float((high - low)[2] if is_humanoid else (high - low).max())
    middle = Vector(((low + high) / 2).tolist())
    middle.z = float(low[2]) + 0.5 * side - 0.06 * side
    facing_deg = _facing_deg(rig)
    for key in figure["poses"]:
        bpy.ops.figurine.apply_pose(pose=key)
        points = Skin(rig).points()
        middle.x, middle.y = ((points.min(axis=0) + points.max(axis=0)) / 2)[:2].tolist()
        shoot(middle, side, facing_deg + (VIEW_DEG if is_humanoid else ANIMAL_VIEW_DEG), out / f"{key}.png")


def shoot(middle: Vector, side: float, degrees: float, path: Path) -> None:
    """An orthographic view, a little from above."""
    camera = bpy.context.scene.camera
    camera.data.ortho_scale = side
    camera.data.clip_end = 20 * side
    around = Matrix.Rotation(math.radians(degrees), 4, "Z") @ Matrix.Rotation(math.radians(-LOOK_DOWN_DEG), 4, "X")
    camera.location = middle + around @ Vector((0.0, -4.0 * side, 0.0))
    camera.rotation_euler = (math.pi / 2 - math.radians(LOOK_DOWN_DEG), 0.0, math.radians(degrees))
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def _facing_deg(rig: bpy.types.Object) -> float:
    """How far the character is turned to its left from facing −Y."""
    from blender_addon.pose.rig import read_rig

    front = -read_rig(rig).to_character[1]
    return float(np.degrees(np.arctan2(front[0], -front[1])))


if __name__ == "__main__":
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for item in request["figures"]:
        render(item, request["side_px"])
    sys.stdout.flush()
    os._exit(0)
