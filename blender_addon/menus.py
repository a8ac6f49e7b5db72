# SPDX-License-Identifier: GPL-3.0-or-later
"""Menus of the panel, and entries in Blender's own."""

from __future__ import annotations

import bpy

from . import runtime
from .languages import told
from .phrases import phrase


class FIGURINE_MT_help(bpy.types.Menu):
    """Help."""

    bl_label = "Figurine Help"

    def draw(self, context: bpy.types.Context) -> None:
        """What helps when something does not work."""
        layout = self.layout
        layout.label(text=told(phrase("Figurine {version}", version=runtime.current().version)))
        layout.separator()
        layout.operator("figurine.copy_diagnostics", icon="COPYDOWN")
        layout.operator("figurine.open_log", icon="TEXT")
        layout.operator("figurine.open_preferences", icon="PREFERENCES")


class FIGURINE_MT_server(bpy.types.Menu):
    """What is seldom done with the server."""

    bl_label = "Server"

    def draw(self, context: bpy.types.Context) -> None:
        """Start, stop, repair."""
        layout = self.layout
        layout.operator("figurine.start_server", icon="PLAY")
        layout.operator("figurine.stop_server", icon="SNAP_FACE")
        layout.operator("figurine.install_server", text="Repair Server", icon="TOOL_SETTINGS")
        layout.separator()
        layout.operator("figurine.open_log", icon="TEXT")
        layout.operator("figurine.copy_diagnostics", icon="COPYDOWN")
        layout.operator("figurine.open_preferences", icon="PREFERENCES")


class FIGURINE_MT_object(bpy.types.Menu):
    """Figurine, in the viewport's Object menu."""

    bl_label = "Figurine"

    def draw(self, context: bpy.types.Context) -> None:
        """What is done with any mesh."""
        self.layout.operator_context = "INVOKE_DEFAULT"
        self.layout.operator("figurine.texture_mesh", icon="TEXTURE")
        self.layout.operator("figurine.rig_mesh", icon="OUTLINER_OB_ARMATURE")
        self.layout.separator()
        self.layout.operator("figurine.voxelize", icon="MESH_CUBE")
        self.layout.operator("figurine.voxelize", text="Voxelize…", icon="OPTIONS").ask = True
        self.layout.operator("figurine.bake_voxels", text="Bake Voxel Animation…", icon="RENDER_ANIMATION")
        self.layout.operator("figurine.export_vox", text="Export Voxels (.vox)…", icon="EXPORT")
        self.layout.operator("figurine.export_voxel_mesh", text="Export Voxel Mesh…", icon="EXPORT")
        self.layout.separator()
        self.layout.operator("figurine.export_figure", text="Export Figure…", icon="EXPORT")
        self.layout.operator("figurine.export_print", text="Export for Printing…", icon="EXPORT")
        self.layout.operator("figurine.mark_asset", icon="ASSET_MANAGER")


def _draw_object(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.menu("FIGURINE_MT_object")


def _draw_add(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.operator_context = "INVOKE_DEFAULT"
    self.layout.operator("figurine.drop_picture", text="Figurine…", icon="OUTLINER_OB_ARMATURE").generate = True


def _draw_import(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.operator("figurine.drop_picture", text="Figurine from Picture (.png/.jpg/.webp)")
    self.layout.operator("figurine.import_vox", text="MagicaVoxel (.vox)")


def _draw_export(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.operator("figurine.export_figure", text="Figurine (.fbx/.glb/.vrm)")
    self.layout.operator("figurine.export_print", text="Export for Printing (.3mf/.stl)")


def add_menus() -> None:
    """Add > Figurine…, Object > Figurine, File > Import > Figurine from Picture, and File > Export > Figurine."""
    bpy.types.VIEW3D_MT_add.append(_draw_add)
    bpy.types.VIEW3D_MT_object.append(_draw_object)
    bpy.types.TOPBAR_MT_file_import.append(_draw_import)
    bpy.types.TOPBAR_MT_file_export.append(_draw_export)


def remove_menus() -> None:
    """Take the entries away."""
    bpy.types.TOPBAR_MT_file_export.remove(_draw_export)
    bpy.types.TOPBAR_MT_file_import.remove(_draw_import)
    bpy.types.VIEW3D_MT_object.remove(_draw_object)
    bpy.types.VIEW3D_MT_add.remove(_draw_add)


CLASSES = (FIGURINE_MT_help, FIGURINE_MT_server, FIGURINE_MT_object)
