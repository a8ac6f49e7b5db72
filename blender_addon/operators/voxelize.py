# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelize: the active mesh as a figure of voxels that keeps its colours and its bones."""

# No postponed annotations: Blender reads them as they are.
import bpy

from ..figure.voxel_figure import make_figure
from ..figure.voxel_source import VoxelSource, read_source
from ..voxel.errors import VoxelError
from ..voxel.voxelize import VoxelFigure, voxelize
from .voxel_options import VoxelOptions, draw_options


class FIGURINE_OT_voxelize(bpy.types.Operator, VoxelOptions):
    """Make a figure of voxels from the active mesh; it keeps the colours and the bones, and the mesh is hidden"""

    bl_idname = "figurine.voxelize"
    bl_label = "Voxelize"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a mesh, in Object Mode."""
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave the mode that the object is in first: Voxelize works in Object Mode.")
            return False
        if context.object is None or context.object.type != "MESH":
            cls.poll_message_set("Select a mesh: it becomes the active object.")
            return False
        return True

    def draw(self, context: bpy.types.Context) -> None:
        """The redo panel."""
        draw_options(self.layout, self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the voxels and hide the mesh."""
        original = context.object
        try:
            source = read_source(original)
            figure = self._voxelize(context, source)
            make_figure(context, original, source, figure, self.look())
        except VoxelError as error:
            self.report({"ERROR"}, f"{error.message} {error.hint}")
            return {"CANCELLED"}
        original.hide_set(True)
        original.hide_render = True
        if figure.grid.warning:
            self.report({"WARNING"}, figure.grid.warning)
        if figure.printed is not None:
            self.report({"INFO"}, figure.printed.sentence)
        return {"FINISHED"}

    def _voxelize(self, context: bpy.types.Context, source: VoxelSource) -> VoxelFigure:
        manager = context.window_manager
        manager.progress_begin(0, 1)
        try:
            return voxelize(source.mesh, self.settings(), manager.progress_update)
        finally:
            manager.progress_end()


CLASSES = (FIGURINE_OT_voxelize,)
