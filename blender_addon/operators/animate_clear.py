# SPDX-License-Identifier: GPL-3.0-or-later
"""Clear: the clip goes, the figure stands at rest."""

# No postponed annotations: Blender reads them as they are.
import bpy

from ..animation.player import clear, playing
from ..pose.rig import active_rig
from .animate_clip import animation_obstacle
from .common import poll_reason

NO_CLIP = "This rig plays no clip of Figurine's."


class FIGURINE_OT_clear_clip(bpy.types.Operator):
    """Take the clip from the rig's NLA and put every bone back to rest. Other strips and actions stay"""

    bl_idname = "figurine.clear_clip"
    bl_label = "Clear"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a rig with a clip."""
        return poll_reason(cls, animation_obstacle(context) or ("" if playing(active_rig(context)) else NO_CLIP))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove it."""
        clear(active_rig(context))
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_clear_clip,)
