# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of Update Skin, on the draft figures that the importer's cases made, with weights of the draft pipeline."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from blender_addon.errors import ImportFailed
from blender_addon.figure.reskin import obstacle, reskin
from blender_addon.figure.sent_body import read_bones
from blender_addon.operators.update_skin import skin_request
from tests.integration.addon_contents import data_blocks, figure_of, weights_of
from tests.integration.addon_scene import Bench, mesh_points
from tests.integration.pose_measures import register_pose_operators
from tests.integration.rig_bench import answer, register_request

ORIGIN = {"job": "7", "server": "http://127.0.0.1:1"}
SAME_m = 1e-5


def bring(bench: Bench, name: str = "fox_kid", **options: Any) -> bpy.types.Object:
    """A figure, its armature active."""
    register_request()
    register_pose_operators()
    return bench.bring(name, **options)


def edit(rig: bpy.types.Object) -> Any:
    """Its bones, in Edit Mode."""
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    return rig.data.edit_bones


def move_elbow(rig: bpy.types.Object, share: float) -> None:
    """Toward the hand, by this share of the lower arm."""
    bones = edit(rig)
    lower = bones["lower_arm.L"]
    lower.head = lower.head.lerp(lower.tail, share)  # the upper arm's tail is connected and comes along
    bones["upper_arm.L"].tail = lower.head


def update(bench: Bench, rig: bpy.types.Object) -> None:
    """As the button does it, and its result comes in."""
    assert obstacle(bpy.context) == ""
    request = skin_request(bpy.context.scene, rig, bench.scratch / "sent")
    if rig.mode == "EDIT":
        bpy.ops.object.mode_set(mode="POSE")
    reskin(bpy.context, answer(request, bench.scratch), request.aim, ORIGIN)


def crossing(rig: bpy.types.Object) -> float:
    """Where along the left arm, in metres from the shoulder, the lower arm takes over from the upper one."""
    figure = figure_of(rig)
    names = [bone.name for bone in rig.data.bones]
    weights = weights_of(figure, names)
    upper, lower = (weights[:, names.index(f"{part}_arm.L")] for part in ("upper", "lower"))
    arm = upper + lower > 0.95
    start = np.array(rig.data.bones["upper_arm.L"].head_local)
    axis = np.array(rig.data.bones["lower_arm.L"].tail_local) - start
    along = (np.array([vertex.co for vertex in figure.data.vertices])[arm] - start) @ axis / np.linalg.norm(axis)
    shared = (lower[arm] > 0.25) & (lower[arm] < 0.75)
    return float(np.median(along[shared]))


def case_the_arm_bends_where_the_elbow_was_moved_to(bench: Bench) -> None:
    rig = bring(bench)
    figure = figure_of(rig)
    arm = Vector(rig.data.bones["lower_arm.L"].tail_local) - Vector(rig.data.bones["upper_arm.L"].head_local)
    before = crossing(rig)
    names = [bone.name for bone in rig.data.bones]
    owned = weights_of(figure, names)
    old = Vector(rig.data.bones["lower_arm.L"].head_local)
    move_elbow(rig, 0.4)
    update(bench, rig)
    moved = (Vector(rig.data.bones["lower_arm.L"].head_local) - old).dot(arm.normalized())
    after = crossing(rig)
    bench.measured |= {"elbow_moved_m": moved, "crossing_moved_m": after - before}
    assert moved > 0.05 and abs((after - before) - moved) < 0.3 * moved, bench.measured
    owns = weights_of(figure, names)
    changed = (owned[:, names.index("lower_arm.L")] > 0.6) & (owns[:, names.index("upper_arm.L")] > 0.6)
    assert changed.sum() > 20, "skin that followed the forearm and follows the upper arm now"
    rest = mesh_points(figure)
    posed = rig.pose.bones["lower_arm.L"]
    posed.rotation_mode, posed.rotation_euler = "XYZ", (1.0, 0.0, 0.0)
    bpy.context.view_layer.update()
    moves = np.linalg.norm(mesh_points(figure) - rest, axis=1)
    bench.measured["changed"] = [int(changed.sum()), float(moves[changed].max()), float(moves.max())]
    assert moves[changed].max() < 0.2 * moves.max(), "it does not bend with the forearm"
    assert bpy.context.mode == "POSE"


