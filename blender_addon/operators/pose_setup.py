# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rig is set up with for posing: limits of its joints, shapes of its bones."""

from __future__ import annotations

import bpy

from ..pose import limiting, shapes
from ..pose.rig import active_rig
from .rig_operator import RigOperator

NO_LIMITS = "The joints of this rig are not known by role or name, or its bones' axes lie askew: none can be limited."


class FIGURINE_OT_switch_limits(RigOperator, bpy.types.Operator):
    """Let joints turn only as far as a body's do, or as far as you like again. Shoulders and hips stay free"""

    bl_idname = "figurine.switch_limits"
    bl_label = "Joint Limits"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """On where they are off."""
        armature = active_rig(context)
        if limiting.are_limited(armature):
            limiting.unlimit(armature)
        elif not limiting.limit(armature):
            self.report({"WARNING"}, NO_LIMITS)
            return {"CANCELLED"}
        return {"FINISHED"}


class FIGURINE_OT_switch_shapes(RigOperator, bpy.types.Operator):
    """Show bones as rings about the body, or as plain bones again"""

    bl_idname = "figurine.switch_shapes"
    bl_label = "Bone Shapes"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """On where they are off."""
        armature = active_rig(context)
        if shapes.are_shown(armature):
            shapes.hide(armature)
        else:
            shapes.show(armature)
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_switch_limits, FIGURINE_OT_switch_shapes)
