# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a message or a finished job out of sight."""

import bpy
from bpy.props import IntProperty

from .. import runtime


class FIGURINE_OT_dismiss(bpy.types.Operator):
    """Take this message away"""

    bl_idname = "figurine.dismiss"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    number: IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Take it away; a result that was offered stays in the list and is not offered again."""
        now = runtime.current()
        message = now.dismiss(self.number)
        if message is not None and message.offers_import and message.key is not None:
            now.engine.keep_for_later(message.key)
        return {"FINISHED"}


class FIGURINE_OT_close_progress(bpy.types.Operator):
    """Take this job out of sight; it stays in the list below"""

    bl_idname = "figurine.close_progress"
    bl_label = "Close"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show no job at large."""
        now = runtime.current()
        now.focus = None
        now.touch()
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_dismiss, FIGURINE_OT_close_progress)
