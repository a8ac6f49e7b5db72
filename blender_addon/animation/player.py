# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips on the NLA of a rig: put there, found again, taken away."""

from __future__ import annotations

import math
from collections.abc import Iterator

import bpy
import numpy as np
from mathutils import Quaternion
from numpy.typing import NDArray

from ..pose import ik
from ..pose.rig import PosableRig, read_rig
from ..pose.rotation_arrays import continuous, quaternions
from .actions import FIRST_FRAME, Channel, add_strip, make_action, slot_of
from .motion import Motion, swell_axes

TRACK = "Figurine"
# What an action of ours holds, and which strip of which action we made: a copy has another name, and is the artist's.
CLIP_PROPERTY = "figurine_clip"
MADE_PROPERTY = "figurine_made"
# How fast the floor goes by under the clip, in the armature's own units a second.
SPEED_PROPERTY = "figurine_speed"


def play(rig: PosableRig, motion: Motion, name: str, is_loop: bool) -> bpy.types.Action:
    """Put the motion on the rig's NLA instead of what was there of ours; handles are switched off. An active action
    of the artist's own is pushed down below it.
    """
    armature = rig.armature
    for limb in ik.limbs_of(armature):
        if ik.is_on(armature, limb):
            ik.switch(armature, limb, False)
    data = armature.animation_data or armature.animation_data_create()
    _push_down(armature)
    _remove_strips(armature)
    action = make_action(f"{armature.name} {name}", armature, _channels(rig, motion))
    action[CLIP_PROPERTY] = name
    action[SPEED_PROPERTY] = motion.speed
    last = FIRST_FRAME + len(motion.turns) - 1
    action.use_frame_range, action.frame_start, action.frame_end = True, FIRST_FRAME, last
    action.use_cyclic = is_loop
    track = data.nla_tracks.new()
    track.name = TRACK
    scene = bpy.context.scene
    strip = add_strip(track, scene.frame_start, action)
    strip.name = name
    action[MADE_PROPERTY] = _identity(strip)
    strip.action_frame_start, strip.action_frame_end = FIRST_FRAME, last
    if is_loop:
        strip.repeat = max(1, math.ceil((scene.frame_end - scene.frame_start) / (last - FIRST_FRAME)))
    scene.frame_set(scene.frame_current)
    return action


def playing(armature: bpy.types.Object) -> bpy.types.Action | None:
    """The clip on its NLA."""
    return next((strip.action for _, strip in _strips(armature)), None)


def clear(armature: bpy.types.Object) -> None:
    """Take our clip from the NLA; the figure stands at rest again."""
    _remove_strips(armature)
    data = armature.animation_data
    if data is not None and data.action is None and not data.nla_tracks and not data.drivers:
        armature.animation_data_clear()
    with ik.paused(armature):
        read_rig(armature).clear()


def _strips(armature: bpy.types.Object) -> Iterator[tuple[bpy.types.NlaTrack, bpy.types.NlaStrip]]:
    """Those that we made: what the artist duplicated from them, or gave another name, is the artist's."""
    tracks = armature.animation_data.nla_tracks if armature.animation_data is not None else ()
    for track in tracks:
        for strip in track.strips:
            if strip.action is not None and MADE_PROPERTY in strip.action:
                if strip.action[MADE_PROPERTY].to_dict() == _identity(strip):
                    yield track, strip


def _identity(strip: bpy.types.NlaStrip) -> dict[str, str]:
    """Names are unique among actions, and among the strips of one rig."""
    return {"action": strip.action.name, "strip": strip.name}


def _remove_strips(armature: bpy.types.Object) -> None:
    """With tracks that are empty then, and actions that nobody uses."""
    for track, strip in list(_strips(armature)):
        action = strip.action
        track.strips.remove(strip)
        if not track.strips:
            armature.animation_data.nla_tracks.remove(track)
        if action.users == 0:
            bpy.data.actions.remove(action)


def _push_down(armature: bpy.types.Object) -> None:
    """An active action hides the NLA: it becomes a strip of it, as Blender's own Push Down does. A copy of a clip is
    the artist's, who may have changed it: it is no longer marked as ours. The clip itself is on the NLA already.
    """
    data = armature.animation_data
    action, slot = data.action, slot_of(data)
    if action is None:
        return
    data.action = None
    if any(strip.action == action for _, strip in _strips(armature)):
        return
    for mark in {CLIP_PROPERTY, MADE_PROPERTY} & set(action.keys()):
        del action[mark]
    track = data.nla_tracks.new()
    track.name = action.name
    add_strip(track, math.floor(action.frame_range[0]), action, slot)


def _channels(rig: PosableRig, motion: Motion) -> Iterator[Channel]:
    turns = continuous(quaternions(rig.basis(motion.turns)))
    for bone in sorted(motion.driven):
        posed = rig.armature.pose.bones[rig.skeleton.names[bone]]
        path, rows = _rotations(posed.rotation_mode, turns[:, bone])
        yield Channel(posed.path_from_id(path), posed.name, rows)
    if rig.hips is not None and rig.hips in motion.driven:
        yield _of(rig, rig.hips, "location", rig.hips_location(motion.turns, motion.shifts))
    if motion.swells is not None:
        for bone, parent in enumerate(rig.skeleton.parents):
            if parent < 0:
                axes = rig.to_character @ rig.rests[bone : bone + 1]
                scales = np.array([swell_axes(axes, swell)[0] for swell in motion.swells])
                yield _of(rig, bone, "scale", scales)


def _of(rig: PosableRig, bone: int, path: str, rows: NDArray[np.float64]) -> Channel:
    posed = rig.armature.pose.bones[rig.skeleton.names[bone]]
    return Channel(posed.path_from_id(path), posed.name, rows)


def _rotations(mode: str, turns: NDArray[np.float64]) -> tuple[str, NDArray[np.float64]]:
    """The property of a bone in this rotation mode, and its numbers (F, K): each frame nearest to the one before.
    turns: (F, 4), continuous.
    """
    if mode == "QUATERNION":
        return "rotation_quaternion", turns
    rows = [Quaternion(turn) for turn in turns.tolist()]
    if mode == "AXIS_ANGLE":
        return "rotation_axis_angle", np.array([_axis_angle(row) for row in rows])
    eulers = [rows[0].to_euler(mode)]
    for row in rows[1:]:
        eulers.append(row.to_euler(mode, eulers[-1]))
    return "rotation_euler", np.array(eulers)


def _axis_angle(quaternion: Quaternion) -> tuple[float, ...]:
    axis, angle_rad = quaternion.to_axis_angle()
    return (angle_rad, *axis)
