# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of small meshes: one for each kind of voxel, which Geometry Nodes show wherever a voxel is.

The object's own mesh has a vertex for each of them, with its colour and size, and the faces of what is behind them. The
modifier's switch Realize makes faces of all, with a UV map: for Apply, and for files that have no instances.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..voxel.arrays import Bytes
from ..voxel.figure_mesh import FigureInstances
from ..voxel.palette import palette_uv
from ..voxel.pieces import Piece
from .voxel_materials import PaletteMaterials

_PLACE, _SIZE, _KIND = "palette", "size", "kind"  # attributes of the vertices
_CORE, _BODY, _STUD = 0, 1, 2  # kinds
_UV = "Palette"
REALIZE = "Realize"  # the modifier's switch
_NODE_GAP = 200.0


def add_instances(
    name: str, figure: FigureInstances, palette: Bytes, collections: list[bpy.types.Collection]
) -> bpy.types.Object:
    """A new object in these collections."""
    materials = PaletteMaterials(name, palette, figure.light)
    on_instances, on_faces = materials.by_instance(_PLACE), materials.by_uv()
    made = bpy.data.objects.new(name, _mesh(name, figure))
    made.data.materials.append(on_faces)
    pieces = [(_piece_object(f"{name} Voxel", figure.style.body, figure.pitch, on_instances), _BODY)]
    if figure.instances.is_stud.any():
        pieces.append((_piece_object(f"{name} Stud", figure.style.stud, figure.pitch, on_instances), _STUD))
    modifier = made.modifiers.new("Voxels", "NODES")
    modifier.node_group = _node_group(name, pieces, on_faces)
    for collection in collections:
        collection.objects.link(made)
    return made


