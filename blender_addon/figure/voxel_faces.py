# SPDX-License-Identifier: GPL-3.0-or-later
"""An object as faces of one colour each, as it looks now: posed, and with its modifiers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import bpy
import numpy as np

from ..voxel.colour import texels_at, to_bytes
from ..voxel.errors import MeshUnusable
from ..voxel.mesh_files import PaintedFaces
from .node_inputs import is_on, switch
from .voxel_colours import MaterialReader
from .voxel_styles import REALIZE

PALETTE_UV = "Palette"  # the UV map of every figure of voxels


def is_voxel_figure(item: bpy.types.Object) -> bool:
    """Whether Figurine made its faces."""
    return item.type == "MESH" and PALETTE_UV in item.data.uv_layers


def read_faces(item: bpy.types.Object) -> PaintedFaces:
    """The faces of a figure of voxels, in world space. Raises MeshUnusable."""
    with realized(item):
        depsgraph = bpy.context.evaluated_depsgraph_get()
        evaluated = item.evaluated_get(depsgraph)
        data = evaluated.to_mesh(preserve_all_data_layers=True, depsgraph=depsgraph)
        try:
            return _faces_of(evaluated, data)
        finally:
            evaluated.to_mesh_clear()


@contextlib.contextmanager
def realized(item: bpy.types.Object) -> Iterator[None]:
    """Instances as faces, where it has any."""
    switches = [
        (modifier, entry.identifier)
        for modifier in item.modifiers
        if modifier.type == "NODES" and modifier.node_group is not None
        for entry in modifier.node_group.interface.items_tree
        if entry.name == REALIZE
    ]
    before = [is_on(modifier, identifier) for modifier, identifier in switches]
    try:
        for modifier, identifier in switches:
            switch(modifier, identifier, True)
            item.update_tag()
        yield
    finally:
        for (modifier, identifier), value in zip(switches, before, strict=True):
            switch(modifier, identifier, value)
            item.update_tag()


def _faces_of(shown: bpy.types.Object, data: bpy.types.Mesh) -> PaintedFaces:
    if not len(data.polygons) or PALETTE_UV not in data.uv_layers:
        raise MeshUnusable("it has no faces", "Choose a figure of voxels.")
    sizes = _read(data.polygons, "loop_total", np.int32, 1).reshape(-1).astype(np.int64)
    starts = _read(data.polygons, "loop_start", np.int32, 1).reshape(-1)
    material = _read(data.polygons, "material_index", np.int32, 1).reshape(-1)
    uv = _read(data.uv_layers[PALETTE_UV].data, "uv", np.float32, 2)[starts]
    corners = _read(data.loops, "vertex_index", np.int32, 1).reshape(-1).astype(np.int64)
    matrix = np.array(shown.matrix_world, np.float64)
    vertices = _read(data.vertices, "co", np.float32, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    colours = np.zeros((len(sizes), 3), np.uint8)
    reader = MaterialReader()
    slots = [reader.read(slot.material).material for slot in shown.material_slots]
    for index, entry in enumerate(slots):
        own = np.flatnonzero(np.clip(material, 0, len(slots) - 1) == index)
        if entry.image is None:
            colours[own] = to_bytes(np.array(entry.colour[:3]))
        else:
            colours[own] = to_bytes(texels_at(entry.image, uv[own])[:, :3])
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored object: its faces would look inwards
        return PaintedFaces(vertices, corners[::-1], sizes[::-1], colours[::-1])
    return PaintedFaces(vertices, corners, sizes, colours)


def _read(collection: bpy.types.bpy_prop_collection, name: str, kind: type, width: int) -> np.ndarray:
    values = np.empty(len(collection) * width, kind)
    collection.foreach_get(name, values)
    return values.reshape(-1, width)
