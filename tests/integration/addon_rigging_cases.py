# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of Rig Selected Mesh: figures that lost their bones, with bones and weights of the draft pipeline."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from blender_addon.errors import ImportFailed
from blender_addon.figure.rig_mesh import chosen_meshes, obstacle, rig_meshes
from blender_addon.figure.sent_body import unapplied
from blender_addon.operators.rig_mesh import rig_request
from blender_addon.pose.bound import meshes_of
from tests.integration.addon_contents import data_blocks, figure_of
from tests.integration.addon_scene import Bench, add_cube, mesh_points
from tests.integration.pose_measures import register_pose_operators
from tests.integration.rig_bench import answer, register_request

ORIGIN = {"job": "7", "server": "http://127.0.0.1:1"}
SAME_m = 1e-4


def bare(bench: Bench, name: str = "fox_kid") -> bpy.types.Object:
    """The mesh of a figure without its bones, as an artist has one: active and selected."""
    register_request()
    register_pose_operators()
    rig = bench.bring(name)
    item = figure_of(rig)
    item.parent = None
    item.modifiers.clear()
    item.vertex_groups.clear()
    bpy.data.objects.remove(rig)
    item.select_set(True)
    bpy.context.view_layer.objects.active = item
    return item


def ask(bench: Bench) -> tuple[Any, Any]:
    """The request of the selected meshes, and the folder of its answer."""
    assert obstacle(bpy.context) == ""
    request = rig_request(bpy.context.scene, chosen_meshes(bpy.context), bench.scratch / "sent")
    return request, answer(request, bench.scratch)


def bring_in(request: Any, folder: Any) -> bpy.types.Object:
    """The armature."""
    rig = rig_meshes(bpy.context, folder, request.aim, request.name, ORIGIN)
    bpy.context.view_layer.update()
    return rig


def contents(item: bpy.types.Object) -> dict[str, Any]:
    """What may not change."""
    mesh = item.data
    found = {"matrix": [list(row) for row in item.matrix_world], "materials": mesh.materials[:]}
    for name, collection, key, width in (
        ("places", mesh.vertices, "co", 3),
        ("corners", mesh.loops, "vertex_index", 1),
        ("uv", mesh.uv_layers[0].uv, "vector", 2),
    ):
        values = np.empty(len(collection) * width, np.int32 if width == 1 else np.float32)
        collection.foreach_get(key, values)
        found[name] = values.tobytes()
    return found


