# SPDX-License-Identifier: GPL-3.0-or-later
"""Use Viewport: what the 3D viewport shows now."""

from __future__ import annotations

import bpy

from .. import runtime
from ..errors import FigurineError
from ..viewport import viewport_file, viewport_obstacle
from .common import choose_picture, poll_reason, tell


class FIGURINE_OT_use_viewport(bpy.types.Operator):
    """Use what this 3D viewport shows now as the picture: the objects alone, without grid, gizmos and background"""

    bl_idname = "figurine.use_viewport"
    bl_label = "Use Viewport"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey without a window, or without a viewport in it."""
        return poll_reason(cls, viewport_obstacle(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw it once more, and make that the picture."""
        try:
            choose_picture(context.scene.figurine, viewport_file(context, runtime.current().paths.pictures))
        except FigurineError as error:
            tell(self, error)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_use_viewport,)
