# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be corrected of the active figure, and a rig for any mesh."""

from __future__ import annotations

import bpy

from ..operators.update_skin import skin_obstacle
from ..pose.rig import active_rig
from .layout import draw_faint

_BIG = 1.3


class FIGURINE_PT_correct(bpy.types.Panel):
    """Bones and weights of the active figure, or of the selected meshes."""

    bl_label = "Correct"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 4
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender's way to declare it

    def draw(self, context: bpy.types.Context) -> None:
        """What the buttons would act on, or why they cannot."""
        layout = self.layout
        reason = skin_obstacle(context)
        draw_faint(layout, reason or active_rig(context).name, is_in_box=False)
        row = layout.row()
        row.scale_y = _BIG
        row.operator("figurine.update_skin", icon="MOD_VERTEX_WEIGHT")
        layout.operator("figurine.rig_mesh", icon="OUTLINER_OB_ARMATURE")


CLASSES = (FIGURINE_PT_correct,)
