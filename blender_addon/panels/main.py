# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the 3D viewport's sidebar."""

from __future__ import annotations

import bpy

from .. import runtime
from .messages import draw_messages
from .progress import draw_progress
from .request import draw_generate, draw_picture, draw_settings
from .server import draw_server


class FIGURINE_PT_main(bpy.types.Panel):
    """From a picture to a posed character."""

    bl_label = "Figurine"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 0

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """Help, at the right end of the title."""
        self.layout.menu("FIGURINE_MT_help", text="", icon="QUESTION")

    def draw(self, context: bpy.types.Context) -> None:
        """From top to bottom in the order in which an artist needs it."""
        now, request = runtime.current(), context.scene.figurine
        draw_server(self.layout, now)
        draw_messages(self.layout, now)
        draw_picture(self.layout, request)
        draw_settings(self.layout, request, now)
        draw_generate(self.layout, request, now)
        draw_progress(self.layout, now)


CLASSES = (FIGURINE_PT_main,)
