# SPDX-License-Identifier: GPL-3.0-or-later
"""A texture for any mesh, from the panel."""

from __future__ import annotations

import bpy

from ..operators.texture_mesh import texture_obstacle
from ..phrases import phrase
from .layout import draw_faint

_BIG = 1.3


class FIGURINE_PT_texture(bpy.types.Panel):
    """A texture for the mesh that is chosen, after the picture that is chosen above."""

    bl_label = "Texture"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 5

    def draw(self, context: bpy.types.Context) -> None:
        """What would be textured, or why nothing can be."""
        reason = texture_obstacle(context)
        draw_faint(
            self.layout,
            reason or phrase("{name}, seen from the front (-Y)", name=context.object.name),
            is_in_box=False,
        )
        row = self.layout.row()
        row.scale_y = _BIG
        row.operator("figurine.texture_mesh", icon="TEXTURE")


CLASSES = (FIGURINE_PT_texture,)
