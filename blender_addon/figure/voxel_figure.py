# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of voxels in the scene, in the place of the mesh that it was made from."""

from __future__ import annotations

import bpy
from mathutils import Matrix

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
    influences = None
    if isinstance(mesh, FigureInstances):
        made = add_instances(name, mesh, figure.palette, places)
    else:
        made, influences = add_voxel_object(name, mesh, figure.palette, places), mesh.influences
    if influences is not None:
        bind(made, source, influences)
    elif original.parent is not None:
        _follow(made, original)
    space = context.space_data
    if space is not None and space.type == "VIEW_3D" and space.local_view is not None:
        made.local_view_set(space, True)
    original.select_set(False)
    made.select_set(True)
    context.view_layer.objects.active = made
    return made


def _follow(made: bpy.types.Object, original: bpy.types.Object) -> None:
    """Hang the voxels, whose vertices are in world space, where the original hangs."""
    made.parent = original.parent
    carrier = original.parent.matrix_world
    if original.parent_type == "BONE":
        made.parent_type, made.parent_bone = "BONE", original.parent_bone
        bone = original.parent.data.bones[original.parent_bone]
        # What a bone carries hangs on its tail.
        carrier = carrier @ bone.matrix_local @ Matrix.Translation((0, bone.length, 0))
    made.matrix_parent_inverse = carrier.inverted_safe()
