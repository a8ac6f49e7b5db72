# SPDX-License-Identifier: GPL-3.0-or-later
"""Which meshes an armature moves. All that asks it asks here, so that what is posed is also re-skinned and exported."""

from __future__ import annotations

from collections.abc import Iterator

import bpy


def rigs_of(item: bpy.types.Object) -> list[bpy.types.Object]:
    """The armatures whose bones its vertices follow: by a modifier, or as the parent, which deforms without one."""
    found = [entry.object for entry in item.modifiers if entry.type == "ARMATURE" and entry.object is not None]
    if item.parent is not None and item.parent.type == "ARMATURE" and item.parent_type == "ARMATURE":
        found.append(item.parent)
    return found


def rig_of(item: bpy.types.Object) -> bpy.types.Object | None:
    """The armature whose bones its vertices follow, otherwise the one on which it hangs."""
    rigs = rigs_of(item)
    if rigs:
        return rigs[0]
    return item.parent if item.parent is not None and item.parent.type == "ARMATURE" else None


def is_bound(item: bpy.types.Object, armature: bpy.types.Object) -> bool:
    """Whether its vertices follow the armature's bones."""
    return armature in rigs_of(item)


def meshes_of(armature: bpy.types.Object, scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The scene's meshes whose vertices follow the bones."""
    return [item for item in scene.objects if item.type == "MESH" and is_bound(item, armature)]


def seen_meshes(armature: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """Those that can be seen and that the armature moves, as a whole or by its bones."""
    for item in bpy.context.view_layer.objects:
        if item.type == "MESH" and (is_bound(item, armature) or _hangs_on(item, armature)) and item.visible_get():
            yield item


def _hangs_on(item: bpy.types.Object, armature: bpy.types.Object) -> bool:
    while item.parent is not None:
        item = item.parent
        if item == armature:
            return True
    return False
