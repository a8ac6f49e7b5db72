# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelizes a textured, rigged ball of two million faces in this Python's Blender, and says what it took.

    python -m tests.integration.voxel_large ANSWER.json

ANSWER.json: {faces, triangles that is; size; quads; cpu_s; peak_mib; before_mib, when the mesh was there}.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import bpy
import numpy as np

from blender_addon.operators.voxelize import FIGURINE_OT_voxelize
from tests.integration.image_material import show_image

RINGS, SEGMENTS = 1000, 1000
SIZE, IMAGE_px = 128, 2048


def figure() -> bpy.types.Object:
    """A ball of quads with poles left open by a pin's width, a picture, and a lower and an upper bone."""
    around = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    up = np.linspace(-np.pi / 2, np.pi / 2, RINGS + 2)[1:-1]
    points = np.stack(
        [np.outer(np.cos(up), np.cos(around)), np.outer(np.cos(up), np.sin(around)), np.outer(np.sin(up), around**0)],
        axis=-1,
    ).reshape(-1, 3)
    row, column = (index.reshape(-1) for index in np.indices((RINGS - 1, SEGMENTS)))
    beside = (column + 1) % SEGMENTS
    near, far = row * SEGMENTS, (row + 1) * SEGMENTS
    quads = np.stack([near + column, near + beside, far + beside, far + column], axis=1)
    data = bpy.data.meshes.new("ball")
    data.vertices.add(len(points))
    data.vertices.foreach_set("co", points.astype(np.float32).reshape(-1))
    data.loops.add(quads.size)
    data.loops.foreach_set("vertex_index", quads.astype(np.int32).reshape(-1))
    data.polygons.add(len(quads))
    data.polygons.foreach_set("loop_start", np.arange(0, quads.size, 4, dtype=np.int32))
    uv = np.stack([quads % SEGMENTS / SEGMENTS, quads // SEGMENTS / RINGS], axis=-1)
    data.uv_layers.new().data.foreach_set("uv", uv.astype(np.float32).reshape(-1))
    data.update(calc_edges=True)
    ball = bpy.data.objects.new("ball", data)
    bpy.context.collection.objects.link(ball)
    show_image(data, _image())
    _rig(ball, points)
    bpy.context.view_layer.objects.active = ball
    bpy.context.view_layer.update()
    return ball


def _image() -> bpy.types.Image:
    image = bpy.data.images.new("picture", IMAGE_px, IMAGE_px)
    image.pixels.foreach_set(np.random.default_rng(0).random(IMAGE_px**2 * 4, np.float32))
    return image


def _rig(ball: bpy.types.Object, points: np.ndarray) -> None:
    rig = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    bpy.context.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name, low, high in (("lower", -1, 0), ("upper", 0, 1)):
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail = (0, 0, low), (0, 0, high)
    bpy.ops.object.mode_set(mode="OBJECT")
    for name, own in (("lower", points[:, 2] < 0.1), ("upper", points[:, 2] > -0.1)):
        ball.vertex_groups.new(name=name).add(np.flatnonzero(own).tolist(), 0.5, "REPLACE")
    ball.modifiers.new("Armature", "ARMATURE").object = rig
    ball.parent = rig


def main(answer: Path) -> None:
    """Make, voxelize, measure."""
    bpy.utils.register_class(FIGURINE_OT_voxelize)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ball = figure()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    assert bpy.ops.figurine.voxelize(size=SIZE) == {"FINISHED"}
    cpu_s = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = bpy.context.object
    assert made.parent == ball.parent and ball.hide_get()
    measured = {
        "faces": 2 * len(ball.data.polygons),
        "size": SIZE,
        "quads": len(made.data.polygons),
        "cpu_s": cpu_s,
        "peak_mib": peak / 1024,
        "before_mib": before / 1024,
    }
    answer.write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    # Without Blender's own clean-up, which has crashed after finished work.
    os._exit(0)
