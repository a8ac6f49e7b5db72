# SPDX-License-Identifier: GPL-3.0-or-later
"""Which modifiers of a mesh make what is seen of it.

Bones and weights belong to the mesh's own vertices. Modifiers that move them, or that smooth, split and thicken what
they span, follow the pose by themselves. A Mirror follows it where it stands before the Armature modifier and swaps the
sides' vertex groups. What others make has no weights of its own, or stays behind: they have to be applied first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import bpy

# Vertices from elsewhere, or all anew.
_MAKERS = {
    *("ARRAY", "BOOLEAN", "EXPLODE", "FLUID", "MESH_CACHE", "MESH_SEQUENCE_CACHE", "NODES", "OCEAN"),
    *("PARTICLE_INSTANCE", "SCREW", "SKIN", "VOLUME_TO_MESH"),
}
# Without these the mesh has another outline than a picture of it.
_OUTLINES = ("MIRROR", "ARRAY", "SKIN", "NODES")
# Nodes that hand on the vertices that they are given, where they are.
_PLAIN_NODES = {
    "NodeGroupInput",
    "NodeReroute",
    "GeometryNodeCaptureAttribute",
    "GeometryNodeRemoveAttribute",
    "GeometryNodeSetGeometryName",
    "GeometryNodeSetMaterial",
    "GeometryNodeSetMaterialIndex",
    "GeometryNodeSetMeshNormal",
    "GeometryNodeSetShadeSmooth",
    "GeometryNodeStoreNamedAttribute",
    "GeometryNodeSwitch",
    "GeometryNodeViewer",
}


def makers_of(item: bpy.types.Object) -> list[bpy.types.Modifier]:
    """Those that are shown and have to be applied before the mesh is bound to bones, in their order. On a mesh that
    has an armature: those that come before it.
    """
    stack = _before_bones(item)
    mirrors = [place for place, entry in enumerate(stack) if entry.type == "MIRROR"]
    # A Remesh behind the bones remeshes what is posed; one before them drops the weights.
    last = len(stack) if len(stack) < len(item.modifiers) else max(mirrors, default=0)
    return [
        entry
        for place, entry in enumerate(stack)
        if entry.show_viewport and (_is_maker(entry) or (entry.type == "REMESH" and place < last))
    ]


def applied_with(item: bpy.types.Object) -> list[bpy.types.Modifier]:
    """What is applied where its makers are: all that is shown, up to the last of them."""
    makers = makers_of(item)
    if not makers:
        return []
    stack = list(item.modifiers)
    return [entry for entry in stack[: stack.index(makers[-1]) + 1] if entry.show_viewport]


def mirrors_of(item: bpy.types.Object) -> list[bpy.types.Modifier]:
    """The Mirror modifiers that are shown, in their order; those that are applied with the makers are not among
    them.
    """
    applied = applied_with(item)
    return [
        entry for entry in item.modifiers if entry.type == "MIRROR" and entry.show_viewport and entry not in applied
    ]


def swapping_mirrors_of(item: bpy.types.Object) -> list[bpy.types.Modifier]:
    """Those of its mirrors that have to give each side its own bones: they come before the armature, or there is
    none.
    """
    before = _before_bones(item)
    return [entry for entry in mirrors_of(item) if entry in before]


def place_for_bones(item: bpy.types.Object) -> int:
    """Where in the stack an Armature modifier belongs: behind all mirrors, before what smooths or thickens."""
    return max((place + 1 for place, entry in enumerate(item.modifiers) if entry.type == "MIRROR"), default=0)


def outlines_of(item: bpy.types.Object) -> list[bpy.types.Modifier]:
    """Those that are shown and without which the mesh has another outline."""
    return [
        entry
        for entry in item.modifiers
        if entry.show_viewport and entry.type in _OUTLINES and (entry.type == "MIRROR" or _is_maker(entry))
    ]


def names_of(modifiers: Iterable[bpy.types.Modifier]) -> str:
    """Their kinds, for the artist."""
    return ", ".join(dict.fromkeys(entry.bl_rna.properties["type"].enum_items[entry.type].name for entry in modifiers))


def _before_bones(item: bpy.types.Object) -> Sequence[bpy.types.Modifier]:
    """All of them, on a mesh without an armature; none where its parent deforms it, which comes first."""
    if item.parent is not None and item.parent.type == "ARMATURE" and item.parent_type == "ARMATURE":
        return []
    stack = list(item.modifiers)
    bones = [place for place, entry in enumerate(stack) if entry.type == "ARMATURE" and entry.object is not None]
    return stack[: bones[0]] if bones else stack


def _is_maker(modifier: bpy.types.Modifier) -> bool:
    if modifier.type == "NODES":
        return modifier.node_group is not None and not _is_plain(modifier.node_group, set())
    return modifier.type in _MAKERS


def _is_plain(tree: bpy.types.NodeTree, seen: set[str]) -> bool:
    """Whether all that leaves the nodes is the mesh that goes in, such as Smooth by Angle, which Shade Auto Smooth
    adds.
    """
    seen.add(tree.name_full)
    for node in tree.nodes:
        if not any(socket.type == "GEOMETRY" for socket in node.outputs):
            continue
        inner = getattr(node, "node_tree", None)
        if inner is not None and (inner.name_full in seen or _is_plain(inner, seen)):
            continue
        if node.bl_idname not in _PLAIN_NODES:
            return False
    return True
