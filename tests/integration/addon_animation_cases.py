# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of animation, on the draft rigs that the importer's cases made."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from blender_addon.animation.actions import curves_of
from blender_addon.animation.clips import clips_of
from blender_addon.animation.player import SPEED_PROPERTY, TRACK, playing
from blender_addon.operators.animate_clear import NO_CLIP
from blender_addon.operators.animate_clip import animation_obstacle
from blender_addon.output.clips import _sources
from blender_addon.panels import animation as animation_panel
from blender_addon.pose import ik
from blender_addon.pose.rig import NO_RIG, key_pose, read_rig
from tests.integration.addon_contents import data_blocks
from tests.integration.addon_scene import Bench
from tests.integration.clip_files import FPS, FRAMES, directions_at, write_bvh, write_fbx
from tests.integration.clip_measures import cycle_of, measure_clips, play_through, register_animation
from tests.integration.layout_recorder import draw
from tests.integration.pose_measures import Skin

MOST_STRETCH = 1.8
MOST_SLIDE_m = 0.02
MOST_BELOW_m = 0.01
MOST_JUMP_deg = 50.0  # in a frame of a run
LIMBS = {"Arm": "upper_arm", "ForeArm": "lower_arm", "UpLeg": "upper_leg", "Leg": "lower_leg"}


def bring(bench: Bench, name: str) -> bpy.types.Object:
    """A result of which the armature is active, in Object Mode."""
    register_animation()
    return bench.bring(name)


def directions(rig: bpy.types.Object) -> dict[str, np.ndarray]:
    """Where the bones of limbs point now."""
    return {
        f"{part}.{side}": np.array(rig.pose.bones[f"{part}.{side}"].vector.normalized())
        for part in LIMBS.values()
        for side in "LR"
    }


