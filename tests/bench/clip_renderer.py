# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays clips on finished figures and renders frames of them. Run as a process of its own: it imports bpy.

    python -m tests.bench.clip_renderer REQUEST.json

REQUEST.json: {"side_px", "view_deg", "rows": [{"folder", "clip", "columns", "out"}]}. Writes `columns` frames of one
cycle, evenly spaced, as 0.png, 1.png… into `out`, all of a figure in the same scale and from the same place.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from blender_addon.pose.rig import read_rig
from tests.bench.pose_renderer import shoot
from tests.bench.sheet_renderer import prepare_scene
from tests.integration.clip_measures import cycle_of, register_animation
from tests.integration.pose_measures import Skin, bring_folder

MARGIN = 1.18  # the view's side over the largest extent
SAMPLES = 16
FLOOR_COLOUR = (0.62, 0.62, 0.64, 1.0)


def render(row: dict[str, Any], side_px: int, view_deg: float) -> None:
    """One clip of one figure."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    register_animation()
    rig = bring_folder(Path(row["folder"]), "figure")
    prepare_scene(side_px)
    bpy.context.scene.cycles.samples = SAMPLES
    skin = Skin(rig)
    floor = float(skin.points()[:, 2].min())
    bpy.ops.figurine.apply_clip(clip=row["clip"])
    frames = cycle_of(rig)
    shown = [frames[0] + column * (len(frames) - 1) / row["columns"] for column in range(row["columns"])]
    points = np.concatenate([_at(frame, skin) for frame in shown])
    low, high = points.min(axis=0), points.max(axis=0)
    side = MARGIN * float((high - low).max())
    middle = Vector(((low + high) / 2).tolist())
    middle.z = floor + 0.5 * side - 0.07 * side
    _lay_floor(floor, side)
    front = -read_rig(rig).to_character[1]
    facing_deg = float(np.degrees(np.arctan2(front[0], -front[1])))
    out = Path(row["out"])
    out.mkdir(parents=True, exist_ok=True)
    for column, frame in enumerate(shown):
        _at(frame, skin)
        shoot(middle, side, facing_deg + view_deg, out / f"{column}.png")


def _at(frame: float, skin: Skin) -> np.ndarray:
    bpy.context.scene.frame_set(math.floor(frame), subframe=frame % 1.0)
    return skin.points()


def _lay_floor(height: float, side: float) -> None:
    bpy.ops.mesh.primitive_circle_add(vertices=96, radius=0.36 * side, fill_type="NGON", location=(0, 0, height))
    material = bpy.data.materials.new("floor")
    material.diffuse_color = FLOOR_COLOUR
    if not material.node_tree:
        material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = FLOOR_COLOUR
    bpy.context.object.data.materials.append(material)


if __name__ == "__main__":
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for item in request["rows"]:
        render(item, request["side_px"], request["view_deg"])
    sys.stdout.flush()
    os._exit(0)
