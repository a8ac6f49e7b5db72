# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions in every Blender: until 4.3 an action holds curves, from 4.4 on slots for what it moves, and in 5.0 the
curves are with the slots alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

_LINEAR = 1  # as Blender counts the kinds of interpolation
FIRST_FRAME = 1


@dataclass(frozen=True, eq=False)
class Channel:
    """path: the property's, from the object. group: the bone's name. rows: (F, K), one a frame."""

    path: str
    group: str
    rows: NDArray[np.float64]


def make_action(
    name: str, owner: bpy.types.Object, channels: Iterable[Channel], first: int = FIRST_FRAME
) -> bpy.types.Action:
    """An action with a key for every frame, from the first on; nobody uses it yet."""
    action = bpy.data.actions.new(name)
    curves, groups = _containers(action, owner)
    for channel in channels:
        group = groups.get(channel.group) or groups.new(channel.group)
        frames = np.arange(len(channel.rows)) + first
        for index, numbers in enumerate(channel.rows.T):
            curve = curves.new(channel.path, index=index)
            curve.group = group
            points = curve.keyframe_points
            points.add(len(frames))
            points.foreach_set("co", np.column_stack([frames, numbers]).ravel())
            points.foreach_set("interpolation", [_LINEAR] * len(frames))
            curve.update()
    return action


def _containers(
    action: bpy.types.Action, owner: bpy.types.Object
) -> tuple[bpy.types.bpy_prop_collection, bpy.types.bpy_prop_collection]:
    """Where its curves and their groups go."""
    if not hasattr(action, "slots"):
        return action.fcurves, action.groups
    slot = action.slots.new("OBJECT", owner.name)
    bag = action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)
    return bag.fcurves, bag.groups


def add_strip(
    track: bpy.types.NlaTrack, start: int, action: bpy.types.Action, slot: object | None = None
) -> bpy.types.NlaStrip:
    """Put an action on a track. slot: which of its slots moves the owner; the first where none is given."""
    strip = track.strips.new(action.name, start, action)
    if hasattr(strip, "action_slot"):
        strip.action_slot = slot or action.slots[0]
    return strip


def curves_of(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All of them, of every slot."""
    if not hasattr(action, "layers"):  # before Blender 4.4
        return list(action.fcurves)
    strips = [strip for layer in action.layers for strip in layer.strips]
    return [curve for strip in strips for bag in strip.channelbags for curve in bag.fcurves]


def slot_of(data: bpy.types.AnimData) -> object | None:
    """The slot of the active action; None where there are none."""
    return getattr(data, "action_slot", None)
