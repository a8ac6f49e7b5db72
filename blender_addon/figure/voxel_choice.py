# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects become one figure of voxels: the active mesh, and the selected ones that have the same armature."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ..phrases import phrase
from .voxel_source import armature_of

LEAVE_THE_MODE = "Leave the mode that the object is in first: Voxelize works in Object Mode."
NO_MESH = "Select a mesh: it becomes the active object."


@dataclass(frozen=True)
class Choice:
    """figure: gives the voxels their name and collections. others: voxelized with it. left: names of meshes that were
    selected and are not.
    """

    figure: bpy.types.Object
    others: tuple[bpy.types.Object, ...]
    left: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[bpy.types.Object, ...]:
        """All that become voxels."""
        return (self.figure, *self.others)

    @property
    def has_bones(self) -> bool:
        """Whether an armature moves it."""
        return armature_of(self.figure) is not None

    @property
    def warning(self) -> str:
        """What was selected and is not part of the figure; empty where nothing."""
        if not self.left:
            return ""
        names = ", ".join(self.left)
        if len(self.left) == 1:
            return phrase("{name} hangs on another armature, or on none, and stayed a mesh.", name=names)
        return phrase("{names} hang on another armature, or on none, and stayed meshes.", names=names)


def obstacle(context: bpy.types.Context) -> str:
    """Why nothing can be voxelized now, for the artist; empty where it can."""
    if context.mode != "OBJECT":
        return LEAVE_THE_MODE
    active = context.object
    if active is None:
        return NO_MESH
    if active.type == "EMPTY" and active.instance_collection is not None:
        return phrase(
            "{name} only shows a collection: use Object > Apply > Make Instances Real first.", name=active.name
        )
    if active.type == "ARMATURE":
        return (
            "" if _carried(context, active) else phrase("No mesh that can be seen belongs to {name}.", name=active.name)
        )
    if active.type != "MESH":
        return NO_MESH
    if not active.visible_get():
        return phrase("{name} is hidden: show it first.", name=active.name)
    return ""


def choice(context: bpy.types.Context) -> Choice:
    """What is voxelized where nothing is in the way. Of an active armature: all its meshes that can be seen."""
    active = context.object
    if active.type == "ARMATURE":
        meshes = _carried(context, active)
        figure = max(meshes, key=lambda item: len(item.data.vertices))
        return Choice(figure, tuple(item for item in meshes if item != figure))
    armature = armature_of(active)
    selected = [item for item in context.selected_objects if item.type == "MESH" and item != active]
    others = tuple(item for item in selected if armature_of(item) == armature)
    return Choice(active, others, tuple(item.name for item in selected if item not in others))


def _carried(context: bpy.types.Context, armature: bpy.types.Object) -> list[bpy.types.Object]:
    return [
        item
        for item in context.view_layer.objects
        if item.type == "MESH" and item.visible_get() and armature_of(item) == armature
    ]
