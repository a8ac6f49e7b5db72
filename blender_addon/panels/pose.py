# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing of the active rig: poses, hands, handles, what shows."""

from __future__ import annotations

import bpy

from ..phrases import phrase, untranslated
from ..pose import ik, limiting, shapes
from ..pose.library import body_poses
from ..pose.rig import active_rig, body_kind, obstacle
from .layout import draw_faint

_COLUMNS = 2
_BIG = 1.3
# Shown large, above the others.
PLAIN = ("t_pose", "a_pose", "attention")


class FIGURINE_PT_pose(bpy.types.Panel):
    """Poses of the active rig; needs no server."""

    bl_label = "Pose"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        """Whose pose it is, or why nothing can be posed."""
        layout = self.layout
        armature = active_rig(context)
        draw_faint(layout, obstacle(context) or untranslated(armature.name), is_in_box=False)
        if armature is None:
            return
        _draw_poses(layout, armature)
        _draw_hands(layout)
        _draw_ik(layout, armature)
        _draw_bones(layout, armature)


def _draw_poses(layout: bpy.types.UILayout, armature: bpy.types.Object) -> None:
    poses = body_poses(body_kind(armature))
    row = layout.row(align=True)
    row.scale_y = _BIG
    row.operator("figurine.reset_pose", icon="LOOP_BACK")
    for key in PLAIN:
        if key in poses:
            row.operator("figurine.apply_pose", text=poses[key].name).pose = key
    row = layout.row(align=True)
    row.operator("figurine.mirror_pose", icon="MOD_MIRROR")
    row.operator("figurine.save_pose", icon="ASSET_MANAGER")
    header, body = layout.panel("figurine_body_poses", default_closed=False)
    header.label(text="Body")
    if body is None:
        return
    others = [pose for key, pose in poses.items() if key not in PLAIN]
    for first in range(0, len(others), _COLUMNS):
        row = body.row(align=True)
        for pose in others[first : first + _COLUMNS]:
            row.operator("figurine.apply_pose", text=pose.name).pose = pose.key


def _draw_hands(layout: bpy.types.UILayout) -> None:
    row = layout.row(align=True)
    for side, label in (("left", "Left Hand"), ("right", "Right Hand"), ("both", phrase("Both"))):
        row.operator_menu_enum("figurine.hand_pose", "pose", text=label).side = side


def _draw_ik(layout: bpy.types.UILayout, armature: bpy.types.Object) -> None:
    header, body = layout.panel("figurine_ik", default_closed=True)
    header.label(text="Handles (IK)")
    if body is None:
        return
    limbs = ik.limbs_of(armature)
    body.operator("figurine.switch_ik", text="All Hands and Feet", icon="CON_KINEMATIC").limb = "all"
    for first in range(0, len(limbs), _COLUMNS):
        row = body.row(align=True)
        for limb in limbs[first : first + _COLUMNS]:
            is_on = ik.is_on(armature, limb)
            row.operator("figurine.switch_ik", text=limb.label, depress=is_on).limb = limb.key


def _draw_bones(layout: bpy.types.UILayout, armature: bpy.types.Object) -> None:
    header, body = layout.panel("figurine_bones", default_closed=True)
    header.label(text="Bones")
    if body is None:
        return
    row = body.row(align=True)
    row.operator("figurine.switch_limits", depress=limiting.are_limited(armature))
    row.operator("figurine.switch_shapes", depress=shapes.are_shown(armature))
    groups = list(armature.data.collections)
    for first in range(0, len(groups), _COLUMNS):
        row = body.row(align=True)
        for group in groups[first : first + _COLUMNS]:
            row.prop(group, "is_visible", text=group.name, translate=False, toggle=True)


CLASSES = (FIGURINE_PT_pose,)
