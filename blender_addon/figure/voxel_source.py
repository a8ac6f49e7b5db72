# SPDX-License-Identifier: GPL-3.0-or-later
"""An object of the scene as what is voxelized: its rest shape in world space, its colours, its bones."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..voxel.blocky import Skeleton
from ..voxel.errors import MeshUnusable
from ..voxel.mesh import Influences, Material, SurfaceMesh
from ..voxel.oklab import encode

INFLUENCES_READ = 8  # of a vertex, the strongest; voxels keep four


@dataclass(frozen=True)
class VoxelSource:
    """mesh: world space. armature: what deforms the object, or None; then bones is empty and skeleton None."""

    mesh: SurfaceMesh
    armature: bpy.types.Object | None
    bones: tuple[str, ...]
    skeleton: Skeleton | None


def read_source(figure: bpy.types.Object) -> VoxelSource:
    """The mesh as it is modelled: without pose, modifiers and shape keys. Raises MeshUnusable."""
    data = figure.data
    data.calc_loop_triangles()
    triangles, loops = _integers(data.loop_triangles, "vertices", 3), _integers(data.loop_triangles, "loops", 3)
    vertices = np.empty(len(data.vertices) * 3, np.float32)
    data.vertices.foreach_get("co", vertices)
    matrix = np.array(figure.matrix_world, np.float64)
    world = vertices.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored object: its faces would look inwards
        triangles, loops = triangles[:, ::-1], loops[:, ::-1]
    armature = figure.find_armature()
    bones = tuple(bone.name for bone in armature.data.bones if bone.use_deform) if armature else ()
    influences = _influences(figure, bones) if bones else None
    materials = tuple(_material(slot.material) for slot in figure.material_slots) or (Material(),)
    has_image = any(material.image is not None for material in materials)
    polygon_material = _integers(data.loop_triangles, "material_index", 1).reshape(-1)
    mesh = SurfaceMesh(
        world,
        triangles,
        uv=_uv(data, loops),
        face_material=polygon_material,
        materials=materials,
        corner_colours=None if has_image else _corner_colours(data, triangles, loops),
        influences=influences,
        bone_names=bones if influences else (),
    )
    return VoxelSource(mesh, armature if influences else None, bones if influences else (), _skeleton(armature, bones))


def _integers(collection: bpy.types.bpy_prop_collection, name: str, width: int) -> np.ndarray:
    values = np.empty(len(collection) * width, np.int32)
    collection.foreach_get(name, values)
    return values.reshape(-1, width).astype(np.int64)


def _uv(data: bpy.types.Mesh, loops: np.ndarray) -> np.ndarray | None:
    layer = data.uv_layers.active
    if layer is None or not len(loops):
        return None
    values = np.empty(len(data.loops) * 2, np.float32)
    layer.data.foreach_get("uv", values)
    return values.reshape(-1, 2)[loops]


def _corner_colours(data: bpy.types.Mesh, triangles: np.ndarray, loops: np.ndarray) -> np.ndarray | None:
    """sRGB (F, 3, 3) of the active colour attribute; None where there is none."""
    layer = data.color_attributes.active_color
    if layer is None or not len(loops):
        return None
    values = np.empty(len(layer.data) * 4, np.float32)
    layer.data.foreach_get("color", values)
    corners = triangles if layer.domain == "POINT" else loops
    return encode(values.reshape(-1, 4)[:, :3].astype(np.float64))[corners]


def _material(material: bpy.types.Material | None) -> Material:
    if material is None:
        return Material()
    if material.node_tree is None:
        return Material(_srgb(material.diffuse_color))
    for link in material.node_tree.links:
        if link.to_socket.name == "Base Color" and link.from_node.type == "TEX_IMAGE" and link.from_node.image:
            return Material(image=_pixels(link.from_node.image))
    for node in material.node_tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            return Material(_srgb(node.inputs["Base Color"].default_value))
    return Material(_srgb(material.diffuse_color))


def _srgb(linear: bpy.types.bpy_prop_array) -> tuple[float, float, float]:
    red, green, blue = encode(np.array(linear[:3], np.float64)).tolist()
    return red, green, blue


def _pixels(image: bpy.types.Image) -> np.ndarray:
    """sRGB (H, W, 3 or 4), top row first. Raises MeshUnusable where the file is missing."""
    width, height = image.size
    if not width or not height:
        raise MeshUnusable(f"its image {image.name} cannot be read", "Find the file by File > External Data.")
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    pixels = values.reshape(height, width, image.channels)[::-1]
    if image.channels < 3:
        pixels = np.repeat(pixels[:, :, :1], 3, axis=2)
    if image.is_float:
        pixels = np.concatenate([encode(pixels[:, :, :3].astype(np.float64)), pixels[:, :, 3:]], axis=2)
    return np.round(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8)


def _influences(figure: bpy.types.Object, bones: tuple[str, ...]) -> Influences | None:
    """The vertex groups that are bones; None where no vertex belongs to one."""
    number = {name: index for index, name in enumerate(bones)}
    bone_of = {group.index: number[group.name] for group in figure.vertex_groups if group.name in number}
    count = len(figure.data.vertices)
    found_bones = np.zeros((count, INFLUENCES_READ), np.int64)
    weights = np.zeros((count, INFLUENCES_READ), np.float32)
    for row, vertex in enumerate(figure.data.vertices):
        pairs = [(group.weight, bone_of[group.group]) for group in vertex.groups if group.group in bone_of]
        for column, (weight, bone) in enumerate(sorted(pairs, reverse=True)[:INFLUENCES_READ]):
            found_bones[row, column], weights[row, column] = bone, weight
    return Influences(found_bones, weights) if weights.any() else None


def _skeleton(armature: bpy.types.Object | None, bones: tuple[str, ...]) -> Skeleton | None:
    if armature is None or not bones:
        return None
    number = {name: index for index, name in enumerate(bones)}
    heads = np.array([armature.matrix_world @ armature.data.bones[name].head_local for name in bones])
    parents = []
    for name in bones:
        above = armature.data.bones[name].parent
        while above is not None and above.name not in number:
            above = above.parent
        parents.append(-1 if above is None else number[above.name])
    return Skeleton(heads, np.array(parents))
