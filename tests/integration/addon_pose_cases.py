# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of posing, on the draft rigs that the importer's cases made."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix, Vector

from blender_addon.panels import pose as pose_panel
from blender_addon.pose import ik, shapes
from blender_addon.pose.library import body_poses
from blender_addon.pose.rig import NO_EDITING, NO_RIG, body_kind, obstacle, read_rig
from blender_addon.skeleton_map import MIXAMO_NAMES
from tests.integration.addon_contents import data_blocks
from tests.integration.addon_scene import Bench
from tests.integration.layout_recorder import draw
from tests.integration.pose_measures import Skin, faults_of, measure_poses, register_pose_operators

MOST_STRETCH = 1.8
MOST_OFF_FLOOR = 0.08  # of the height: shoes and bellies differ
SAME_m = 1e-4


def bring(bench: Bench, name: str) -> bpy.types.Object:
    """A result of which the armature is active, in Object Mode."""
    register_pose_operators()
    return bench.bring(name)


def case_every_pose_fits_a_humanoid_and_a_quadruped(bench: Bench) -> None:
    for name, start in (("fox_kid", "a_pose"), ("pup", "attention")):
        rig = bring(bench, name)
        found = measure_poses(rig, start)
        assert len(found) >= 12, name
        assert not {key: item["faults"] for key, item in found.items() if item["faults"]}, name
        lowest = {key: item["low"] for key, item in found.items() if key not in ("jump", "gallop")}
        assert max(map(abs, lowest.values())) < MOST_OFF_FLOOR, lowest
        assert found.get("jump", found.get("gallop"))["low"] > 0.05
        worst = max(item["stretch"] for item in found.values())
        bench.measured[name] = worst
        assert worst < MOST_STRETCH, found


