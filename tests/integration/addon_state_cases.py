# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the add-on's importer: where the user is, and what comes of it."""

from __future__ import annotations

import addon_utils
import bpy
import numpy as np

from blender_addon import importer
from tests.integration.addon_contents import data_blocks, figure_of
from tests.integration.addon_scene import Bench, add_cube, mesh_points, user_state

ROUNDS = 12  # fifty of the whole way are a case of addon_cases.py


def case_it_comes_to_the_cursor_or_to_the_origin(bench: Bench) -> None:
    cursor = bpy.context.scene.cursor
    cursor.location = (3.0, -2.0, 0.5)
    cursor.rotation_euler = (1.0, 0.5, 0.2)
    there, origin = bench.bring("fox_kid"), bench.bring("fox_kid", at_cursor=False)
    assert tuple(there.location) == (3.0, -2.0, 0.5)
    assert tuple(origin.location) == (0.0, 0.0, 0.0)
    for rig in (there, origin):
        assert tuple(rig.rotation_euler) == (0.0, 0.0, 0.0)
        assert tuple(rig.scale) == (1.0, 1.0, 1.0)
    figure = figure_of(there)
    lowest = min((figure.matrix_world @ vertex.co).z for vertex in figure.data.vertices)
    assert abs(lowest - 0.5) < 1e-4


def case_only_the_armature_is_selected_afterwards(bench: Bench) -> None:
    add_cube()
    rig = bench.bring("fox_kid")
    assert bpy.context.mode == "OBJECT"
    assert bpy.context.view_layer.objects.active == rig
    assert list(bpy.context.view_layer.objects.selected) == [rig]


def case_solid_viewports_show_the_texture_on_request(bench: Bench) -> None:
    shadings = [area.spaces.active.shading for area in bpy.context.screen.areas if area.type == "VIEW_3D"]
    assert shadings
    bench.bring("fox_kid")
    assert {shading.color_type for shading in shadings} == {"MATERIAL"}
    bench.bring("fox_kid", show_texture=True)
    assert {shading.color_type for shading in shadings} == {"TEXTURE"}
    for shading in shadings:
        shading.color_type = "RANDOM"  # what the artist has chosen stays
    bench.bring("fox_kid", show_texture=True)
    assert {shading.color_type for shading in shadings} == {"RANDOM"}


def case_it_works_from_every_mode_of_other_objects(bench: Bench) -> None:
    for mode in ("EDIT", "SCULPT", "WEIGHT_PAINT", "VERTEX_PAINT", "TEXTURE_PAINT"):
        bpy.context.view_layer.objects.active = add_cube(mode)
        bpy.ops.object.mode_set(mode=mode)
        assert bench.bring("static").name in bpy.context.view_layer.objects
        assert bpy.context.mode == "OBJECT"
    bench.bring("fox_kid", enter_pose_mode=True)
    assert bpy.context.mode == "POSE"
    rig = bench.bring("adventurer", enter_pose_mode=True)
    assert (bpy.context.mode, bpy.context.object) == ("POSE", rig)
    assert [entry.name for entry in bpy.context.view_layer.objects if entry.mode == "POSE"] == [rig.name]


def case_it_works_with_an_active_collection_that_cannot_be_seen(bench: Bench) -> None:
    for trait in ("exclude", "hide_viewport", "collection.hide_viewport", "collection.hide_select"):
        collection = bpy.data.collections.new(trait)
        bpy.context.scene.collection.children.link(collection)
        layer = bpy.context.view_layer.layer_collection.children[collection.name]
        bpy.context.view_layer.active_layer_collection = layer
        if trait.startswith("collection."):
            setattr(collection, trait.partition(".")[2], True)
        else:
            setattr(layer, trait, True)
        active = bpy.context.view_layer.active_layer_collection.collection
        rig = bench.bring("fox_kid", enter_pose_mode=True)
        assert rig.visible_get()
        assert bpy.context.mode == "POSE"
        assert bpy.context.view_layer.active_layer_collection.collection == active
        assert not collection.all_objects


