# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the scene as what is voxelized: their rest shape in world space, their colours, their bones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..phrases import phrase
from ..vertex_groups import read_bone_weights
from ..voxel.arrays import Floats, Ints
from ..voxel.blocky import Skeleton
from ..voxel.errors import MeshUnusable, UvMissing
from ..voxel.mesh import Influences, SurfaceMesh
from ..voxel.oklab import encode
from .voxel_colours import MaterialReader, MaterialSource
from .voxel_parts import SourcePart, joined

INFLUENCES_READ = 8  # of a vertex, the strongest; voxels keep four


@dataclass(frozen=True)
class VoxelSource:
    """mesh: world space. armature: what deforms it, or None; then bones is empty and skeleton None. objects: all that
    are in it.
    """

    mesh: SurfaceMesh
    armature: bpy.types.Object | None
    bones: tuple[str, ...]
    skeleton: Skeleton | None
    objects: tuple[bpy.types.Object, ...] = ()


def read_source(figure: bpy.types.Object, others: Sequence[bpy.types.Object] = ()) -> VoxelSource:
    """The mesh as it looks without its pose, with others that have the same armature, or none. Raises VoxelError."""
    bpy.context.view_layer.update()  # right after an undo, as in the redo panel, no object knows where it is
    armature = armature_of(figure)
    bones = tuple(bone.name for bone in armature.data.bones if bone.use_deform) if armature else ()
    reader, objects = MaterialReader(), (figure, *others)
    mesh = joined([_part(item, armature, bones, reader) for item in objects])
    if mesh.influences is None:
        return VoxelSource(mesh, None, (), None, objects)
    mesh = replace(mesh, bone_names=bones)
    return VoxelSource(mesh, armature, bones, _skeleton(armature, bones), objects)


def armature_of(figure: bpy.types.Object) -> bpy.types.Object | None:
    """What deforms the object, or carries it."""
    above = figure.parent
    return figure.find_armature() or (above if above is not None and above.type == "ARMATURE" else None)


def _part(
    figure: bpy.types.Object, armature: bpy.types.Object | None, bones: tuple[str, ...], reader: MaterialReader
) -> SourcePart:
    with _unposed(figure) as (shown, data):
        data.calc_loop_triangles()
        triangles, loops = _integers(data.loop_triangles, "vertices", 3), _integers(data.loop_triangles, "loops", 3)
        matrix = _rest_matrix(figure)
        vertices = np.empty(len(data.vertices) * 3, np.float32)
        data.vertices.foreach_get("co", vertices)
        with np.errstate(all="ignore"):  # a vertex may be anywhere; voxelize judges it
            world = vertices.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
        if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored object: its faces would look inwards
            triangles, loops = triangles[:, ::-1], loops[:, ::-1]
        materials = tuple(reader.read(slot.material) for slot in shown.material_slots) or (MaterialSource.plain(),)
        indices = np.clip(_integers(data.loop_triangles, "material_index", 1).reshape(-1), 0, len(materials) - 1)
        has_image = any(entry.material.image is not None for entry in materials)
        return SourcePart(
            world,
            triangles,
            _uv(data, loops, materials, indices) if has_image else None,
            indices,
            tuple(entry.material for entry in materials),
            None if has_image else _corner_colours(data, triangles, loops),
            influences_of(figure, data, armature, bones),
        )


@contextlib.contextmanager
def _unposed(figure: bpy.types.Object) -> Iterator[tuple[bpy.types.Object, bpy.types.Mesh]]:
    """The object and its mesh with modifiers and shape keys, and without what its armature does to them."""
    posing = [modifier for modifier in figure.modifiers if modifier.type == "ARMATURE"]
    if len(posing) == len(figure.modifiers) and figure.data.shape_keys is None:
        yield figure, figure.data
        return
    posing = [modifier for modifier in posing if modifier.show_viewport]
    parent_type = figure.parent_type
    for modifier in posing:
        modifier.show_viewport = False
    try:
        if parent_type == "ARMATURE":  # a parent that deforms without a modifier
            figure.parent_type = "OBJECT"
        depsgraph = bpy.context.evaluated_depsgraph_get()
        evaluated = figure.evaluated_get(depsgraph)
        yield evaluated, evaluated.to_mesh(preserve_all_data_layers=True, depsgraph=depsgraph)
        evaluated.to_mesh_clear()
    finally:
        for modifier in posing:
            modifier.show_viewport = True
        figure.parent_type = parent_type