def _mesh(name: str, figure: FigureInstances) -> bpy.types.Mesh:
    """A vertex for each instance, then the core, whose faces share no vertices."""
    data = bpy.data.meshes.new(name)
    count, corners = len(figure.colour), figure.core.quads.size
    points = np.concatenate([figure.instances.centres, figure.core.vertices[figure.core.quads.reshape(-1)]])
    data.vertices.add(count + corners)
    data.vertices.foreach_set("co", points.astype(np.float32).reshape(-1))
    data.loops.add(corners)
    data.loops.foreach_set("vertex_index", np.arange(count, count + corners, dtype=np.int32))
    data.polygons.add(corners // 4)
    data.polygons.foreach_set("loop_start", np.arange(0, corners, 4, dtype=np.int32))
    place = np.zeros((count + corners, 3), np.float32)
    place[:, :2] = palette_uv(np.concatenate([figure.colour, np.repeat(figure.core_colour, 4)]))
    sizes = np.concatenate([figure.instances.sizes, np.ones((corners, 3))]).astype(np.float32)
    kinds = np.full(count + corners, _CORE, np.int32)
    kinds[:count] = np.where(figure.instances.is_stud, _STUD, _BODY)
    data.attributes.new(_PLACE, "FLOAT_VECTOR", "POINT").data.foreach_set("vector", place.reshape(-1))
    data.attributes.new(_SIZE, "FLOAT_VECTOR", "POINT").data.foreach_set("vector", sizes.reshape(-1))
    data.attributes.new(_KIND, "INT", "POINT").data.foreach_set("value", kinds)
    data.uv_layers.new(name=_UV).data.foreach_set("uv", place[count:, :2].reshape(-1))
    data.update(calc_edges=True)
    data.shade_flat()
    return data


def _piece_object(name: str, piece: Piece, pitch: float, material: bpy.types.Material) -> bpy.types.Object:
    """A piece as an object that is in no collection: only the nodes use it."""
    data = bpy.data.meshes.new(name)
    data.from_pydata((piece.vertices * pitch).tolist(), [], piece.quads.tolist())
    data.materials.append(material)
    shade(data, piece.normals)
    return bpy.data.objects.new(name, data)


def shade(data: bpy.types.Mesh, normals: np.ndarray | None) -> None:
    """Flat faces, or round ones with these normals (V, 3)."""
    if normals is None:
        data.shade_flat()
    else:
        data.shade_smooth()
        data.normals_split_custom_set_from_vertices(normals.tolist())


def _node_group(
    name: str, pieces: list[tuple[bpy.types.Object, int]], material: bpy.types.Material
) -> bpy.types.NodeTree:
    """The core, and instances of the pieces on the vertices of their kind; or, switched, the faces of all."""
    tree = bpy.data.node_groups.new(f"{name} Voxels", "GeometryNodeTree")
    tree.is_modifier = True
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    switch = tree.interface.new_socket(REALIZE, in_out="INPUT", socket_type="NodeSocketBool")
    switch.description = "Make faces of the voxels, for Apply and for export"
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    given = _node(tree, "NodeGroupInput", 0, 0)
    core = _node(tree, "GeometryNodeDeleteGeometry", 3, 1, domain="POINT")
    tree.links.new(given.outputs["Geometry"], core.inputs["Geometry"])
    tree.links.new(_is_kind(tree, _CORE, "NOT_EQUAL", 1), core.inputs["Selection"])
    joined = _node(tree, "GeometryNodeJoinGeometry", 4, 0)
    tree.links.new(core.outputs["Geometry"], joined.inputs[0])
    for row, (piece, kind) in enumerate(pieces, 2):
        shown = _node(tree, "GeometryNodeObjectInfo", 2, -row)
        shown.inputs["Object"].default_value = piece
        placed = _node(tree, "GeometryNodeInstanceOnPoints", 3, -row)
        tree.links.new(given.outputs["Geometry"], placed.inputs["Points"])
        tree.links.new(_is_kind(tree, kind, "EQUAL", -row), placed.inputs["Selection"])
        tree.links.new(shown.outputs["Geometry"], placed.inputs["Instance"])
        tree.links.new(_attribute(tree, _SIZE, "FLOAT_VECTOR", 1, -row), placed.inputs["Scale"])
        tree.links.new(placed.outputs["Instances"], joined.inputs[0])
    chosen = _node(tree, "GeometryNodeSwitch", 8, 0, input_type="GEOMETRY")
    tree.links.new(given.outputs[REALIZE], chosen.inputs["Switch"])
    tree.links.new(joined.outputs[0], chosen.inputs["False"])
    tree.links.new(_faces(tree, joined.outputs[0], material), chosen.inputs["True"])
    tree.links.new(chosen.outputs[0], _node(tree, "NodeGroupOutput", 9, 0).inputs["Geometry"])
    return tree


def _faces(
    tree: bpy.types.NodeTree, instances: bpy.types.NodeSocket, material: bpy.types.Material
) -> bpy.types.NodeSocket:
    """The instances as a mesh with a UV map and this material alone."""
    realized = _node(tree, "GeometryNodeRealizeInstances", 5, 1)
    uv = _node(tree, "GeometryNodeStoreNamedAttribute", 6, 1, data_type="FLOAT2", domain="CORNER")
    uv.inputs["Name"].default_value = _UV
    painted = _node(tree, "GeometryNodeSetMaterial", 7, 1)
    painted.inputs["Material"].default_value = material
    tree.links.new(instances, realized.inputs[0])
    tree.links.new(realized.outputs[0], uv.inputs["Geometry"])
    tree.links.new(_attribute(tree, _PLACE, "FLOAT_VECTOR", 5, 2), uv.inputs["Value"])
    tree.links.new(uv.outputs["Geometry"], painted.inputs["Geometry"])
    return painted.outputs["Geometry"]


def _is_kind(tree: bpy.types.NodeTree, kind: int, operation: str, row: int) -> bpy.types.NodeSocket:
    """Which vertices are of this kind, or of another."""
    compared = _node(tree, "FunctionNodeCompare", 1, row - 0.5, data_type="INT", operation=operation)
    first, second = (socket for socket in compared.inputs if socket.enabled)
    tree.links.new(_attribute(tree, _KIND, "INT", 0, row - 0.5), first)
    second.default_value = kind
    return next(socket for socket in compared.outputs if socket.enabled)


def _attribute(tree: bpy.types.NodeTree, name: str, kind: str, column: float, row: float) -> bpy.types.NodeSocket:
    node = _node(tree, "GeometryNodeInputNamedAttribute", column, row, data_type=kind)
    node.inputs["Name"].default_value = name
    return node.outputs["Attribute"]


def _node(tree: bpy.types.NodeTree, kind: str, column: float, row: float, **choices: str) -> bpy.types.Node:
    node = tree.nodes.new(kind)
    node.location = (column * _NODE_GAP, row * _NODE_GAP)
    for name, choice in choices.items():
        setattr(node, name, choice)
    return node
