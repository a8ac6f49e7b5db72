# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxels of any mesh, from the panel."""

from __future__ import annotations

import bpy

from ..figure.voxel_choice import Choice, choice, obstacle
from ..phrases import phrase, untranslated
from .layout import draw_faint

_BIG = 1.3


class FIGURINE_PT_voxels(bpy.types.Panel):
    """Voxels of the mesh that is chosen; needs no server."""

    bl_label = "Voxels"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 6

    def draw(self, context: bpy.types.Context) -> None:
        """What would be voxelized, or why nothing can be."""
        draw_faint(self.layout, obstacle(context) or _title(choice(context)), is_in_box=False)
        row = self.layout.row(align=True)
        row.scale_y = _BIG
        row.operator("figurine.voxelize", icon="MESH_CUBE")
        row.operator("figurine.voxelize", text="", icon="OPTIONS").ask = True
        self.layout.operator("figurine.export_vox", text="Export Voxels (.vox)…", icon="EXPORT")


def _title(chosen: Choice) -> str:
    more = len(chosen.others)
    name = chosen.figure.name
    return phrase("{name} and {more} more", name=name, more=more) if more else untranslated(name)


CLASSES = (FIGURINE_PT_voxels,)