def _rest_matrix(figure: bpy.types.Object) -> Floats:
    """(4, 4) to the world: of an object that a bone carries, where that bone rests."""
    matrix = figure.matrix_world
    if figure.parent is not None and figure.parent_type == "BONE":
        bone = figure.parent.pose.bones[figure.parent_bone]
        carrier = figure.parent.matrix_world
        matrix = carrier @ bone.bone.matrix_local @ (carrier @ bone.matrix).inverted_safe() @ matrix
    return np.array(matrix, np.float64)


def _integers(collection: bpy.types.bpy_prop_collection, name: str, width: int) -> Ints:
    values = np.empty(len(collection) * width, np.int32)
    collection.foreach_get(name, values)
    return values.reshape(-1, width).astype(np.int64)


def _uv(data: bpy.types.Mesh, loops: Ints, materials: tuple[MaterialSource, ...], indices: Ints) -> Floats:
    """(F, 3, 2): of each face the map that its material's picture lies on. Raises UvMissing."""
    layers = {layer.name: layer for layer in data.uv_layers}
    rendered = next((layer.name for layer in data.uv_layers if layer.active_render), "")
    found = np.zeros((len(loops), 3, 2), np.float32)
    names = [entry.uv_name if entry.uv_name in layers else rendered for entry in materials]
    for name in dict.fromkeys(names):
        own = np.isin(indices, [index for index, used in enumerate(names) if used == name])
        if name:
            values = np.empty(len(data.loops) * 2, np.float32)
            layers[name].data.foreach_get("uv", values)
            found[own] = values.reshape(-1, 2)[loops[own]]
        elif own.any():
            raise UvMissing()
    return found


def _corner_colours(data: bpy.types.Mesh, triangles: Ints, loops: Ints) -> Floats | None:
    """sRGB (F, 3, 3) of the active colour attribute; None where there is none."""
    layer = data.color_attributes.active_color
    if layer is None or not len(loops):
        return None
    values = np.empty(len(layer.data) * 4, np.float32)
    layer.data.foreach_get("color", values)
    corners = triangles if layer.domain == "POINT" else loops
    return encode(values.reshape(-1, 4)[:, :3].astype(np.float64))[corners]


def influences_of(
    figure: bpy.types.Object, data: bpy.types.Mesh, armature: bpy.types.Object | None, bones: tuple[str, ...]
) -> Influences | None:
    """The vertex groups that are bones, or the bone that carries it all; None where no bone moves it."""
    number = {name: index for index, name in enumerate(bones)}
    count = len(data.vertices)
    if armature is not None and figure.parent == armature and figure.parent_type == "BONE":
        if figure.parent_bone in number:
            return Influences(np.full((count, 1), number[figure.parent_bone]), np.ones((count, 1), np.float32))
    held = read_bone_weights(figure, data, number)
    places = held.places
    few = places < INFLUENCES_READ
    if not few.any():
        return None
    rows = held.vertices[few], places[few]
    found = Influences(np.zeros((count, INFLUENCES_READ), np.int64), np.zeros((count, INFLUENCES_READ), np.float32))
    found.bones[rows], found.weights[rows] = held.bones[few], held.weights[few]
    return found


def _skeleton(armature: bpy.types.Object, bones: tuple[str, ...]) -> Skeleton:
    """Raises MeshUnusable where the armature has no extent."""
    if not armature.matrix_world.determinant():
        raise MeshUnusable(
            phrase("its armature {name} is scaled to nothing", name=armature.name),
            "Give the armature a scale first.",
        )
    number = {name: index for index, name in enumerate(bones)}
    heads = np.array([armature.matrix_world @ armature.data.bones[name].head_local for name in bones])
    parents = []
    for name in bones:
        above = armature.data.bones[name].parent
        while above is not None and above.name not in number:
            above = above.parent
        parents.append(-1 if above is None else number[above.name])
    return Skeleton(heads, np.array(parents))
