# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of voxels in the scene, in the place of the mesh that it was made from."""

from __future__ import annotations

import bpy

from ..voxel.figure_mesh import FigureInstances, FigureLook, FigureMesh, scene_figure
from ..voxel.voxelize import VoxelFigure
from .voxel_object import add_voxel_object, bind
from .voxel_source import VoxelSource
from .voxel_styles import add_instances


def make_figure(
    context: bpy.types.Context, original: bpy.types.Object, source: VoxelSource, figure: VoxelFigure, look: FigureLook
) -> bpy.types.Object:
    """Add the voxels beside the original and make them active."""
    return add_figure(context, original, source, figure, scene_figure(figure, source.skeleton, look))


def add_figure(
    context: bpy.types.Context,
    original: bpy.types.Object,
    source: VoxelSource,
    figure: VoxelFigure,
    mesh: FigureMesh | FigureInstances,
) -> bpy.types.Object:
    """As make_figure, of a mesh that was made before: only this part needs Blender's own thread."""
    # Collections of another file take no objects.
    own = [collection for collection in original.users_collection if collection.library is None]
    places = own or [context.scene.collection]
    name = f"{original.name} Voxels"
    if isinstance(mesh, FigureInstances):
        made = add_instances(name, mesh, figure.palette, places)
    else:
        made = add_voxel_object(name, mesh, figure.palette, places)
        if mesh.influences is not None:
            bind(made, source, mesh.influences)
    original.select_set(False)
    made.select_set(True)
    context.view_layer.objects.active = made
    return made
