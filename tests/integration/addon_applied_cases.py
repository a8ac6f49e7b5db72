# SPDX-License-Identifier: GPL-3.0-or-later
"""Rig Selected Mesh on what modifiers make, inside Blender with a real draft server; test_rerig.py runs it."""

from __future__ import annotations

import bmesh
import bpy
import numpy as np

from tests.integration.addon_contents import data_blocks, figure_of
from tests.integration.addon_session import Session
from tests.integration.project_python import ROOT


def rig_what_modifiers_make(session: Session) -> None:
    """Half a character with a Mirror and a hat of Array are rigged together, by the button; one undo takes all back."""
    bpy.ops.wm.read_homefile(app_template="", use_empty=True)
    session.use_own_server()
    session.generate(ROOT / "examples" / "fox_kid.png", engine="auto", texture_px="1024", at_cursor=False)
    session.tick_until(lambda: session.job().is_imported)
    item, hat = _halved(bpy.context.view_layer.objects.active), _hat()
    bpy.ops.ed.undo_push(message="As the artist has it")
    try:
        bpy.ops.figurine.rig_mesh()
    except RuntimeError as error:
        assert "Hat gets its shape from a modifier (Array): turn on Apply Modifiers" in str(error), error
    else:
        raise AssertionError("it went on without being allowed to apply anything")
    blocks, before = data_blocks(), session.now.focus
    assert bpy.ops.figurine.rig_mesh(apply_modifiers=True) == {"FINISHED"}
    assert data_blocks() == blocks and len(hat.data.vertices) == 4, "nothing is changed before the result is here"
    session.tick_until(lambda: session.now.focus != before and session.job() is not None)
    session.tick_until(lambda: session.job().is_imported or session.job().state == "failed")
    assert session.job().state == "done" and session.job().is_imported, (session.job(), session.now.messages)
    rig = item.modifiers["Armature"].object
    assert [entry.type for entry in item.modifiers] == ["MIRROR", "ARMATURE"]
    assert [entry.type for entry in hat.modifiers] == ["ARMATURE"] and len(hat.data.vertices) == 12
    _each_side_follows_its_own(item, rig)
    bpy.ops.ed.undo()
    item, hat = bpy.data.objects["Half"], bpy.data.objects["Hat"]
    assert [entry.type for entry in item.modifiers] == ["MIRROR"] and not item.vertex_groups
    assert [entry.type for entry in hat.modifiers] == ["ARRAY"] and len(hat.data.vertices) == 4
    assert not bpy.data.armatures
    session.stop_server()


def _halved(rig: bpy.types.Object) -> bpy.types.Object:
    """The character's mesh without its bones, and of that its left half with a Mirror."""
    item = figure_of(rig)
    item.name = "Half"
    item.parent = None
    item.modifiers.clear()
    item.vertex_groups.clear()
    bpy.data.batch_remove([rig.data, rig])
    edited = bmesh.new()
    edited.from_mesh(item.data)
    everything = [*edited.verts, *edited.edges, *edited.faces]
    bmesh.ops.bisect_plane(edited, geom=everything, dist=1e-5, plane_no=(1, 0, 0), clear_inner=True)
    edited.to_mesh(item.data)
    edited.free()
    item.modifiers.new("Mirror", "MIRROR")
    item.select_set(True)
    bpy.context.view_layer.objects.active = item
    return item


def _hat() -> bpy.types.Object:
    """Three squares over each other on the head, of one."""
    mesh = bpy.data.meshes.new("Hat")
    mesh.from_pydata([(-0.2, -0.2, 1.3), (0.2, -0.2, 1.3), (0.2, 0.2, 1.3), (-0.2, 0.2, 1.3)], [], [(0, 1, 2, 3)])
    hat = bpy.data.objects.new("Hat", mesh)
    bpy.context.scene.collection.objects.link(hat)
    array = hat.modifiers.new("Array", "ARRAY")
    array.count, array.use_relative_offset, array.use_constant_offset = 3, False, True
    array.constant_offset_displace = (0.0, 0.0, 0.05)
    bpy.context.view_layer.update()
    hat.select_set(True)
    return hat


def _each_side_follows_its_own(item: bpy.types.Object, rig: bpy.types.Object) -> None:
    rest = _seen(item)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        posed = rig.pose.bones[f"lower_arm.{side}"]
        posed.rotation_mode, posed.rotation_euler = "XYZ", (0.0, 0.0, 0.8)
        bpy.context.view_layer.update()
        moves = np.linalg.norm(_seen(item) - rest, axis=1)
        assert moves.max() > 0.05 and (rest[moves > 1e-5, 0] * sign > 0.0).all(), side
        posed.rotation_euler = (0.0, 0.0, 0.0)
    bpy.context.view_layer.update()


def _seen(item: bpy.types.Object) -> np.ndarray:
    """(V, 3), with its modifiers."""
    mesh = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)
