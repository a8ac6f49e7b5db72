# SPDX-License-Identifier: GPL-3.0-or-later
"""A small picture of the model at rest: three-quarter front view, soft light, light backdrop.

Cycles renders the figure alone. The shadow under it is painted here: a shadow-catching floor in Cycles takes five
times as long as the figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Euler

from inference_server.core.types import Float32

SAMPLES = 8
SAMPLES_WITHOUT_DENOISER = 16
BOUNCES = 1  # light from the sky and the key light, and once from part to part
YAW_RAD = math.radians(28.0)  # the camera stands to the character's left of its front
PITCH_RAD = math.radians(9.0)  # and looks slightly down
MARGIN = 1.16  # picture side over the figure's larger side
KEY_LIGHT_W_M2 = 1.9
KEY_LIGHT_SPREAD_RAD = math.radians(20.0)
KEY_LIGHT_TURN_RAD = (math.radians(48.0), 0.0, math.radians(-20.0))
SKY_RADIANCE = 0.5
BACKDROP_TOP = (0.965, 0.967, 0.972)  # sRGB
BACKDROP_BOTTOM = (0.865, 0.872, 0.885)
SHADOW_DARKNESS = 0.6  # share of the backdrop that is lost where the figure touches the floor
SHADOW_REACH = 0.15  # height, as a share of the figure's, at which a part's shadow has faded to a third
SHADOW_BLUR = 0.022  # standard deviation as a share of the picture's side
_FACE_SAMPLES = 6  # steps along a triangle's side: parts are shaded where they are, not only at their corners


@dataclass(frozen=True, eq=False)
class View:
    """An orthographic camera. axes: (3, 3) columns right, up, back. middle: in those axes. side: metres in frame."""

    axes: Float32
    middle: Float32
    side: float
    reach: float

    def pixels(self, points: Float32, size_px: int) -> Float32:  # (N, 3)
        """(N, 2) float columns and rows; row 0 at the bottom."""
        seen = points @ self.axes - self.middle
        return (seen[:, :2] / self.side + 0.5) * size_px


def render_preview(path: Path, size_px: int, triangles: Float32) -> None:  # triangles: (T, 3, 3) Blender's frame
    """Render the scene's objects with Cycles on the processor into a PNG. Adds a camera and lights to the scene."""
    view = _frame(triangles.reshape(-1, 3))
    _add_camera(view)
    _add_lights()
    _configure(size_px, path)
    bpy.ops.render.render(write_still=True)
    _lay_on_backdrop(path, _shadow(view, size_px, triangles))


def _frame(points: Float32) -> View:
    axes = np.array(Euler((math.pi / 2 - PITCH_RAD, 0.0, YAW_RAD)).to_matrix(), dtype=np.float32)
    seen = points @ axes
    lower, upper = seen.min(axis=0), seen.max(axis=0)
    return View(
        axes=axes,
        middle=(lower + upper) / 2,
        side=float((upper - lower)[:2].max()) * MARGIN,
        reach=float(np.linalg.norm(upper - lower)),
    )


def _add_camera(view: View) -> None:
    camera = bpy.data.cameras.new("preview")
    camera.type = "ORTHO"
    camera.ortho_scale = view.side
    camera.clip_start, camera.clip_end = view.reach * 0.01, view.reach * 10.0
    camera_object = bpy.data.objects.new("preview", camera)
    camera_object.rotation_euler = (math.pi / 2 - PITCH_RAD, 0.0, YAW_RAD)
    toward_viewer = view.axes[:, 2]
    camera_object.location = (view.axes @ view.middle + toward_viewer * (2.0 * view.reach)).tolist()
    bpy.context.scene.collection.objects.link(camera_object)
    bpy.context.scene.camera = camera_object


def _add_lights() -> None:
    key = bpy.data.lights.new("key", "SUN")
    key.energy = KEY_LIGHT_W_M2
    key.angle = KEY_LIGHT_SPREAD_RAD
    key_object = bpy.data.objects.new("key", key)
    key_object.rotation_euler = KEY_LIGHT_TURN_RAD
    bpy.context.scene.collection.objects.link(key_object)
    world = bpy.data.worlds.new("sky")
    if world.node_tree is None:
        world.use_nodes = True
    sky = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    sky.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    sky.inputs["Strength"].default_value = SKY_RADIANCE
    bpy.context.scene.world = world


def _configure(size_px: int, path: Path) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.max_bounces = BOUNCES
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = _has_denoiser()
    scene.cycles.samples = SAMPLES if scene.cycles.use_denoising else SAMPLES_WITHOUT_DENOISER
    scene.cycles.denoising_prefilter = "NONE"
    scene.cycles.denoising_quality = "FAST"
    scene.render.resolution_x = scene.render.resolution_y = size_px
    scene.render.resolution_percentage = 100
    scene.render.film_transparent = True
    scene.render.filepath = str(path)
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    # The texture's colours as they are, without the film-like tone curve that is Blender's default.
    scene.view_settings.view_transform = "Standard"


def _has_denoiser() -> bool:
    """Whether this build has Open Image Denoise; distributions leave it out."""
    import _cycles

    return bool(_cycles.with_openimagedenoise)


def _shadow(view: View, size_px: int, triangles: Float32) -> Float32:
    """(S, S) float32, 0..1: how dark the floor is, most where the figure touches it; row 0 at the bottom."""
    steps = np.linspace(0.0, 1.0, _FACE_SAMPLES, dtype=np.float32)
    first, second = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    inside = first + second <= 1.0
    shares = np.stack([1 - first - second, first, second], axis=1)[inside]
    points = np.einsum("sc,tcd->tsd", shares, triangles).reshape(-1, 3)
    lower, upper = points[:, 2].min(), points[:, 2].max()
    strength = np.exp(-(points[:, 2] - lower) / (SHADOW_REACH * max(upper - lower, 1e-6)))
    points[:, 2] = lower
    columns, rows = np.clip(view.pixels(points, size_px), 0, size_px - 1).astype(np.int32).T
    shadow = np.zeros((size_px, size_px), dtype=np.float32)
    np.maximum.at(shadow, (rows, columns), strength)
    return _blur(shadow, SHADOW_BLUR * size_px, SHADOW_BLUR * size_px * math.sin(2 * PITCH_RAD))


def _blur(values: Float32, across_px: float, along_px: float) -> Float32:
    """Gaussian blur of an (S, S) picture; standard deviations along columns' and rows' direction."""
    place = np.arange(len(values))
    for deviation_px, is_across in ((across_px, True), (along_px, False)):
        kernel = np.exp(-0.5 * ((place[:, None] - place) / deviation_px) ** 2)
        kernel = (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)
        values = values @ kernel.T if is_across else kernel @ values
    return values


def _lay_on_backdrop(path: Path, shadow: Float32) -> None:  # shadow: (S, S)
    image = bpy.data.images.load(str(path))
    width, height = image.size
    rgba = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(rgba)
    rgba = rgba.reshape(height, width, 4)  # first row at the bottom, sRGB, straight alpha
    ramp = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    backdrop = np.float32(BACKDROP_BOTTOM) * (1 - ramp) + np.float32(BACKDROP_TOP) * ramp
    backdrop = backdrop * (1 - SHADOW_DARKNESS * shadow[..., None])
    alpha = rgba[..., 3:].copy()
    rgba[..., :3] = rgba[..., :3] * alpha + backdrop * (1 - alpha)
    rgba[..., 3] = 1.0
    image.pixels.foreach_set(rgba.ravel())
    image.save()