def case_what_is_sent_from_edit_mode_are_the_edited_bones(bench: Bench) -> None:
    rig = bring(bench)
    move_elbow(rig, 0.5)
    wanted = rig.data.edit_bones["lower_arm.L"].head.copy()
    rig.data.edit_bones["hand.L"].name = "paw.L"
    sent = {bone.name: bone for bone in read_bones(rig)}
    assert (Vector(sent["lower_arm.L"].head) - wanted).length < 1e-6
    assert "paw.L" in sent and "hand.L" not in sent


def case_pose_animation_and_handles_stay(bench: Bench) -> None:
    rig = bring(bench)
    bpy.ops.figurine.apply_pose(pose="run")
    bpy.ops.figurine.switch_ik(limb="left_hand")
    hand = rig.pose.bones["head"]
    hand.rotation_mode = "XYZ"
    hand.keyframe_insert("rotation_euler", frame=1)
    constraint = rig.pose.bones["spine"].constraints.new("LIMIT_ROTATION")
    strip = rig.animation_data.nla_tracks.new()
    strip.name = "Mine"
    move_elbow(rig, 0.2)
    bpy.ops.object.mode_set(mode="OBJECT")
    pose = {bone.name: bone.matrix_basis.copy() for bone in rig.pose.bones}
    blocks = data_blocks()
    update(bench, rig)
    assert {bone.name: bone.matrix_basis.copy() for bone in rig.pose.bones} == pose
    assert data_blocks() == blocks
    assert rig.animation_data.action is not None and rig.animation_data.nla_tracks[0].name == "Mine"
    assert rig.pose.bones["spine"].constraints[0] == constraint
    assert "hand_ik.L" in rig.pose.bones and "hand_ik.L" not in figure_of(rig).vertex_groups
    weights = weights_of(figure_of(rig), [bone.name for bone in rig.data.bones])
    assert np.abs(weights.sum(axis=1) - 1.0).max() < 1e-3
    assert (weights > 0).sum(axis=1).max() <= 4


def case_bones_come_go_and_are_renamed(bench: Bench) -> None:
    rig = bring(bench)
    figure = figure_of(rig)
    figure.vertex_groups.new(name="pinned").add([0, 1, 2], 0.5, "REPLACE")
    bones = edit(rig)
    bones["lower_leg.R"].name = "shin.R"
    for name in ("fingers.L", "fingers.R"):
        bones.remove(bones[name])
    tail = bones.new("tail1")
    tail.parent, tail.head, tail.tail = bones["hips"], bones["hips"].head, bones["hips"].head + Vector((0, 0.25, -0.05))
    update(bench, rig)
    groups = {group.name for group in figure.vertex_groups}
    assert {"shin.R", "tail1", "pinned"} <= groups and not {"lower_leg.R", "fingers.L", "fingers.R"} & groups
    assert groups - {"pinned"} <= set(rig.data.bones.keys())
    for name in ("shin.R", "tail1"):
        index = figure.vertex_groups[name].index
        carried = [entry.weight for v in figure.data.vertices for entry in v.groups if entry.group == index]
        assert sum(carried) > 1.0, name
    assert figure.vertex_groups["pinned"].weight(1) == 0.5


def case_locked_groups_keep_what_was_painted(bench: Bench) -> None:
    rig = bring(bench)
    figure = figure_of(rig)
    group = figure.vertex_groups["head"]
    group.lock_weight = True
    names = [bone.name for bone in rig.data.bones]
    before = weights_of(figure, names)
    move_elbow(rig, 0.4)
    update(bench, rig)
    after = weights_of(figure, names)
    head = names.index("head")
    assert np.array_equal(after[:, head], before[:, head]) and group.lock_weight
    assert np.abs(after.sum(axis=1) - 1.0).max() < 1e-3
    assert np.abs(after - before).max() > 0.2


def case_scaled_mirrored_and_hung_up_it_is_sent_as_it_is_seen(bench: Bench) -> None:
    rig = bring(bench)
    figure = figure_of(rig)
    names = [bone.name for bone in rig.data.bones]
    update(bench, rig)
    plain = weights_of(figure, names)
    above = bpy.data.objects.new("above", None)
    bpy.context.scene.collection.objects.link(above)
    rig.parent = above
    above.location, above.scale = (400.0, -30.0, 2.0), (0.01, 0.01, 0.01)
    rig.scale, rig.rotation_euler = (-3.0, 3.0, 3.0), (0.3, 0.0, 0.4)
    bpy.context.scene.unit_settings.scale_length = 0.01
    bpy.context.view_layer.update()
    update(bench, rig)
    off = np.abs(weights_of(figure, names) - plain).sum(axis=1) / 2
    bench.measured["weight_elsewhere"] = float(off.mean())
    assert off.mean() < 1e-3
    assert tuple(round(part, 3) for part in rig.scale) == (-3.0, 3.0, 3.0)


