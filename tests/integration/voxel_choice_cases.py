# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects become one figure of voxels, where it hangs, and what is said where nothing can be voxelized."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np

from blender_addon.figure.voxel_choice import choice, obstacle
from blender_addon.operators.voxel_options import draw_options
from tests.integration.layout_recorder import Recorder
from tests.integration.voxel_cases import arm, bend, choose, refusal, shown_colours, voxelize, world_points
from tests.integration.voxel_input_cases import GREEN, RED, cube, plain_image, textured


def dressed() -> tuple[bpy.types.Object, bpy.types.Object, bpy.types.Object, bpy.types.Object]:
    """The limb with a hat that its upper bone carries, and a coat with weights: limb, hat, coat, armature."""
    limb, rig = arm()
    hat = cube(size=2, location=(0, 0, 9))
    textured(plain_image(RED), hat)
    hat.parent, hat.parent_type, hat.parent_bone = rig, "BONE", "upper"
    hat.matrix_world.translation = (0, 0, 9)
    coat = cube(size=3, location=(0, 0, 2))
    coat.data.color_attributes.new("paint", "FLOAT_COLOR", "POINT")
    coat.data.color_attributes[0].data.foreach_set("color", np.tile((*GREEN, 1.0), len(coat.data.vertices)))
    coat.vertex_groups.new(name="lower").add(range(8), 1, "REPLACE")
    coat.modifiers.new("Armature", "ARMATURE").object = rig
    bpy.context.view_layer.update()
    return limb, hat, coat, rig


def select(active: bpy.types.Object, *others: bpy.types.Object) -> None:
    choose(active)
    for item in others:
        item.select_set(True)


def case_meshes_of_one_armature_become_one_figure() -> None:
    limb, hat, coat, rig = dressed()
    stranger = cube(location=(20, 0, 0))
    select(limb, hat, coat, stranger)
    assert choice(bpy.context).warning == f"{stranger.name} hangs on another armature, or on none, and stayed a mesh."
    bend(rig, 60)
    bpy.context.view_layer.update()
    made = voxelize(size=40, colour="MEAN")
    assert [item.hide_get() for item in (limb, hat, coat, stranger)] == [True, True, True, False]
    bend(rig, 0)
    points = world_points(made)
    np.testing.assert_allclose([points[:, 2].min(), points[:, 2].max()], [0, 10], atol=1e-4)
    colours = shown_colours(made)
    heights = np.array([polygon.center.z for polygon in made.data.polygons])
    np.testing.assert_allclose(colours[heights > 8.3], np.tile(RED, ((heights > 8.3).sum(), 1)), atol=0.01)
    sides = np.array([abs(polygon.center.x) > 1.2 and 0.8 < polygon.center.z < 3.2 for polygon in made.data.polygons])
    assert sides.any()
    np.testing.assert_allclose(colours[sides], np.tile(GREEN, (sides.sum(), 1)), atol=0.01)
    bend(rig, 60)
    away = np.linalg.norm(world_points(made) - points, axis=1)
    assert (away[points[:, 2] > 8.3] > 1).all()
    assert (away[points[:, 2] < 3] < 1e-4).all()


def case_one_undo_shows_all_meshes_again() -> None:
    names = [item.name for item in dressed()[:3]]
    select(*(bpy.data.objects[name] for name in names))
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.figurine.voxelize("EXEC_DEFAULT", True, size=16) == {"FINISHED"}
    bpy.ops.ed.undo()
    assert f"{names[0]} Voxels" not in bpy.data.objects
    assert not any(bpy.data.objects[name].hide_get() or bpy.data.objects[name].hide_render for name in names)
    assert sorted(item.name for item in bpy.context.selected_objects) == sorted(names)


