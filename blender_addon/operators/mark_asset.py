# SPDX-License-Identifier: GPL-3.0-or-later
"""Mark as Asset: the active figure goes to the asset browser."""

# No postponed annotations: Blender reads them as they are.
from pathlib import Path

import bpy

from ..errors import FigurineError, typed_file_errors
from ..languages import told_in_report
from ..output.asset import mark_figure
from ..output.subject import obstacle, subject_of
from ..phrases import joined, phrase
from ..pose.rig import active_rig
from .common import poll_reason, told_error

_SAVE = "Save the file, and mark it again, to have it in a catalog."


class FIGURINE_OT_mark_asset(bpy.types.Operator):
    """Mark the active figure as an asset of this file, with a picture of it and in a catalog by its body"""

    bl_idname = "figurine.mark_asset"
    bl_label = "Mark as Asset"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a figure of this file."""
        reason = obstacle(context)
        if not reason and active_rig(context).library:
            reason = phrase("{name} is linked from another file: mark it there.", name=active_rig(context).name)
        return poll_reason(cls, reason)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Mark it."""
        folder = Path(bpy.data.filepath).parent
        try:
            with typed_file_errors(folder):
                collection = mark_figure(context, subject_of(context))
        except FigurineError as error:
            self.report({"ERROR"}, told_error(error))
            return {"CANCELLED"}
        said = phrase("{name} is in the asset browser, under Current File.", name=collection.name)
        hint = "" if bpy.data.filepath else _SAVE
        self.report(
            {"INFO"},
            told_in_report(joined((said, hint), " ") if hint else said),
        )
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_mark_asset,)
