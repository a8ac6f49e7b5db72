# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators on the active rig share."""

from __future__ import annotations

import bpy

from ..pose.rig import active_rig, obstacle
from .common import poll_reason

TWEAKED = (
    "An NLA strip is being tweaked, which holds the rig's action: leave tweak mode (Tab, in the NLA editor) first."
)


class RigOperator:
    """Acts on the active rig in Object Mode or Pose Mode, as one step of undo."""

    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a rig in Object Mode or Pose Mode that nothing else stands against."""
        return poll_reason(cls, obstacle(context) or cls.reason(active_rig(context)))

    @classmethod
    def reason(cls, armature: bpy.types.Object) -> str:
        """What else stands against it on this rig; empty for nothing."""
        return ""


def tweak_obstacle(armature: bpy.types.Object) -> str:
    """Why its action cannot be another one now; empty where it can."""
    data = armature.animation_data
    return TWEAKED if data is not None and data.use_tweak_mode else ""