def case_an_active_armature_stands_for_its_meshes_that_are_seen() -> None:
    limb, hat, coat, rig = dressed()
    coat.hide_set(True)
    choose(rig)
    assert choice(bpy.context).objects == (limb, hat)
    made = voxelize(size=16)
    assert made.name == f"{limb.name} Voxels"
    assert limb.hide_get() and hat.hide_get()
    for item in (made, coat):
        item.hide_set(True)
    choose(rig)
    assert obstacle(bpy.context) == "No mesh that can be seen belongs to rig."


def case_voxels_hang_where_the_mesh_hung() -> None:
    anchor = bpy.data.objects.new("anchor", None)
    bpy.context.collection.objects.link(anchor)
    anchor.location, anchor.scale = (1, 2, 3), (2, 2, 2)
    item = cube(location=(5, 0, 0))
    item.parent = anchor
    bpy.context.view_layer.update()
    before = world_points(item)
    made = voxelize(size=4)
    np.testing.assert_allclose(world_points(made).min(0), before.min(0), atol=1e-5)
    anchor.location.z += 1
    np.testing.assert_allclose(world_points(made).min(0), before.min(0) + np.array((0, 0, 1)), atol=1e-5)


def case_what_a_bone_carries_moves_with_it() -> None:
    for style in ("SMOOTH", "NONE"):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        _, hat, _, rig = dressed()
        bend(rig, 40)
        bpy.context.view_layer.update()
        posed = world_points(hat)
        choose(hat)
        made = voxelize(size=4, rig=style)
        points = world_points(made)
        for corner in posed:
            assert np.linalg.norm(points - corner, axis=1).min() < 1e-4, style


def case_selected_meshes_without_an_armature_become_one_figure() -> None:
    first, second = cube(), cube(location=(1, 0, 0))
    select(first, second)
    points = world_points(voxelize(size=4))
    np.testing.assert_allclose(np.ptp(points, axis=0), [2, 1, 1], atol=1e-5)
    assert first.hide_get() and second.hide_get()


def case_what_is_in_the_way_is_said() -> None:
    assert obstacle(bpy.context) == "Select a mesh: it becomes the active object."
    item = cube()
    assert obstacle(bpy.context) == ""
    bpy.ops.object.mode_set(mode="EDIT")
    assert "Leave the mode" in refusal()
    bpy.ops.object.mode_set(mode="OBJECT")
    item.hide_set(True)
    bpy.context.view_layer.objects.active = item
    assert f"{item.name} is hidden: show it first." in refusal()
    item.hide_set(False)
    shelf = bpy.data.collections.new("shelf")
    bpy.context.scene.collection.children.link(shelf)
    shelf.objects.link(item)
    bpy.context.scene.collection.objects.unlink(item)
    choose(item)
    bpy.context.view_layer.layer_collection.children["shelf"].hide_viewport = True
    assert f"{item.name} is hidden: show it first." in refusal()
    shown = bpy.data.objects.new("shown", None)
    shown.instance_type, shown.instance_collection = "COLLECTION", shelf
    bpy.context.scene.collection.objects.link(shown)
    choose(shown)
    assert "shown only shows a collection: use Object > Apply > Make Instances Real first." in refusal()
    bpy.ops.object.light_add()
    assert "Select a mesh" in refusal()


def case_only_what_applies_is_offered() -> None:
    recorded = {}
    for palette in ("FOUND", "IMAGE", "FIGURINE_16"):
        for has_bones in (True, False):
            layout = Recorder()
            rna = bpy.ops.figurine.voxelize.get_rna_type()
            choices = {"palette": palette, "has_bones": has_bones, "for_print": False, "emission": 0.0}
            draw_options(layout, SimpleNamespace(bl_rna=rna, **choices))
            recorded[palette, has_bones] = layout.text
    assert {key for key, text in recorded.items() if "{Rig}" in text} == {key for key in recorded if key[1]}
    assert {key for key, text in recorded.items() if "{Palette Size}" in text} == {("FOUND", True), ("FOUND", False)}
    assert {key for key, text in recorded.items() if "{Image}" in text} == {("IMAGE", True), ("IMAGE", False)}
    assert all("{Size}" in text and "{Wall}" in text for text in recorded.values())
