# SPDX-License-Identifier: GPL-3.0-or-later
"""Output: the active figure as a file for other programs and printers, and as an asset."""

from __future__ import annotations

import bpy

from ..output.subject import obstacle, print_obstacle
from ..output.targets import TARGETS
from ..phrases import untranslated
from ..pose.rig import active_rig
from .layout import draw_faint

_COLUMNS = 2


class FIGURINE_PT_output(bpy.types.Panel):
    """What the active figure can become; needs no server."""

    bl_label = "Output"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 7
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: bpy.types.Context) -> None:
        """Whose file it will be, or why there is none."""
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        rig = active_rig(context)
        reason = obstacle(context) if rig is not None else print_obstacle(context)
        draw_faint(layout, reason or untranslated((rig or context.object).name), is_in_box=False)
        targets = list(TARGETS.values())
        column = layout.column(align=True)
        for first in range(0, len(targets), _COLUMNS):
            row = column.row(align=True)
            for target in targets[first : first + _COLUMNS]:
                row.operator("figurine.export_figure", text=f"{target.label}…").target = target.key
        layout.operator("figurine.export_print", text="Export for Printing…")
        layout.operator("figurine.mark_asset", icon="ASSET_MANAGER")


CLASSES = (FIGURINE_PT_output,)