def case_it_is_seen_in_local_view(bench: Bench) -> None:
    cube = add_cube()
    bpy.context.view_layer.update()
    window = bpy.context.window_manager.windows[0]
    (area,) = (area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.view3d.localview()
        assert area.spaces.active.local_view is not None
        if not cube.local_view_get(area.spaces.active):  # before 5.0: a view without a window has no Local View
            bench.measured["note"] = "this Blender cannot show Local View without a window"
            return
    rig = bench.bring("fox_kid", enter_pose_mode=True)  # as from a timer: Blender does not know of the viewport
    assert bpy.context.mode == "POSE"
    for entry in (rig, figure_of(rig)):
        assert entry.local_view_get(area.spaces.active)


def case_it_comes_to_the_windows_scene_alone(bench: Bench) -> None:
    add_cube()
    first = bpy.context.scene
    bpy.ops.scene.new(type="LINK_COPY")
    second = bpy.context.scene
    assert first != second
    rig = bench.bring("fox_kid")
    assert rig.name in second.objects
    assert rig.name not in first.objects


def case_its_size_is_true_in_every_unit(bench: Bench) -> None:
    for unit in (0.01, 1.0, 10.0, 0.3048):
        units = bpy.context.scene.unit_settings
        units.scale_length = unit
        rig = bench.bring("fox_kid")
        points = mesh_points(figure_of(rig))
        assert abs(np.ptp(points[:, 2]) * unit - 1.7) < 1e-3
        assert tuple(rig.scale) == tuple(figure_of(rig).scale) == (1.0, 1.0, 1.0)
        for bone in bench.rig("fox_kid")["bones"]:
            held = rig.data.bones[bone["name"]]
            assert np.abs(np.array(held.tail_local) * unit - bone["tail"]).max() < 1e-5
        assert abs(units.scale_length - unit) < 1e-6


def case_without_a_unit_system_a_unit_is_a_metre(bench: Bench) -> None:
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = "NONE", 0.01
    points = mesh_points(figure_of(bench.bring("fox_kid")))
    assert abs(np.ptp(points[:, 2]) - 1.7) < 1e-3


def case_it_works_where_the_user_switched_the_importer_off(bench: Bench) -> None:
    addon_utils.disable("io_scene_fbx")
    bench.bring("fox_kid")
    assert not addon_utils.check("io_scene_fbx")[1]
    addon_utils.enable("io_scene_fbx")


def case_who_poses_goes_on_where_that_is_wished(bench: Bench) -> None:
    posed, beside = bench.bring("adventurer", enter_pose_mode=True), add_cube()
    bpy.context.view_layer.objects.active = posed
    posed.data.bones.active = posed.data.bones["lower_arm.L"]
    before = user_state()
    rig = bench.bring("fox_kid", enter_pose_mode=True, keep_mode=True)
    assert (rig.mode, rig.select_get()) == ("OBJECT", False)
    assert (bpy.context.mode, bpy.context.object, beside.select_get()) == ("POSE", posed, True)
    assert posed.data.bones.active.name == "lower_arm.L"
    mode, active, objects, *others = user_state()
    known = [state for state in objects if state[0] in [entry[0] for entry in before[2]]]
    assert (mode, active, known, *others) == before


def case_one_undo_takes_it_back_and_one_redo_brings_it_again(bench: Bench) -> None:
    for mode in ("OBJECT", "EDIT"):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        add_cube()
        bpy.ops.ed.undo_push(message="A cube")
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode=mode)
            bpy.ops.ed.undo_push(message="Another mode")
        before = data_blocks()
        name = bench.bring("fox_kid", enter_pose_mode=True).name
        bpy.ops.ed.undo_push(message="Import")
        after = data_blocks()
        assert before != after
        window = bpy.context.window_manager.windows[0]
        with bpy.context.temp_override(window=window, area=window.screen.areas[0]):
            bpy.ops.ed.undo()
            assert data_blocks() == before
            assert bpy.context.mode.startswith(mode)
        window = bpy.context.window_manager.windows[0]
        with bpy.context.temp_override(window=window, area=window.screen.areas[0]):
            bpy.ops.ed.redo()
        assert data_blocks() == after
        assert bpy.context.mode == "POSE"
        assert len(figure_of(bpy.data.objects[name]).modifiers) == 1


def case_it_survives_saving_and_loading(bench: Bench) -> None:
    rig = bench.bring("fox_kid")
    points, facts = mesh_points(figure_of(rig)), dict(rig.items())
    name, blocks, groups = rig.name, data_blocks(), [group.name for group in rig.data.collections]
    assert groups[:4] == ["Spine", "Head", "Arms", "Legs"]
    path = str(bench.scratch / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    rig = bpy.data.objects[name]
    figure = figure_of(rig)
    assert data_blocks() == blocks
    assert np.array_equal(mesh_points(figure), points)
    assert dict(rig.items()) == facts
    image = figure.data.materials[0].node_tree.nodes.active.image
    assert image.packed_file is not None
    assert tuple(image.size) == (1024, 1024)
    assert 0.05 < np.std(np.array(image.pixels[:], np.float32))
    assert [group.name for group in rig.data.collections] == groups


def case_rounds_of_import_and_delete_leave_nothing(bench: Bench) -> None:
    add_cube()
    before = data_blocks()
    for _ in range(ROUNDS):
        rig = bench.bring("static")
        collection = rig.users_collection[0]
        bpy.data.batch_remove([*rig.children, rig, collection])
        bpy.ops.outliner.orphans_purge(do_recursive=True)
    assert data_blocks() == before


def case_the_result_is_left_as_it_was(bench: Bench) -> None:
    folder = bench.copy("fox_kid")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    importer.import_result(bpy.context, folder, importer.ImportOptions(), {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def case_nothing_to_wait_for_when_nothing_runs(bench: Bench) -> None:
    state = user_state()
    assert importer.reason_to_wait(bpy.context) == ""
    assert user_state() == state
