# SPDX-License-Identifier: GPL-3.0-or-later
"""Diagnostics, preferences, the server's log."""

from __future__ import annotations

import bpy

from .. import runtime
from ..diagnostics import diagnostics


class FIGURINE_OT_copy_diagnostics(bpy.types.Operator):
    """Copy versions, the server's state, the last errors and the end of the log. No secret is in it"""

    bl_idname = "figurine.copy_diagnostics"
    bl_label = "Copy Diagnostics"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put the text on the clipboard."""
        context.window_manager.clipboard = diagnostics(runtime.current(), bpy.app.version_string)
        self.report({"INFO"}, "The diagnostics are on the clipboard.")
        return {"FINISHED"}


class FIGURINE_OT_open_preferences(bpy.types.Operator):
    """Open Figurine's preferences: where the server is, its token, its folders"""

    bl_idname = "figurine.open_preferences"
    bl_label = "Figurine Preferences…"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show them."""
        return bpy.ops.preferences.addon_show(module=__package__.rpartition(".")[0])


class FIGURINE_OT_allow_online(bpy.types.Operator):
    """Open Preferences > System, where Allow Online Access can be turned on"""

    bl_idname = "figurine.allow_online"
    bl_label = "Allow Online Access…"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show the place; the choice is the artist's."""
        return bpy.ops.screen.userpref_show(section="SYSTEM")


class FIGURINE_OT_open_log(bpy.types.Operator):
    """Open the log of the server that Blender started"""

    bl_idname = "figurine.open_log"
    bl_label = "Open Server Log"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand the file to the system, where there is one."""
        if not runtime.current().paths.log.exists():
            self.report({"WARNING"}, "The server was never started from this Blender.")
            return {"CANCELLED"}
        return bpy.ops.wm.path_open(filepath=str(runtime.current().paths.log))


CLASSES = (
    FIGURINE_OT_copy_diagnostics,
    FIGURINE_OT_open_preferences,
    FIGURINE_OT_allow_online,
    FIGURINE_OT_open_log,
)
