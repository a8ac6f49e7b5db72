# SPDX-License-Identifier: GPL-3.0-or-later
"""The present pose as an asset: an action of one frame, with a picture, for Blender's asset browser."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Vector

from . import ik
from .rig import key_pose, read_rig
from .thumbnail import SIDE_px, render_thumbnail

_FRAME = 1.0


def save_pose(armature: bpy.types.Object, name: str) -> bpy.types.Action:
    """An action that holds every bone of the body, marked as an asset. The rig's own action, its pose and its handles
    are as before.
    """
    rig = read_rig(armature)
    front = armature.matrix_world.to_3x3() @ Vector((-rig.to_character[1]).tolist())
    picture = render_thumbnail(armature, front)
    action = bpy.data.actions.new(name)
    with ik.paused(armature):
        _key(armature, rig.skeleton.names, action)
    action.asset_mark()
    if picture is not None:
        set_preview(action, picture)
    return action


def _key(armature: bpy.types.Object, names: tuple[str, ...], action: bpy.types.Action) -> None:
    """Assigning an action has Blender play it, so the pose is put back afterwards."""
    had_data = armature.animation_data is not None
    data = armature.animation_data or armature.animation_data_create()
    own, slot = data.action, getattr(data, "action_slot", None)
    kept = {posed.name: posed.matrix_basis.copy() for posed in armature.pose.bones}
    try:
        data.action = action
        for name in names:
            key_pose(armature.pose.bones[name], _FRAME)
    finally:
        data.action = own
        if slot is not None:
            data.action_slot = slot
        if not had_data:
            armature.animation_data_clear()
    bpy.context.view_layer.update()
    for name, basis in kept.items():
        armature.pose.bones[name].matrix_basis = basis
    bpy.context.view_layer.update()


def set_preview(asset: bpy.types.ID, picture: np.ndarray) -> None:  # (SIDE_px, SIDE_px, 4)
    """What the asset browser shows; as render_thumbnail returns it."""
    preview = asset.preview_ensure()
    preview.image_size = (SIDE_px, SIDE_px)
    preview.image_pixels_float.foreach_set(picture.ravel())
