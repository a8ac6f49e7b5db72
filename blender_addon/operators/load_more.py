# SPDX-License-Identifier: GPL-3.0-or-later
"""Show Older Jobs: the next page of the server's list."""

from __future__ import annotations

import bpy

from .. import runtime
from .common import poll_reason


class FIGURINE_OT_load_more(bpy.types.Operator):
    """Get the next jobs of the server's list"""

    bl_idname = "figurine.load_more"
    bl_label = "Show Older Jobs"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where the list is complete."""
        return poll_reason(cls, "" if runtime.current().snapshot.has_more else "All jobs of the server are shown.")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for them."""
        runtime.current().engine.load_more()
        runtime.current().touch()
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_load_more,)
