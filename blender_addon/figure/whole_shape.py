# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes with what modifiers add to them. Blender makes them of copies; the artist's objects are only read, until
`take_over` gives them the meshes that their modifiers make.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from .shape_makers import applied_with, makers_of, mirrors_of

# On a copy's vertices: which of the object's own each of them is.
VERTEX_ID = "figurine_vertex"

# An object, the mesh to begin with, and the modifiers.
_Wanted = tuple[bpy.types.Object, bpy.types.Mesh, Sequence[bpy.types.Modifier]]


@dataclass(frozen=True, eq=False)
class Shape:
    """own: the mesh that gets the weights. whole: with what the Mirror modifiers add, and VERTEX_ID on its vertices;
    the same as own where there are none. Both at rest, in the object's space.
    """

    own: bpy.types.Mesh
    whole: bpy.types.Mesh


@contextmanager
def applied_meshes(items: Sequence[bpy.types.Object]) -> Iterator[dict[bpy.types.Object, bpy.types.Mesh]]:
    """For each object whose modifiers have to be applied the mesh that they make. Those that no object took over are
    removed afterwards.
    """
    chosen = [item for item in items if makers_of(item)]
    found = dict(zip(chosen, _evaluated([(item, item.data, applied_with(item)) for item in chosen]), strict=True))
    try:
        yield found
    finally:
        bpy.data.batch_remove([mesh for mesh in found.values() if not mesh.users])


@contextmanager
def whole_shapes(
    items: Sequence[bpy.types.Object], applied: Mapping[bpy.types.Object, bpy.types.Mesh]
) -> Iterator[list[Shape]]:
    """Of the objects, in their order; applied: those that are to be taken for another mesh than their own."""
    owned = [applied.get(item, item.data) for item in items]
    mirrored = [place for place, item in enumerate(items) if mirrors_of(item) and len(owned[place].polygons)]
    made = _evaluated([(items[place], owned[place], mirrors_of(items[place])) for place in mirrored], is_numbered=True)
    wholes = dict(zip(mirrored, made, strict=True))
    try:
        yield [Shape(mesh, wholes.get(place, mesh)) for place, mesh in enumerate(owned)]
    finally:
        bpy.data.batch_remove(made)


@contextmanager
def take_over(applied: Mapping[bpy.types.Object, bpy.types.Mesh]) -> Iterator[None]:
    """Inside, the objects have these meshes, and their makers are hidden. Afterwards the modifiers that made them are
    gone, as the old meshes are; where the body fails, all is as before.
    """
    old = {item: item.data for item in applied}
    spent = {item: applied_with(item) for item in applied}
    for item, mesh in applied.items():
        item.data = mesh
        for entry in spent[item]:
            entry.show_viewport = False
    try:
        yield
    except BaseException:
        for item, mesh in old.items():
            item.data = mesh
            for entry in spent[item]:
                entry.show_viewport = True
        raise
    for item, mesh in old.items():
        for entry in spent[item]:
            item.modifiers.remove(entry)
        _succeed(item.data, mesh)


def _succeed(new: bpy.types.Mesh, old: bpy.types.Mesh) -> None:
    """Under its name, with the artist's own properties; the old one goes where nobody else needs it."""
    for key, value in old.items():
        new[key] = value
    name, new.use_fake_user = old.name, old.use_fake_user
    old.use_fake_user = False
    if old.users:
        return
    bpy.data.meshes.remove(old)
    new.name = name


def _evaluated(
    shapes: Sequence[_Wanted],
    *,
    is_numbered: bool = False,
) -> list[bpy.types.Mesh]:
    """New meshes: what these modifiers alone make of the mesh on the object, without shape keys. is_numbered: with
    VERTEX_ID, and without vertex groups.
    """
    if not shapes:
        return []
    copies = [_copy(*shape) for shape in shapes]
    try:
        for copy in copies if is_numbered else ():
            copy.vertex_groups.clear()  # they would be copied for nothing
            ids = copy.data.attributes.new(VERTEX_ID, "INT", "POINT")
            ids.data.foreach_set("value", np.arange(len(ids.data), dtype=np.int32))
        depsgraph = bpy.context.evaluated_depsgraph_get()
        return [
            bpy.data.meshes.new_from_object(
                copy.evaluated_get(depsgraph), preserve_all_data_layers=True, depsgraph=depsgraph
            )
            for copy in copies
        ]
    finally:
        bpy.data.batch_remove([*copies, *(copy.data for copy in copies)])


def _copy(item: bpy.types.Object, mesh: bpy.types.Mesh, kept: Sequence[bpy.types.Modifier]) -> bpy.types.Object:
    """In the scene, where the object stands, with nothing that poses it."""
    names = {entry.name for entry in kept}
    copy = item.copy()
    copy.data = mesh.copy()
    if copy.data.shape_keys is not None:
        copy.shape_key_clear()
    for entry in list(copy.modifiers):
        if entry.name not in names:
            copy.modifiers.remove(entry)
    if copy.parent_type == "ARMATURE":
        copy.parent_type = "OBJECT"
    copy.hide_viewport = False
    bpy.context.scene.collection.objects.link(copy)
    return copy