def case_shape_keys_and_modifiers_stay(bench: Bench) -> None:
    rig = bring(bench)
    figure = figure_of(rig)
    figure.shape_key_add(name="Basis")
    smile = figure.shape_key_add(name="Smile")
    smile.data[0].co.z += 0.1
    smile.value = 1.0
    figure.modifiers.new("Smooth", "SUBSURF")
    move_elbow(rig, 0.2)
    update(bench, rig)
    assert [key.name for key in figure.data.shape_keys.key_blocks] == ["Basis", "Smile"]
    assert smile.value == 1.0
    assert [modifier.type for modifier in figure.modifiers] == ["ARMATURE", "SUBSURF"]


def case_loose_vertices_follow_the_nearest_skin(bench: Bench) -> None:
    rig = bring(bench)
    figure = figure_of(rig)
    figure.data.vertices.add(1)
    figure.data.vertices[-1].co = figure.data.vertices[0].co
    update(bench, rig)
    weights = weights_of(figure, [bone.name for bone in rig.data.bones])
    assert np.abs(weights[-1] - weights[0]).max() < 1e-6


def case_what_changed_meanwhile_is_one_sentence(bench: Bench) -> None:
    rig = bring(bench)
    figure = figure_of(rig)
    request = skin_request(bpy.context.scene, rig, bench.scratch / "sent")
    folder = answer(request, bench.scratch)
    names = [bone.name for bone in rig.data.bones]

    def refused(word: str) -> None:
        before = weights_of(figure, names)
        try:
            reskin(bpy.context, folder, request.aim, ORIGIN)
        except ImportFailed as error:
            assert word in error.message, error.message
            assert error.hint
        else:
            raise AssertionError(word)
        assert np.array_equal(weights_of(figure, names), before)

    rig.name = "other"
    refused("is not in this scene any more")
    rig.name = request.aim.armature
    figure.data.vertices.add(1)
    refused("vertices and has")
    bpy.context.view_layer.objects.active = figure
    bpy.ops.object.mode_set(mode="EDIT")
    refused("is in Edit Mode")
    bpy.ops.object.mode_set(mode="OBJECT")


def case_why_it_is_grey(bench: Bench) -> None:
    register_request()
    assert obstacle(bpy.context) == "Select a figure, or its armature."
    rig = bring(bench)
    figure = figure_of(rig)
    twin = bpy.data.objects.new("twin", figure.data)
    bpy.context.scene.collection.objects.link(twin)
    assert "shares its mesh, and so its weights, with twin" in obstacle(bpy.context)
    bpy.data.objects.remove(twin)
    figure.shape_key_add(name="Basis")
    array = figure.modifiers.new("Array", "ARRAY")
    assert obstacle(bpy.context) == "", "it repeats what is posed"
    figure.modifiers.move(1, 0)
    assert "gets its shape from a modifier (Array), and Blender applies none" in obstacle(bpy.context)
    figure.modifiers.remove(array)
    for bone in rig.data.bones:
        bone.use_deform = False
    assert "has no bone that deforms" in obstacle(bpy.context)
    for bone in rig.data.bones:
        bone.use_deform = True
    assert obstacle(bpy.context) == ""
    figure.modifiers.clear()
    assert "moves no mesh of this scene" in obstacle(bpy.context)
    bpy.context.view_layer.objects.active = figure
    figure.modifiers.new("Armature", "ARMATURE").object = rig
    bpy.ops.object.mode_set(mode="SCULPT")
    assert obstacle(bpy.context).startswith("Leave this mode first")


def case_a_rig_with_controls_is_sent_as_one_tree(bench: Bench) -> None:
    rig = bring(bench)
    bones = edit(rig)
    control = bones.new("control")
    control.head, control.tail, control.use_deform = (0, 0, 0), (0, 0, 0.2), False
    bones["upper_leg.L"].parent = control
    bones["upper_leg.L"].use_connect = False
    sent = read_bones(rig)
    roots = [bone.name for bone in sent if not bone.parent]
    assert len(roots) == 1 and "control" not in {bone.name for bone in sent}
    above = {bone.name: bone.parent for bone in sent}
    assert above["upper_leg.L"] == roots[0] and above["lower_leg.L"] == "upper_leg.L"