def furthest_deg(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    return max(float(np.degrees(np.arccos(np.clip(one[name] @ other[name], -1, 1)))) for name in one)


def refused(run: object, **options: object) -> str:
    """What an operator says that does not do it."""
    try:
        run(**options)
    except RuntimeError as error:
        return str(error)
    raise AssertionError(f"{options} was taken.")


def case_clips_fit_every_kind_of_body(bench: Bench) -> None:
    for name, keys in {
        "fox_kid": ("idle", "walk", "run", "jump"),
        "pup": ("walk", "trot"),
        "lantern": ("breathe", "sway"),
    }.items():
        found = measure_clips(bring(bench, name), keys)
        bench.measured[name] = {key: (item["stretch"], item["slide_m"]) for key, item in found.items()}
        for key, item in found.items():
            assert not item["faults"], (name, key, item)
            assert item["gap_m"] < 1e-5 and item["jump_deg"] < MOST_JUMP_deg, (name, key, item)
            assert item["low_m"] > -MOST_BELOW_m and item["stretch"] < MOST_STRETCH, (name, key, item)
            if key in ("walk", "idle"):
                assert item["slide_m"] < MOST_SLIDE_m, (name, key, item)


def case_a_walk_walks(bench: Bench) -> None:
    """Each foot is ahead in its half, the other arm with it, and the hips are over the foot that stands."""
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.apply_clip(clip="walk")
    frames = cycle_of(rig)
    seen = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        bones = rig.pose.bones
        seen.append([*bones["foot.L"].head, *bones["foot.R"].head, *bones["hand.L"].head, *bones["hips"].head])
    left, right, hand, hips = np.split(np.array(seen), 4, axis=1)
    contact, passing = 0, round(0.3 * (len(frames) - 1))
    assert left[contact, 1] < right[contact, 1] - 0.1  # it faces −Y
    assert hand[contact, 1] > hand[len(frames) // 2, 1] + 0.05
    assert hips[passing, 0] > hips[passing + len(frames) // 2, 0] + 0.01
    assert right[passing, 2] > left[passing, 2] + 0.02
    assert hips[passing, 2] > hips[round(0.1 * len(frames)), 2]
    assert playing(rig)[SPEED_PROPERTY] > 0.2


def case_speed_and_amplitude(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    spans, speeds, lengths = {}, {}, {}
    skin = Skin(rig)
    for name, options in {
        "plain": {},
        "fast": {"speed": 2.0},
        "calm": {"amplitude": 0.5},
        "still": {"amplitude": 0.0},
    }.items():
        bpy.ops.figurine.apply_clip(clip="walk", **options)
        points, _ = play_through(rig, skin)
        spans[name], lengths[name] = float(np.ptp(points, axis=0).max()), len(points)
        speeds[name] = playing(rig)[SPEED_PROPERTY]
    assert lengths["plain"] == lengths["calm"] == 2 * lengths["fast"] - 1
    assert abs(speeds["fast"] - 2 * speeds["plain"]) < 1e-6 and abs(speeds["calm"] - speeds["plain"] / 2) < 1e-6
    assert spans["still"] < 1e-6 < 0.3 * spans["plain"] < spans["calm"] < 0.8 * spans["plain"]


def case_clips_replace_each_other_and_leave_nothing(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    before, rest = data_blocks(), Skin(rig).points()
    for clip in ("walk", "walk", "run", "idle"):
        assert bpy.ops.figurine.apply_clip(clip=clip) == {"FINISHED"}
        assert len(bpy.data.actions) == 1 and [track.name for track in rig.animation_data.nla_tracks] == [TRACK]
    strip = rig.animation_data.nla_tracks[0].strips[0]
    assert strip.frame_start == 1 and strip.frame_end >= bpy.context.scene.frame_end
    (exported,) = _sources(rig, takes_all_actions=True)
    assert exported.name == "Idle" and exported.last - exported.first == len(cycle_of(rig)) - 1
    assert strip.action.use_cyclic and rig.animation_data.action is None
    if hasattr(strip, "action_slot"):
        assert strip.action_slot.target_id_type == "OBJECT"
    bpy.ops.figurine.clear_clip()
    assert data_blocks() == before and rig.animation_data is None
    assert np.abs(Skin(rig).points() - rest).max() < 1e-6


def case_what_the_artist_animated_is_kept(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    for frame, turn in ((1, (1, 0, 0, 0)), (20, (0.9, 0.4, 0, 0))):
        rig.pose.bones["head"].rotation_quaternion = turn
        key_pose(rig.pose.bones["head"], frame)
    own = rig.animation_data.action
    bpy.ops.figurine.apply_clip(clip="walk")
    assert rig.animation_data.action is None
    assert rig.animation_data.nla_tracks[0].strips[0].action == own
    bpy.ops.figurine.apply_clip(clip="idle")
    bpy.ops.figurine.clear_clip()
    assert [strip.action for track in rig.animation_data.nla_tracks for strip in track.strips] == [own]
    bpy.context.scene.frame_set(20)
    assert rig.pose.bones["head"].rotation_quaternion.x > 0.3


def case_handles_go_off_and_on_again(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.apply_clip(clip="walk")
    skin = Skin(rig)
    plain, _ = play_through(rig, skin)
    bpy.ops.figurine.clear_clip()
    bpy.ops.figurine.switch_ik(limb="all")
    bpy.ops.figurine.apply_clip(clip="walk")
    assert not any(ik.is_on(rig, limb) for limb in ik.limbs_of(rig))
    points, _ = play_through(rig, skin)
    assert np.abs(points - plain).max() < 1e-4
    bpy.context.scene.frame_set(9)
    posed = skin.points()
    bpy.ops.figurine.switch_ik(limb="left_foot")
    assert np.abs(skin.points() - posed).max() < 1e-3
    bpy.ops.figurine.switch_ik(limb="left_foot")
    assert np.abs(skin.points() - posed).max() < 1e-3
    bpy.ops.figurine.clear_clip()
    bpy.ops.figurine.apply_pose(pose="t_pose")
    assert abs(rig.pose.bones["upper_arm.L"].vector.normalized().z) < 1e-3


def case_every_rotation_mode_is_keyed(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    skin, played = Skin(rig), []
    for mode in ("QUATERNION", "XYZ", "AXIS_ANGLE"):
        for bone in rig.pose.bones:
            bone.rotation_mode = mode
        bpy.ops.figurine.apply_clip(clip="run")
        played.append(play_through(rig, skin)[0])
        assert len(bpy.data.actions) == 1
    assert max(np.abs(played[0] - other).max() for other in played[1:]) < 1e-3
    paths = {curve.data_path.rpartition(".")[2] for curve in curves_of(playing(rig))}
    assert paths == {"rotation_axis_angle", "location"}


def case_a_clip_is_one_step_of_undo(bench: Bench) -> None:
    name = bring(bench, "fox_kid").name
    bpy.ops.ed.undo_push(message="Start")
    before = data_blocks()
    bpy.ops.figurine.apply_clip("EXEC_DEFAULT", True, clip="run")
    assert playing(bpy.data.objects[name]) is not None
    bpy.ops.ed.undo()
    assert data_blocks() == before and bpy.data.objects[name].animation_data is None


def case_a_bvh_moves_the_figure_as_it_says(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    scene = bpy.context.scene
    scene.render.fps = FPS
    before = data_blocks()
    path = write_bvh(bench.scratch / "swing.bvh")
    assert bpy.ops.figurine.retarget(filepath=str(path)) == {"FINISHED"}
    assert len(cycle_of(rig)) == FRAMES
    worst = 0.0
    for frame in range(FRAMES):
        scene.frame_set(1 + frame)
        wanted = directions_at(frame)
        own = directions(rig)
        pairs = {
            f"{part}.{side}": wanted[f"{word}{mixamo}"]
            for mixamo, part in LIMBS.items()
            for side, word in (("L", "Left"), ("R", "Right"))
        }
        worst = max(worst, furthest_deg(own, pairs))
    bench.measured["degrees"] = worst
    assert worst < 3.0
    gone = rig.pose.bones["hips"].head.y - rig.pose.bones["hips"].bone.head_local.y
    leg = sum(rig.data.bones[f"{part}_leg.L"].length for part in ("upper", "lower"))
    assert abs(gone + 60.0 * leg / 84.0) < 0.02
    assert bpy.ops.figurine.retarget(filepath=str(path), in_place=True, speed=2.0) == {"FINISHED"}
    scene.frame_set(cycle_of(rig)[-1])
    assert abs(rig.pose.bones["hips"].head.y - rig.pose.bones["hips"].bone.head_local.y) < 0.02
    assert len(cycle_of(rig)) == (FRAMES + 1) // 2 and playing(rig)[SPEED_PROPERTY] > 0.3
    bpy.ops.figurine.clear_clip()
    assert data_blocks() == before


def case_an_fbx_of_another_rest_brings_the_walk_back(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.apply_clip(clip="walk")
    skin = Skin(rig)
    points, _ = play_through(rig, skin)
    walked = []
    for frame in cycle_of(rig):
        bpy.context.scene.frame_set(frame)
        walked.append(directions(rig))
    path = write_fbx(rig, bench.scratch / "walk.fbx")
    bpy.context.view_layer.objects.active = rig
    bpy.ops.figurine.clear_clip()
    scene = bpy.context.scene
    rate, before = scene.render.fps, data_blocks()
    assert bpy.ops.figurine.retarget(filepath=str(path)) == {"FINISHED"}
    assert scene.render.fps == rate and bpy.context.view_layer.objects.active == rig
    left = data_blocks()
    assert {kind for kind in left if left[kind] != before.get(kind)} - {"all_ids"} == {"actions"}
    assert len(bpy.data.actions) == 1
    found = []
    for frame in cycle_of(rig):
        scene.frame_set(frame)
        found.append(directions(rig))
    assert len(found) == len(walked)
    worst = max(furthest_deg(one, other) for one, other in zip(found, walked, strict=True))
    again, _ = play_through(rig, skin)
    bench.measured["degrees"], bench.measured["skin"] = worst, float(np.abs(again - points).max())
    assert worst < 3.0
    assert np.abs(again - points).max() < 0.03


def case_files_that_cannot_be_used_say_why_and_leave_nothing(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.apply_clip(clip="idle")
    before, action = data_blocks(), playing(rig)
    scratch = bench.scratch
    unknown = {"Hips": "a", "LeftUpLeg": "b", "RightUpLeg": "c", "LeftArm": "d"}
    text = write_bvh(scratch / "whole.bvh").read_text(encoding="utf-8")
    for name, content in {
        "empty.bvh": "",
        "word.bvh": "hello",
        "still.bvh": text.partition("Frames:")[0] + "Frames: 0\nFrame Time: 0.1\n",
        "nan.bvh": text.replace("60.0", "nan"),
        "open.bvh": text.replace("}", "", 1),
        "broken.fbx": "Kaydara FBX Binary  \x00\x1a\x00",
        "notes.txt": "x",
    }.items():
        (scratch / name).write_text(content, encoding="utf-8")
    write_bvh(scratch / "cut.bvh", cut=200)
    write_bvh(scratch / "unknown.bvh", rename=unknown)
    _write_things(scratch)
    said = {
        name: refused(bpy.ops.figurine.retarget, filepath=str(scratch / name))
        for name in (
            *("empty.bvh", "word.bvh", "still.bvh", "nan.bvh", "open.bvh", "cut.bvh", "unknown.bvh", "broken.fbx"),
            *("notes.txt", "missing.bvh", "missing.fbx", "cube.fbx", "still.fbx"),
        )
    }
    bench.measured = said
    for name, words in {
        "cut.bvh": "cut.bvh is no whole BVH file.",
        "still.bvh": "holds no animation",
        "unknown.bvh": "not named like a humanoid's",
        "broken.fbx": "cannot read broken.fbx",
        "notes.txt": "notes.txt is no BVH or FBX file",
        "missing.bvh": "missing.bvh cannot be read",
        "missing.fbx": "missing.fbx is not there",
        "cube.fbx": "holds no armature",
        "still.fbx": "holds no animation",
    }.items():
        assert words in said[name], said
    assert data_blocks() == before and playing(rig) == action
    assert bpy.context.view_layer.objects.active == rig and bpy.context.mode == "OBJECT"


def _write_things(scratch: Path) -> None:
    """cube.fbx: a mesh alone. still.fbx: a skeleton that does nothing."""
    rig = bpy.context.view_layer.objects.active
    before = {block: set(getattr(bpy.data, block)) for block in ("objects", "meshes", "armatures")}
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.export_scene.fbx(filepath=str(scratch / "cube.fbx"), use_selection=True, bake_anim=False)
    bpy.ops.object.armature_add()
    bpy.ops.export_scene.fbx(filepath=str(scratch / "still.fbx"), use_selection=True, bake_anim=False)
    for block, known in before.items():
        bpy.data.batch_remove(set(getattr(bpy.data, block)) - known)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)


def case_what_cannot_be_animated_says_why(bench: Bench) -> None:
    register_animation()
    assert animation_obstacle(bpy.context) == NO_RIG
    assert not bpy.ops.figurine.apply_clip.poll() and not bpy.ops.figurine.retarget.poll()
    rig = bring(bench, "lantern")
    assert not bpy.ops.figurine.clear_clip.poll()  # NO_CLIP
    assert NO_CLIP and not bpy.ops.figurine.retarget.poll()
    assert "No clip for this rig is called walk. There are: breathe, sway." in refused(
        bpy.ops.figurine.apply_clip, clip="walk"
    )
    assert bpy.ops.figurine.apply_clip(clip="sway") == {"FINISHED"}
    strip = rig.animation_data.nla_tracks[0].strips[0]
    strip.select = True
    rig.animation_data.nla_tracks[0].select = True
    rig.animation_data.use_tweak_mode = True
    assert "tweak mode" in animation_obstacle(bpy.context)
    assert not bpy.ops.figurine.apply_clip.poll() and not bpy.ops.figurine.clear_clip.poll()


def case_the_section_animation_can_be_drawn(bench: Bench) -> None:
    register_animation()
    bpy.utils.register_class(animation_panel.CLASSES[0])
    assert NO_RIG in draw("FIGURINE_PT_animation").text
    for name in ("fox_kid", "pup", "lantern"):
        bring(bench, name)
        text = draw("FIGURINE_PT_animation").text
        assert all(word in text for word in ("Apply", "Retarget…", "{Speed}", "{Amplitude}")), text
        assert "[Clear] (grey)" in text  # there is no clip yet
        bpy.ops.figurine.apply_clip(clip=next(iter(clips_of(read_rig(bpy.context.object).skeleton.kind))))
    assert "lantern_rig: Breathe" in draw("FIGURINE_PT_animation").text
    bpy.utils.unregister_class(animation_panel.CLASSES[0])
