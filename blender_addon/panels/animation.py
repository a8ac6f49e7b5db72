# SPDX-License-Identifier: GPL-3.0-or-later
"""Animation of the active rig: a clip, a file's animation, none."""

from __future__ import annotations

import bpy

from ..animation.player import CLIP_PROPERTY, playing
from ..operators.animate_clip import animation_obstacle
from ..pose.rig import active_rig, body_kind
from .layout import draw_faint

_BIG = 1.3


class FIGURINE_PT_animation(bpy.types.Panel):
    """Clips for the active rig; needs no server."""

    bl_label = "Animation"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 3
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: bpy.types.Context) -> None:
        """Which clip, how fast and how far; or why nothing can be animated."""
        layout = self.layout
        armature = active_rig(context)
        action = playing(armature) if armature is not None else None
        state = f"{armature.name}: {action[CLIP_PROPERTY]}" if action else armature and armature.name
        draw_faint(layout, animation_obstacle(context) or state, is_in_box=False)
        if armature is None:
            return
        settings, kind = context.scene.figurine_animation, body_kind(armature)
        column = layout.column(align=True)
        column.prop(settings, kind, text="")
        row = column.row(align=True)
        row.prop(settings, "speed")
        row.prop(settings, "amplitude")
        row = layout.row(align=True)
        row.scale_y = _BIG
        apply = row.operator("figurine.apply_clip", text="Apply", icon="ACTION")
        apply.clip, apply.speed, apply.amplitude = getattr(settings, kind), settings.speed, settings.amplitude
        row.operator("screen.animation_play", text="", icon="PAUSE" if context.screen.is_animation_playing else "PLAY")
        row = layout.row(align=True)
        row.operator("figurine.retarget", icon="IMPORT")
        row.operator("figurine.clear_clip", icon="X")


CLASSES = (FIGURINE_PT_animation,)