def seen(item: bpy.types.Object) -> np.ndarray:
    """(V, 3) in the world, as posed."""
    matrix = np.array(item.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    return mesh_points(item) @ matrix[:3, :3].T + matrix[:3, 3]


def case_any_mesh_gets_bones_and_stays_what_it_is(bench: Bench) -> None:
    item = bare(bench)
    item.location, item.rotation_euler, item.scale = (5.0, 2.0, 1.0), (0.0, 0.0, 0.3), (-2.0, 2.0, 2.0)
    item.shape_key_add(name="Basis")
    item.modifiers.new("Smooth", "SUBSURF").levels = 0  # a finer solid would take seconds
    head = item.vertex_groups.new(name="head")
    head.add([0, 1], 1.0, "REPLACE")
    thick = item.modifiers.new("Thick", "SOLIDIFY")
    thick.vertex_group = "head"
    bpy.context.view_layer.update()
    before = contents(item)
    request, folder = ask(bench)
    rig = bring_in(request, folder)
    assert contents(item) == before
    assert bpy.context.view_layer.objects.active == item and item.select_get()
    assert item.parent == rig and rig.users_collection == item.users_collection
    assert [entry.type for entry in item.modifiers] == ["ARMATURE", "SUBSURF", "SOLIDIFY"]
    assert thick.vertex_group == "head.before" and item.vertex_groups["head.before"].weight(1) == 1.0
    assert tuple(rig.scale) == (1.0, 1.0, 1.0) and tuple(rig.rotation_euler) == (0.0, 0.0, 0.0)
    assert rig["figurine_job"] == "7" and rig["figurine_stage_rig"].startswith("draft")
    assert {"hips", "head", "upper_arm.L"} <= set(rig.data.bones.keys())
    low, high = seen(item).min(axis=0), seen(item).max(axis=0)
    for bone in rig.data.bones:
        place = np.array(rig.matrix_world @ bone.head_local)
        assert (place > low - 0.1).all() and (place < high + 0.1).all(), bone.name
    item.modifiers["Smooth"].show_viewport = thick.show_viewport = False
    rest = seen(item)
    bpy.ops.figurine.apply_pose(pose="t_pose")
    assert np.abs(seen(item) - rest).max() > 0.1
    bpy.ops.figurine.reset_pose()
    assert np.abs(seen(item) - rest).max() < SAME_m


def case_several_objects_get_one_skeleton_where_they_are_now(bench: Bench) -> None:
    item = bare(bench)
    hat = add_cube("Hat")
    hat.scale = (0.15, 0.15, 0.05)
    hat.location = (0.0, 0.0, float(seen(item)[:, 2].max()))
    above = bpy.data.objects.new("above", None)
    bpy.context.scene.collection.objects.link(above)
    item.parent = hat.parent = above
    bpy.context.view_layer.update()
    request, folder = ask(bench)
    assert [part.name for part in request.aim.parts] == ["Hat", item.name]
    above.location, above.rotation_euler, above.scale = (3.0, 0.0, 0.5), (0.2, 0.0, 1.0), (2.0, 2.0, 2.0)
    bpy.context.view_layer.update()
    places = {entry: seen(entry) for entry in (hat, item)}
    rig = bring_in(request, folder)
    assert {entry.name for entry in meshes_of(rig, bpy.context.scene)} == {"Hat", item.name}
    assert rig.parent == item.parent == hat.parent == above
    for entry, before in places.items():
        assert np.abs(seen(entry) - before).max() < SAME_m
    low, high = places[item].min(axis=0), places[item].max(axis=0)
    head = np.array(rig.matrix_world @ rig.data.bones["head"].head_local)
    assert (head > low).all() and (head < high).all()
    rig.pose.bones["head"].rotation_mode = "XYZ"
    rig.pose.bones["head"].rotation_euler = (0.6, 0.0, 0.0)
    bpy.context.view_layer.update()
    assert np.abs(seen(hat) - places[hat]).max() > 0.05, "the hat goes with the head"


def case_meshes_that_changed_or_went_are_left_alone(bench: Bench) -> None:
    item = bare(bench, "static")
    add_cube("Hat").location.x = 0.3
    item.select_set(True)
    bpy.context.view_layer.update()
    request, folder = ask(bench)
    blocks, groups = data_blocks(), item.vertex_groups.keys()

    def refused(word: str) -> None:
        try:
            bring_in(request, folder)
        except ImportFailed as error:
            assert word in f"{error.message} {error.hint}", error.message
        else:
            raise AssertionError(word)
        assert data_blocks() == blocks and item.vertex_groups.keys() == groups and not item.modifiers

    hat = bpy.data.objects["Hat"]
    hat.location.x = 0.9
    bpy.context.view_layer.update()
    refused("changed in shape, or against each other")
    hat.location.x = 0.3
    bpy.context.view_layer.update()
    item.data.vertices.add(2)
    refused("vertices and has")
    (folder / "weights.npz").write_bytes(b"PK")
    refused("weights.npz cannot be read")
    (folder / "rig.json").write_text("{}")
    refused("rig.json")


def case_why_meshes_cannot_be_rigged(bench: Bench) -> None:
    register_request()
    assert "Select one mesh or several" in obstacle(bpy.context)
    rig = bench.bring("static")
    item = figure_of(rig)
    item.select_set(True)
    assert f"is bound to {rig.name} already" in obstacle(bpy.context)
    item.modifiers.clear()
    item.parent = None
    array = item.modifiers.new("Array", "ARRAY")
    assert "gets its shape from a modifier (Array): turn on Apply Modifiers" in unapplied([item])
    item.modifiers.remove(array)
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.mode_set(mode="EDIT")
    assert "Rig Selected Mesh works in Object Mode" in obstacle(bpy.context)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert obstacle(bpy.context) == ""
    linked(bench)
    assert "is linked from another file: make it local first" in obstacle(bpy.context)


def linked(bench: Bench) -> None:
    """A mesh of another file, alone selected."""
    path = str(bench.scratch / "library.blend")
    cube = add_cube("Far")
    bpy.data.libraries.write(path, {cube})
    bpy.data.objects.remove(cube)
    with bpy.data.libraries.load(path, link=True) as (_source, target):
        target.objects = ["Far"]
    for entry in bpy.context.view_layer.objects:
        entry.select_set(False)
    bpy.context.scene.collection.objects.link(target.objects[0])
    target.objects[0].select_set(True)
