# SPDX-License-Identifier: GPL-3.0-or-later
"""Use Render Result: what was rendered last."""

from __future__ import annotations

import bpy

from .. import runtime
from ..errors import FigurineError
from ..pictures import render_result_file
from .common import choose_picture, poll_reason, tell


class FIGURINE_OT_use_render(bpy.types.Operator):
    """Use what was rendered last as the picture"""

    bl_idname = "figurine.use_render"
    bl_label = "Use Render Result"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing was rendered."""
        has_render = any(image.type == "RENDER_RESULT" for image in bpy.data.images)
        return poll_reason(cls, "" if has_render else "Nothing was rendered yet: press F12.")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Save it, and make that the picture."""
        try:
            choose_picture(context.scene.figurine, render_result_file(context.scene, runtime.current().paths.pictures))
        except FigurineError as error:
            tell(self, error)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_use_render,)
