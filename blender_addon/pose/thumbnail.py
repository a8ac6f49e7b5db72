# SPDX-License-Identifier: GPL-3.0-or-later
"""A small picture of a rig's meshes as they are posed now, by Cycles on the processor: it renders without a window too.

What is rendered are copies in a scene of their own: an animation cannot change them, and nothing of the artist's
scene can get into the picture.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .bound import seen_meshes

SIDE_px = 256
_SAMPLES = 8
_MARGIN = 1.1
_YAW_deg, _PITCH_deg = 22.0, 6.0
_SUN_W_m2, _SUN_deg = 1.9, (45.0, 0.0, -15.0)
_SKY = (0.85, 0.87, 0.9, 1.0)
_FRONT = -math.pi / 2  # of −Y, in which a character looks


def render_thumbnail(armature: bpy.types.Object, front: Vector) -> np.ndarray | None:
    """(SIDE_px, SIDE_px, 4) float32, sRGB and alpha, first row at the bottom; None where no mesh can be seen.

    front: where the character looks, in the world.
    """
    figures = list(seen_meshes(armature))
    if not figures:
        return None
    with _scene_of_copies(figures) as scene, tempfile.TemporaryDirectory(prefix="figurine-") as folder:
        _aim_camera(scene, front)
        _configure(scene)
        scene.render.filepath = str(Path(folder) / "pose.png")
        bpy.ops.render.render(write_still=True, scene=scene.name)
        image = bpy.data.images.load(scene.render.filepath)
        pixels = np.empty(SIDE_px * SIDE_px * 4, np.float32)
        image.pixels.foreach_get(pixels)
        bpy.data.images.remove(image)
    return pixels.reshape(SIDE_px, SIDE_px, 4)


@contextmanager
def _scene_of_copies(figures: list[bpy.types.Object]) -> Iterator[bpy.types.Scene]:
    """A scene with the figures as they are posed, a camera, a sun and a sky; all of it is removed afterwards."""
    had_result = "Render Result" in bpy.data.images
    depsgraph = bpy.context.evaluated_depsgraph_get()
    scene, world = bpy.data.scenes.new("Figurine"), bpy.data.worlds.new("Figurine")
    made = [scene, world]
    try:
        for figure in figures:
            seen = figure.evaluated_get(depsgraph)
            mesh = bpy.data.meshes.new_from_object(seen, preserve_all_data_layers=True, depsgraph=depsgraph)
            made += [mesh, _add(scene, mesh, seen.matrix_world)]
        sun = bpy.data.lights.new("Figurine", "SUN")
        sun.energy = _SUN_W_m2
        camera = bpy.data.cameras.new("Figurine")
        made += [sun, _add(scene, sun, Matrix.Identity(4)), camera, _add(scene, camera, Matrix.Identity(4))]
        scene.camera, scene.world = made[-1], world
        if not world.node_tree:
            world.use_nodes = True
        next(node for node in world.node_tree.nodes if node.type == "BACKGROUND").inputs[0].default_value = _SKY
        yield scene
    finally:
        bpy.data.batch_remove(made)
        if not had_result and "Render Result" in bpy.data.images:
            bpy.data.images.remove(bpy.data.images["Render Result"])


def _add(scene: bpy.types.Scene, data: bpy.types.ID, place: Matrix) -> bpy.types.Object:
    item = bpy.data.objects.new("Figurine", data)
    item.matrix_world = place
    scene.collection.objects.link(item)
    return item


def _aim_camera(scene: bpy.types.Scene, front: Vector) -> None:
    """From the front, a little from the side and above, so that all of the figure is in the picture."""
    turn_rad = math.atan2(front.y, front.x) - _FRONT + math.radians(_YAW_deg)
    axes = Matrix.Rotation(turn_rad, 3, "Z") @ Matrix.Rotation(math.pi / 2 - math.radians(_PITCH_deg), 3, "X")
    points = []
    for item in scene.objects:
        if item.type == "MESH":
            corners = np.empty(3 * len(item.data.vertices), np.float32)
            item.data.vertices.foreach_get("co", corners)
            place = np.array(item.matrix_world)
            points.append(corners.reshape(-1, 3) @ place[:3, :3].T + place[:3, 3])
    seen = np.concatenate(points) @ np.array(axes)
    low, high = seen.min(axis=0), seen.max(axis=0)
    reach = float(np.linalg.norm(high - low))
    camera = scene.camera
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = max(_MARGIN * float((high - low)[:2].max()), 1e-6)
    camera.data.clip_start, camera.data.clip_end = reach * 0.01, reach * 10.0
    middle = axes @ Vector(((low + high) / 2).tolist())
    camera.matrix_world = Matrix.Translation(middle + 2.0 * reach * axes.col[2]) @ axes.to_4x4()
    sun = next(item for item in scene.objects if item.type == "LIGHT")
    sun.rotation_euler = [math.radians(angle) for angle in _SUN_deg]
    sun.rotation_euler.z += turn_rad


def _configure(scene: bpy.types.Scene) -> None:
    try:
        scene.render.engine = "CYCLES"
        scene.cycles.device = "CPU"
        scene.cycles.samples, scene.cycles.max_bounces, scene.cycles.use_denoising = _SAMPLES, 1, False
    except TypeError:  # Blender without Cycles, or Cycles switched off
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.display.shading.color_type = "TEXTURE"
    scene.render.resolution_x = scene.render.resolution_y = SIDE_px
    scene.render.resolution_percentage = 100
    scene.render.film_transparent = True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.view_settings.view_transform = "Standard"
