# SPDX-License-Identifier: GPL-3.0-or-later
"""The photographer: parts become Blender meshes, lit softly and rendered with Cycles on the CPU.

Parts are modelled in a right-handed frame, +Y up, +Z toward the viewer; Blender's is (x, -z, y).
"""

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
import sdf
from mathutils import Matrix, Vector

# Share of the picture that the subject's longer side takes.
FILL = 0.86
SEED = 7


@dataclass(frozen=True)
class Material:
    """A surface: sRGB colour as hex, and how it takes light (all 0 to 1; glow in Blender's emission strength)."""

    colour: str
    roughness: float = 0.55
    metallic: float = 0.0
    coat: float = 0.0
    softness: float = 0.0
    glow: float = 0.0


@dataclass(frozen=True)
class Part:
    """One solid of one material."""

    name: str
    field: sdf.Field
    material: Material
    cells: int = 144


@dataclass(frozen=True)
class Shot:
    """How a subject is seen: turned about +Y, camera raised, and on what background.

    `turn_deg` > 0 turns the subject's front to the viewer's right; `backdrop` is a hex colour, or None for clear.
    """

    turn_deg: float = 0.0
    raise_deg: float = 5.0
    backdrop: str | None = None


@dataclass(frozen=True)
class Quality:
    size_px: int = 1024
    samples: int = 40


def linear(colour: str) -> tuple[float, float, float, float]:
    """Hex sRGB to linear RGBA."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    rgb = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return (*rgb.tolist(), 1.0)


def photograph(parts: list[Part], shot: Shot, quality: Quality, path: Path) -> None:
    """Render the parts to `path`: PNG with alpha on a clear background, JPEG on a backdrop."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    clouds = [add_part(part, shot.turn_deg) for part in parts]
    add_lights()
    aim_camera(np.vstack(clouds), shot.raise_deg)
    if shot.backdrop:
        add_backdrop(shot.backdrop)
    set_renderer(quality, is_clear=shot.backdrop is None)
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def add_part(part: Part, turn_deg: float) -> np.ndarray:
    """Put a part into the scene; returns its vertices (V, 3) in Blender's frame."""
    vertices, faces, normals = sdf.polygonise(part.field, part.cells)
    to_blender = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32) @ sdf.turn((0, turn_deg, 0))
    vertices, normals = vertices @ to_blender.T, normals @ to_blender.T
    mesh = bpy.data.meshes.new(part.name)
    mesh.from_pydata(vertices, [], faces)
    mesh.shade_smooth()
    mesh.normals_split_custom_set_from_vertices(normals)
    mesh.materials.append(make_material(part.name, part.material))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new(part.name, mesh))
    return vertices


def make_material(name: str, look: Material) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    sockets = material.node_tree.nodes["Principled BSDF"].inputs
    sockets["Base Color"].default_value = linear(look.colour)
    sockets["Roughness"].default_value = look.roughness
    sockets["Metallic"].default_value = look.metallic
    sockets["Coat Weight"].default_value = look.coat
    sockets["Coat Roughness"].default_value = 0.15
    sockets["Subsurface Weight"].default_value = look.softness
    sockets["Subsurface Radius"].default_value = (0.05, 0.02, 0.01)
    sockets["Emission Color"].default_value = linear(look.colour)
    sockets["Emission Strength"].default_value = look.glow
    return material


def add_lights() -> None:
    """A large key from the upper left, a weaker fill from the right, a rim from behind, and a bright room."""
    add_light("key", Vector((-3.0, -4.0, 4.5)), size=3.0, watts=235)
    add_light("fill", Vector((4.0, -4.0, 2.0)), size=4.0, watts=110)
    add_light("rim", Vector((2.0, 4.0, 4.5)), size=3.0, watts=220)
    world = bpy.data.worlds.new("room")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = linear("#f4f6ff")
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.45
    bpy.context.scene.world = world


def add_light(name: str, position: Vector, size: float, watts: float) -> None:
    light = bpy.data.lights.new(name, "AREA")
    light.shape, light.size, light.energy = "DISK", size, watts
    lamp = bpy.data.objects.new(name, light)
    lamp.location = position
    lamp.rotation_euler = (Vector((0, 0, 1)) - position).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(lamp)


def aim_camera(points: np.ndarray, raise_deg: float) -> None:
    """An orthographic camera that frames points (N, 3), centred, at FILL of the picture."""
    camera = bpy.data.cameras.new("camera")
    camera.type = "ORTHO"
    eye = bpy.data.objects.new("camera", camera)
    rotation = Matrix.Rotation(np.radians(90 - raise_deg), 4, "X")
    axes = np.array(rotation.to_3x3())
    seen = points @ axes
    low, high = seen.min(0), seen.max(0)
    camera.ortho_scale = float((high - low)[:2].max()) / FILL
    centre = (low + high) / 2
    centre[2] = high[2] + 10
    eye.matrix_world = Matrix.Translation(axes @ centre) @ rotation
    bpy.context.scene.collection.objects.link(eye)
    bpy.context.scene.camera = eye


def add_backdrop(colour: str) -> None:
    """A studio cyclorama: floor, wall, and a wide bend between them."""
    bend = [(0.0, 5.0)] + [(3 + 3 * np.sin(a), 3 - 3 * np.cos(a)) for a in np.linspace(0, np.pi / 2, 24)]
    profile = [(-30.0, 0.0), *bend[1:], (6.0, 30.0)]
    vertices = [(x, y, z) for y, z in profile for x in (-30.0, 30.0)]
    faces = [(2 * i, 2 * i + 1, 2 * i + 3, 2 * i + 2) for i in range(len(profile) - 1)]
    mesh = bpy.data.meshes.new("backdrop")
    mesh.from_pydata(vertices, [], faces)
    mesh.shade_smooth()
    mesh.materials.append(make_material("backdrop", Material(colour, roughness=0.9)))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("backdrop", mesh))


def set_renderer(quality: Quality, is_clear: bool) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = quality.samples
    scene.cycles.seed = SEED
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.max_bounces = 4
    scene.cycles.use_denoising = True
    scene.view_settings.view_transform = "Standard"
    scene.render.film_transparent = is_clear
    # Dither spares wide gradients from bands and doubles the size of a PNG: only the backdrop needs it.
    scene.render.dither_intensity = 0.0 if is_clear else 1.0
    scene.render.resolution_x = scene.render.resolution_y = quality.size_px
    settings = scene.render.image_settings
    settings.file_format = "PNG" if is_clear else "JPEG"
    settings.color_mode = "RGBA" if is_clear else "RGB"
    settings.compression = 100
    settings.quality = 92
