# SPDX-License-Identifier: GPL-3.0-or-later
"""Animations as they go into a file: one clip for each track or action, sampled at every frame as it is seen.

They are sampled because the file's skeleton rests otherwise, and has neither handles nor constraints.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ..animation.actions import Channel, add_strip, curves_of, make_action
from ..pose import ik
from ..pose.rig import HANDLE_ROLE, role_of
from ..pose.rotation_arrays import continuous
from .skeleton import FileSkeleton, basis_of, pose_matrices, rest_matrices
from .workshop import Workshop

POSE_NAME = "Pose"
_BONE_PATH = re.compile(r'pose\.bones\["(.+?)"\]')
_UNSCALED = 1e-5
_UNPOSED = 1e-5  # of the longest bone, and of a turn
# An action is the rig's own where so many of the bones that it moves are there.
_MOST_OTHERS = 0.5


@dataclass(frozen=True, eq=False)
class Clip:
    """posed: (F, J, 4, 4), where the bones are in the armature's space at each frame, by the file's skeleton."""

    name: str
    posed: np.ndarray


@dataclass(frozen=True)
class _Source:
    """Where a clip comes from: an NLA track of the rig, or an action. paths: of what it moves. track: its place on the
    NLA, where names may be there twice; −1 for an action.
    """

    name: str
    first: int
    last: int
    paths: frozenset[str]
    track: int = -1
    action: bpy.types.Action | None = None


def pose_clip(armature: bpy.types.Object, skeleton: FileSkeleton) -> Clip | None:
    """The present pose, as it is seen in the artist's scene; None where the figure is at rest. Two frames: some
    programs drop a clip of one.
    """
    posed = pose_matrices(armature, skeleton.sources)
    longest = max(bone.length for bone in armature.data.bones)
    if np.abs(posed - rest_matrices(armature, skeleton.sources)).max() < _UNPOSED * max(longest, 1.0):
        return None
    return Clip(POSE_NAME, np.stack([posed, posed]))


def read_clips(
    shop: Workshop, armature: bpy.types.Object, skeleton: FileSkeleton, takes_all_actions: bool
) -> list[Clip]:
    """The rig's NLA tracks and its action, with its constraints. takes_all_actions: also those of the file that fit."""
    sources = _sources(armature, takes_all_actions)
    if not sources:
        return []
    player = shop.copy(armature)
    _aim_at_itself(player, armature)
    kept = {posed.name: posed.matrix_basis.copy() for posed in player.pose.bones}
    clips = []
    for source in sources:
        _play(player, source)
        _rest(player, source, kept)
        frames = []
        for frame in range(source.first, source.last + 1):
            shop.scene.frame_set(frame)
            frames.append(pose_matrices(player, skeleton.sources))
        clips.append(Clip(source.name, np.array(frames if len(frames) > 1 else frames * 2)))
    bpy.data.objects.remove(player)
    return clips


def add_clips(shop: Workshop, armature: bpy.types.Object, skeleton: FileSkeleton, clips: list[Clip]) -> None:
    """As NLA tracks of the file's armature, each from frame 0."""
    names: set[str] = set()
    for clip in clips:
        name = next(found for found in _numbered(clip.name) if found not in names)
        names.add(name)
        basis = basis_of(skeleton, skeleton.in_file(clip.posed))
        action = make_action(name, armature, _channels(armature, skeleton, basis), first=0)
        shop.call(action, name, bpy.data.actions)
        data = armature.animation_data or armature.animation_data_create()
        track = data.nla_tracks.new()
        track.name = name
        strip = add_strip(track, 0, action)
        strip.name, strip.extrapolation = name, "NOTHING"


def _sources(armature: bpy.types.Object, takes_all_actions: bool) -> list[_Source]:
    found, used = [], set()
    data = armature.animation_data
    for place, track in enumerate(data.nla_tracks if data else ()):
        strips = [strip for strip in track.strips if strip.action is not None]
        if strips:
            name = strips[0].name if len(strips) == 1 else track.name
            first, last = min(strip.frame_start for strip in strips), max(strip.frame_end for strip in strips)
            if len(strips) == 1:  # a loop goes into the file once
                last = first + (last - first) / strips[0].repeat
            paths = frozenset().union(*(_paths(strip.action) for strip in strips))
            found.append(_Source(name, math.floor(first), math.ceil(last), paths, track=place))
            used |= {strip.action for strip in strips}
    own = [data.action] if data and data.action else []
    if takes_all_actions:
        own += [action for action in bpy.data.actions if _fits(action, armature)]
    for action in dict.fromkeys(own):
        if action not in used:
            first, last = (round(frame) for frame in action.frame_range)
            found.append(_Source(action.name, first, max(first, last), _paths(action), action=action))
    return found


def _paths(action: bpy.types.Action) -> frozenset[str]:
    return frozenset(curve.data_path for curve in curves_of(action))


def _bones_of(paths: Iterable[str]) -> set[str]:
    return {match[1] for match in map(_BONE_PATH.match, paths) if match}


def _fits(action: bpy.types.Action, armature: bpy.types.Object) -> bool:
    """An animation of these bones; poses of the asset browser are none."""
    bones = _bones_of(_paths(action))
    own = bones & set(armature.data.bones.keys())
    return bool(own) and len(own) > _MOST_OTHERS * len(bones) and action.asset_data is None


def _aim_at_itself(player: bpy.types.Object, armature: bpy.types.Object) -> None:
    """The copy's constraints still mean the original."""
    for posed in player.pose.bones:
        for constraint in posed.constraints:
            for owner in (constraint, *getattr(constraint, "targets", ())):
                for part in ("target", "pole_target"):
                    if getattr(owner, part, None) == armature:
                        setattr(owner, part, player)


def _play(player: bpy.types.Object, source: _Source) -> None:
    data = player.animation_data or player.animation_data_create()
    data.use_tweak_mode = False
    for place, track in enumerate(data.nla_tracks):
        track.is_solo = False
        track.mute = place != source.track
    data.use_nla = True
    data.action = source.action
    if source.action is not None and getattr(data, "action_slot", source) is None and data.action_suitable_slots:
        data.action_slot = data.action_suitable_slots[0]


def _rest(player: bpy.types.Object, source: _Source, kept: dict[str, Matrix]) -> None:
    """What the clip does not move is at rest; handles that it does not move hold nothing."""
    moved = _bones_of(source.paths)
    handles = {posed.name for posed in player.pose.bones if role_of(posed.bone) == HANDLE_ROLE}
    for posed in player.pose.bones:
        posed.matrix_basis = kept[posed.name] if posed.name in handles else Matrix.Identity(4)
        for constraint in posed.constraints:
            if constraint.name in (ik.REACH, ik.TURN):
                constraint.mute = not handles & moved


def _channels(armature: bpy.types.Object, skeleton: FileSkeleton, basis: np.ndarray) -> Iterator[Channel]:
    """basis: (F, J, 4, 4)."""
    for bone, entry in enumerate(skeleton.names):
        parts = [Matrix(matrix.tolist()).decompose() for matrix in basis[:, bone]]
        turns = continuous(np.array([turn for _, turn, _ in parts]))
        values = {"location": np.array([place for place, _, _ in parts]), "rotation_quaternion": turns}
        scales = np.array([scale for _, _, scale in parts])
        if np.abs(scales - 1.0).max() > _UNSCALED:
            values["scale"] = scales
        for path, rows in values.items():
            yield Channel(armature.pose.bones[entry].path_from_id(path), entry, rows)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name} {number}"
        number += 1
