# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of clips beside what the artist has: actions and strips of one's own, collections, add-ons switched off."""

from __future__ import annotations

import addon_utils
import bpy
import numpy as np

from blender_addon.animation.actions import add_strip
from blender_addon.animation.player import CLIP_PROPERTY, playing
from blender_addon.bundled import FBX
from blender_addon.pose.rig import key_pose
from tests.integration.addon_animation_cases import bring
from tests.integration.addon_contents import data_blocks
from tests.integration.addon_scene import Bench
from tests.integration.clip_files import write_fbx, write_walked_bvh
from tests.integration.clip_measures import cycle_of, speed_of
from tests.integration.output_measures import (
    clip_name,
    clips_of,
    export,
    heads_of,
    imported,
    register_output_operators,
)

SAME_m = 1e-4
MOST_PAW = 1e-3  # of the height


def case_a_clip_that_the_artist_changed_a_copy_of_is_kept(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.apply_clip(clip="walk")
    data, walk = rig.animation_data, playing(rig)
    own = walk.copy()
    for active in (walk, own):
        data.action = active
        bpy.ops.figurine.apply_clip(clip="walk")
        assert data.action is None
    walk = playing(rig)
    assert set(bpy.data.actions) == {own, walk} and CLIP_PROPERTY not in own
    bpy.ops.figurine.apply_clip(clip="idle")
    assert [strip.action for track in data.nla_tracks for strip in track.strips] == [own, playing(rig)]
    bpy.ops.figurine.clear_clip()
    assert list(bpy.data.actions) == [own]
    assert [strip.action for track in data.nla_tracks for strip in track.strips] == [own]


def case_strips_that_the_artist_duplicated_are_kept(bench: Bench) -> None:
    """With the same action (Alt D) and with a copy of it (Shift D)."""
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.apply_clip(clip="walk")
    data, walk = rig.animation_data, playing(rig)
    copied = walk.copy()
    track = data.nla_tracks.new()
    linked = add_strip(track, 200, walk)
    linked.name = "Walk"  # Blender numbers it
    add_strip(track, 400, copied).name = "Walk"
    named = [strip.name for strip in track.strips]
    assert playing(rig) == walk
    for clip in ("idle", "run"):
        bpy.ops.figurine.apply_clip(clip=clip)
        assert set(bpy.data.actions) == {walk, copied, playing(rig)}
    bpy.ops.figurine.clear_clip()
    assert playing(rig) is None and not bpy.ops.figurine.clear_clip.poll()
    assert [strip.name for track in data.nla_tracks for strip in track.strips] == named
    assert [strip.action for track in data.nla_tracks for strip in track.strips] == [walk, copied]


def case_tracks_of_one_name_are_clips_of_their_own(bench: Bench) -> None:
    """The artist's strip on the track of a clip keeps that track when the next clip comes, with a track of its own."""
    register_output_operators()
    rig = bring(bench, "fox_kid")
    wanted = []
    for frame, turn in ((1, (1, 0, 0, 0)), (2, (0.8, 0.6, 0, 0))):
        rig.pose.bones["upper_arm.L"].rotation_quaternion = turn
        key_pose(rig.pose.bones["upper_arm.L"], frame)
        wanted.append(heads_of(rig))
    data, own = rig.animation_data, rig.animation_data.action
    data.action = None
    bpy.ops.figurine.apply_clip(clip="walk")
    add_strip(data.nla_tracks[0], 1000, own).name = "Own"
    bpy.ops.figurine.apply_clip(clip="sit")
    assert [track.name for track in data.nla_tracks] == ["Figurine", "Figurine"]
    found = imported(export(bench, "GLTF", clips="RIG", pose=False))
    assert clips_of(found) == ["Own", "Sit"]
    found.animation_data_clear()
    found.animation_data_create().action = next(item for item in bpy.data.actions if clip_name(item, found) == "Own")
    for frame, heads in enumerate(wanted):
        bpy.context.scene.frame_set(frame)
        now = heads_of(found)
        assert max(np.abs(now[name] - heads[name]).max() for name in now) < SAME_m, frame


def case_the_paws_of_an_animals_file_are_planted(bench: Bench) -> None:
    """The dog's walk goes out as a BVH with our own names and comes back: each paw is where it was, and stands."""
    rig = bring(bench, "pup")
    paws = [f"{end}_paw.{side}" for end in ("front", "back") for side in "LR"]
    bpy.ops.figurine.apply_clip(clip="walk")
    speed, frames = speed_of(rig), cycle_of(rig)
    walked = _heads(rig, paws, frames)
    path = write_walked_bvh(rig, bench.scratch / "walk.bvh")
    bpy.context.scene.render.fps = 24
    assert bpy.ops.figurine.retarget(filepath=str(path)) == {"FINISHED"}
    again = _heads(rig, paws, frames)
    off = again - again[:1, :1] - (walked - walked[:1, :1] - np.arange(len(frames))[:, None, None] * speed)
    height = max(bone.head_local.z for bone in rig.data.bones)
    bench.measured["paws"] = float(np.abs(off).max() / height)
    assert np.abs(off).max() < MOST_PAW * height
    floor = float(walked[..., 2].min())
    assert abs(again[..., 2].min() - floor) < MOST_PAW * height


def _heads(rig: bpy.types.Object, names: list[str], frames: range) -> np.ndarray:
    """(F, len(names), 3)."""
    found = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        found.append([tuple(rig.pose.bones[name].head) for name in names])
    return np.array(found)


def case_an_fbx_is_read_where_its_importer_is_off_and_the_active_collection_hidden(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.apply_clip(clip="wave")
    path = write_fbx(rig, bench.scratch / "wave.fbx")
    bpy.context.view_layer.objects.active = rig
    hidden = bpy.data.collections.new("Hidden")
    bpy.context.scene.collection.children.link(hidden)
    layer = bpy.context.view_layer.layer_collection.children["Hidden"]
    bpy.context.view_layer.active_layer_collection = layer
    addon_utils.disable(FBX)
    for part in ("hide_viewport", "exclude"):
        bpy.ops.figurine.clear_clip()
        setattr(layer, part, True)
        before = data_blocks()
        assert bpy.ops.figurine.retarget(filepath=str(path)) == {"FINISHED"}
        left = data_blocks()
        assert {kind for kind in left if left[kind] != before.get(kind)} - {"all_ids"} == {"actions"}
        assert bpy.context.view_layer.objects.active == rig
    assert not addon_utils.check(FBX)[1]
    addon_utils.enable(FBX)
