# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of voxels as an object of the scene: palette texture, vertex groups, armature."""

from __future__ import annotations

import bpy
import numpy as np

from ..voxel.arrays import Bytes
from ..voxel.faces import QuadMesh
from ..voxel.figure_mesh import FigureMesh
from ..voxel.mesh import Influences
from ..voxel.palette import palette_uv
from .voxel_materials import PaletteMaterials
from .voxel_source import VoxelSource
from .voxel_styles import shade

WEIGHT_STEPS = 200  # vertices of the same bone and step are set by one call


def add_voxel_object(
    name: str, mesh: FigureMesh, palette: Bytes, collections: list[bpy.types.Collection]
) -> bpy.types.Object:
    """A new object in these collections."""
    data = voxel_mesh(name, mesh.quads, mesh.colour)
    shade(data, mesh.normals)
    data.materials.append(PaletteMaterials(name, palette, mesh.light).by_uv())
    made = bpy.data.objects.new(name, data)
    for collection in collections:
        collection.objects.link(made)
    return made


def voxel_mesh(name: str, quads: QuadMesh, colour: Bytes) -> bpy.types.Mesh:
    """Flat faces whose UV map leads each to its colour in the palette's picture; without a material.

    colour: (Q,), the palette's index of every quad.
    """
    data = bpy.data.meshes.new(name)
    data.vertices.add(len(quads.vertices))
    data.vertices.foreach_set("co", quads.vertices.astype(np.float32).reshape(-1))
    data.loops.add(quads.quads.size)
    data.loops.foreach_set("vertex_index", quads.quads.astype(np.int32).reshape(-1))
    data.polygons.add(len(quads.quads))
    data.polygons.foreach_set("loop_start", np.arange(0, quads.quads.size, 4, dtype=np.int32))
    layer = data.uv_layers.new(name="Palette")
    layer.data.foreach_set("uv", np.repeat(palette_uv(colour), 4, axis=0).astype(np.float32).reshape(-1))
    data.update(calc_edges=True)
    data.shade_flat()
    return data


def bind(made: bpy.types.Object, source: VoxelSource, influences: Influences) -> None:
    """Let the source's armature move the voxels."""
    armature = source.armature
    steps = np.round(influences.weights * WEIGHT_STEPS).astype(np.int64)
    key = influences.bones * (WEIGHT_STEPS + 1) + steps
    rows = np.repeat(np.arange(len(key)), key.shape[1])[steps.reshape(-1) > 0]
    key = key.reshape(-1)[steps.reshape(-1) > 0]
    order = np.argsort(key, kind="stable")
    key, rows = key[order], rows[order]
    groups = [made.vertex_groups.new(name=name) for name in source.bones]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    ends = [*starts[1:].tolist(), len(key)]
    for start, end, value in zip(starts.tolist(), ends, key[starts].tolist(), strict=False):
        bone, step = divmod(value, WEIGHT_STEPS + 1)
        groups[bone].add(rows[start:end].tolist(), step / WEIGHT_STEPS, "REPLACE")
    made.parent = armature
    made.matrix_parent_inverse = armature.matrix_world.inverted()
    made.modifiers.new("Armature", "ARMATURE").object = armature