def case_reset_is_the_figure_as_it_was_made(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    skin = Skin(rig)
    rest = skin.points()
    bpy.ops.figurine.apply_pose(pose="run")
    rig.pose.bones["head"].scale = (2, 2, 2)
    rig.pose.bones["hand.L"].location = (0, 1, 0)
    assert np.abs(skin.points() - rest).max() > 0.05
    assert bpy.ops.figurine.reset_pose() == {"FINISHED"}
    assert np.abs(skin.points() - rest).max() < 1e-6


def case_half_of_a_pose_lies_between(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.apply_pose(pose="t_pose")
    whole = rig.pose.bones["upper_arm.L"].vector.normalized()
    bpy.ops.figurine.apply_pose(pose="a_pose")
    start = rig.pose.bones["upper_arm.L"].vector.normalized()
    bpy.ops.figurine.apply_pose(pose="t_pose", amount=0.5)
    half = rig.pose.bones["upper_arm.L"].vector.normalized()
    assert abs(half.angle(start) - half.angle(whole)) < 0.02
    assert abs(half.angle(start) + half.angle(whole) - start.angle(whole)) < 0.02


def case_mirror_swaps_the_sides(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    skin = Skin(rig)
    bpy.ops.figurine.apply_pose(pose="wave")
    posed = skin.points()
    before = {name: rig.pose.bones[name].vector.normalized() for name in ("upper_arm.L", "lower_arm.R", "head")}
    assert bpy.ops.figurine.mirror_pose() == {"FINISHED"}
    for name, here in before.items():
        there = rig.pose.bones[name.replace(".L", ".?").replace(".R", ".L").replace(".?", ".R")].vector.normalized()
        assert (there - Vector((-here.x, here.y, here.z))).length < 1e-3, name
    assert np.abs(skin.points() - posed).max() > 0.05
    bpy.ops.figurine.mirror_pose()
    assert np.abs(skin.points() - posed).max() < SAME_m


def case_fingers_close_and_hair_stays(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    hair = next(bone for bone in rig.pose.bones if bone.bone["figurine_role"] == "chain")
    hair.rotation_mode = "QUATERNION"
    hair.rotation_quaternion = (0.9, 0.3, 0.3, 0.1)
    kept = hair.rotation_quaternion.copy()
    bpy.ops.figurine.apply_pose(pose="t_pose")
    assert abs(hair.rotation_quaternion.dot(kept.normalized())) > 1 - 1e-6
    fingers = {side: rig.pose.bones[f"fingers.{side}"] for side in "LR"}
    bpy.ops.figurine.hand_pose(pose="flat", side="both")
    flat = {side: bone.vector.normalized() for side, bone in fingers.items()}
    bpy.ops.figurine.hand_pose(pose="fist", side="left")
    assert fingers["L"].vector.angle(flat["L"]) > 1.5
    assert fingers["L"].vector.z < -0.5 * fingers["L"].vector.length  # to the palm, which looks down
    assert fingers["R"].vector.angle(flat["R"]) < 1e-3


def case_handles_go_on_and_off_without_a_jump(bench: Bench) -> None:
    for name, poses in (("fox_kid", ("t_pose", "run", "hero")), ("pup", ("sit", "walk"))):
        rig = bring(bench, name)
        skin = Skin(rig)
        for key in poses:
            bpy.ops.figurine.apply_pose(pose=key)
            posed = skin.points()
            assert bpy.ops.figurine.switch_ik(limb="all") == {"FINISHED"}
            assert all(ik.is_on(rig, limb) for limb in ik.limbs_of(rig))
            assert np.abs(skin.points() - posed).max() < SAME_m, key
            bpy.ops.figurine.apply_pose(pose=poses[0])
            bpy.ops.figurine.apply_pose(pose=key)
            assert np.abs(skin.points() - posed).max() < SAME_m, f"{key} with handles"
            bpy.ops.figurine.switch_ik(limb="all")
            assert not any(ik.is_on(rig, limb) for limb in ik.limbs_of(rig))
            assert np.abs(skin.points() - posed).max() < SAME_m, key


def case_a_limb_follows_its_handle(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.figurine.apply_pose(pose="a_pose")
    bpy.ops.figurine.switch_ik(limb="left_hand")
    assert bpy.context.mode == "POSE"
    handle, hand = rig.pose.bones["hand_ik.L"], rig.pose.bones["hand.L"]
    assert not handle.bone.use_deform
    place = handle.matrix.copy()
    handle.matrix = Matrix.Translation((-0.08, -0.1, 0.1)) @ place
    skin = Skin(rig)
    bent = skin.points()
    assert (hand.head - handle.head).length < 1e-3
    assert rig.pose.bones["lower_arm.L"].head.y > -0.05  # the elbow stays behind
    bpy.ops.figurine.switch_ik(limb="left_hand")
    assert np.abs(skin.points() - bent).max() < SAME_m
    handle.matrix = place
    assert np.abs(skin.points() - bent).max() < SAME_m
    assert "hand_ik.L" not in read_rig(rig).skeleton.names


def case_a_rig_of_other_names_and_axes_is_posed(bench: Bench) -> None:
    """As Mixamo's: known by its bones' names alone, Y up in its own axes, the object turned and scaled."""
    rig = bring(bench, "fox_kid")
    turn = Matrix.Rotation(-np.pi / 2, 4, "X") @ Matrix.Scale(100, 4)
    rig.data.transform(turn)
    for mesh in rig.children:
        mesh.data.transform(turn)
    rig.matrix_world = turn.inverted()
    for bone in rig.data.bones:
        role = bone["figurine_role"]
        del bone["figurine_role"]
        bone.name = MIXAMO_NAMES.get(role, bone.name)
    assert body_kind(rig) == "humanoid"
    bpy.ops.figurine.apply_pose(pose="lunge")
    assert not faults_of(rig, body_poses("humanoid")["lunge"])
    bone = rig.pose.bones["mixamorig:LeftUpLeg"]
    forward = rig.matrix_world.to_3x3() @ bone.vector
    assert forward.y < -0.4 * forward.length
    bpy.ops.figurine.switch_ik(limb="left_foot")
    assert ik.is_on(rig, ik.LIMBS["left_foot"])


def case_posing_is_one_step_of_undo_and_keys_itself(bench: Bench) -> None:
    name = bring(bench, "fox_kid").name
    bpy.ops.ed.undo_push(message="Start")
    bpy.ops.figurine.apply_pose("EXEC_DEFAULT", True, pose="t_pose")
    bpy.ops.figurine.switch_ik("EXEC_DEFAULT", True, limb="all")
    assert "hand_ik.L" in bpy.data.objects[name].pose.bones
    bpy.ops.ed.undo()
    assert "hand_ik.L" not in bpy.data.objects[name].pose.bones
    arm = bpy.data.objects[name].pose.bones["upper_arm.L"]
    assert abs(arm.vector.normalized().z) < 1e-3
    bpy.ops.ed.undo()
    assert tuple(bpy.data.objects[name].pose.bones["upper_arm.L"].rotation_quaternion) == (1, 0, 0, 0)
    rig = bpy.data.objects[name]
    assert rig.animation_data is None
    bpy.context.scene.tool_settings.use_keyframe_insert_auto = True
    bpy.ops.figurine.apply_pose(pose="walk")
    assert rig.animation_data.action.frame_range[0] == bpy.context.scene.frame_current
    bpy.context.scene.frame_set(bpy.context.scene.frame_current + 5)
    bpy.ops.figurine.reset_pose()
    assert rig.animation_data.action.frame_range[1] == bpy.context.scene.frame_current


def case_what_cannot_be_posed_says_why(bench: Bench) -> None:
    register_pose_operators()
    assert obstacle(bpy.context) == NO_RIG
    assert not bpy.ops.figurine.apply_pose.poll()
    rig = bring(bench, "lantern")
    assert body_kind(rig) == "other"
    assert not bpy.ops.figurine.apply_pose.poll() and not bpy.ops.figurine.switch_ik.poll()
    assert bpy.ops.figurine.reset_pose.poll() and bpy.ops.figurine.mirror_pose() == {"FINISHED"}
    rig = bring(bench, "fox_kid")
    bpy.context.view_layer.objects.active = rig.children[0]
    assert bpy.ops.figurine.apply_pose(pose="sit") == {"FINISHED"}  # by its mesh
    try:
        bpy.ops.figurine.apply_pose(pose="give_paw")
    except RuntimeError as error:
        assert "No pose for a humanoid is called give_paw" in str(error)
    else:
        raise AssertionError("A humanoid gave its paw.")
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    assert obstacle(bpy.context) == NO_EDITING


def case_limits_leave_the_poses_alone_and_stop_what_no_body_does(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    skin = Skin(rig)
    posed = {}
    for key in body_poses("humanoid"):
        bpy.ops.figurine.apply_pose(pose=key)
        posed[key] = skin.points()
    bpy.ops.figurine.switch_limits()
    assert sum("Figurine Limits" in bone.constraints for bone in rig.pose.bones) >= 17
    for key, points in posed.items():
        bpy.ops.figurine.apply_pose(pose=key)
        assert np.abs(skin.points() - points).max() < 0.02, key
    bpy.ops.figurine.switch_ik(limb="all")
    assert np.abs(skin.points() - points).max() < 0.02
    bpy.ops.figurine.switch_ik(limb="all")
    bpy.ops.figurine.apply_pose(pose="t_pose")
    knee = rig.pose.bones["lower_leg.L"]
    knee.rotation_mode = "XYZ"
    bends = []
    for turn_rad in (-1.5, 1.5):
        knee.rotation_euler = (turn_rad, 0.0, 0.0)
        bpy.context.view_layer.update()
        bends.append(np.degrees(np.arctan2(knee.vector.y, -knee.vector.z)))  # heels to the rear
    assert max(bends) > 70 and -15 < min(bends) < 5, bends
    bpy.ops.figurine.switch_limits()
    assert not any("Figurine Limits" in bone.constraints for bone in rig.pose.bones)
    bpy.ops.figurine.apply_pose(pose="kick")
    assert np.abs(skin.points() - posed["kick"]).max() < SAME_m


def case_shapes_come_and_go(bench: Bench) -> None:
    first, second = bring(bench, "fox_kid"), bring(bench, "fox_kid")
    before = data_blocks()
    bpy.ops.figurine.switch_ik(limb="left_hand")
    handles = [bone for bone in second.pose.bones if bone.bone.get("figurine_role") == "handle"]
    assert len(handles) == 2 and all(bone.custom_shape for bone in handles)
    assert not shapes.are_shown(second)
    for rig in (first, second):
        bpy.context.view_layer.objects.active = rig
        assert bpy.ops.figurine.switch_shapes() == {"FINISHED"}
        assert all(bone.custom_shape for bone in rig.pose.bones)
    thigh, head = first.pose.bones["upper_leg.L"], first.pose.bones["head"]
    assert thigh.custom_shape == second.pose.bones["head"].custom_shape
    assert head.custom_shape_scale_xyz.x > thigh.custom_shape_scale_xyz.x > 0.03
    assert not thigh.custom_shape.users_scene
    bpy.ops.figurine.switch_shapes()
    assert all(bone.custom_shape for bone in first.pose.bones)
    bpy.context.view_layer.objects.active = first
    bpy.ops.figurine.switch_shapes()
    assert [bone for rig in (first, second) for bone in rig.pose.bones if bone.custom_shape] == handles
    bpy.ops.figurine.switch_shapes()
    shapes.remove_all()  # as when the add-on is switched off
    assert data_blocks() == before and not any(bone.custom_shape for bone in first.pose.bones)


def case_a_pose_becomes_an_asset_with_a_picture(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    skin = Skin(rig)
    bpy.ops.figurine.apply_pose(pose="t_pose")
    bpy.ops.figurine.switch_ik(limb="all")
    posed, before = skin.points(), data_blocks()
    assert bpy.ops.figurine.save_pose(name="Arms Out") == {"FINISHED"}
    assert np.abs(skin.points() - posed).max() < SAME_m
    assert rig.animation_data is None or rig.animation_data.action is None
    after = data_blocks()
    changed = {kind for kind in after if after[kind] != before.get(kind)}
    assert changed - {"all_ids"} == {"actions"}  # 5.2 lists all kinds once more
    target = bench.scratch / "poses.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(target))
    bpy.ops.wm.open_mainfile(filepath=str(target))
    action = bpy.data.actions["Arms Out"]
    assert action.asset_data is not None
    assert tuple(action.preview.image_size) == (256, 256)
    pixels = np.array(action.preview.image_pixels_float).reshape(256, 256, 4)
    filled = pixels[..., 3] > 0.5
    assert 0.05 < filled.mean() < 0.7
    assert np.ptp(np.flatnonzero(filled.any(axis=0))) > 150  # the arms reach across the picture
    rig = bpy.data.objects["fox_kid_rig"]
    bpy.context.view_layer.objects.active = rig
    bpy.ops.figurine.switch_ik(limb="all")
    bpy.ops.figurine.reset_pose()
    rig.pose.apply_pose_from_action(action, evaluation_time=1)
    bpy.context.view_layer.update()
    assert abs(rig.pose.bones["upper_arm.L"].vector.normalized().z) < 1e-3


def case_the_section_can_be_drawn(bench: Bench) -> None:
    register_pose_operators()
    bpy.utils.register_class(pose_panel.CLASSES[0])
    assert NO_RIG in draw("FIGURINE_PT_pose").text
    for name, words in (("fox_kid", ("T-Pose", "Lunge", "Left Foot", "Spine")), ("pup", ("Play Bow", "Front Paw"))):
        bring(bench, name)
        text = draw("FIGURINE_PT_pose").text
        assert all(word in text for word in words), text
    assert "(grey)" in draw("FIGURINE_PT_pose").text  # a dog has no hands
    bpy.utils.unregister_class(pose_panel.CLASSES[0])
