# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of clips beside what the artist has: actions and strips of one's own, collections, add-ons switched off."""

from __future__ import annotations

import re
from pathlib import Path

import bpy
import numpy as np

from blender_addon.animation.actions import add_strip
from blender_addon.animation.player import CLIP_PROPERTY, playing
from blender_addon.pose.rig import key_pose
from tests.integration.addon_animation_cases import bring, directions, furthest_deg
from tests.integration.addon_scene import Bench
from tests.integration.clip_files import write_bvh
from tests.integration.clip_measures import cycle_of
from tests.integration.output_measures import (
    clip_name,
    clips_of,
    export,
    heads_of,
    imported,
    register_output_operators,
)

SAME_m = 1e-4


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


def case_a_bvh_without_end_sites_moves_the_figure_as_one_with_them(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    path, seen = write_bvh(bench.scratch / "swing.bvh"), []
    for text in (path.read_text(encoding="utf-8"), _without_ends(path)):
        path.write_text(text, encoding="utf-8")
        bpy.ops.figurine.retarget(filepath=str(path))
        bpy.context.scene.frame_set(cycle_of(rig)[len(cycle_of(rig)) // 2])
        seen.append(directions(rig))
    assert "End Site" not in path.read_text(encoding="utf-8")
    assert furthest_deg(*seen) < 0.1, furthest_deg(*seen)


def _without_ends(path: Path) -> str:
    return re.sub(r"End Site\s*\{[^}]*\}", "", path.read_text(encoding="utf-8"))
