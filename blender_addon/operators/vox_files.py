# SPDX-License-Identifier: GPL-3.0-or-later
"""MagicaVoxel files: the active mesh as voxels into one, and one as a mesh into the scene."""

# No postponed annotations: Blender reads them as they are.
from pathlib import Path

import bpy
from bpy.props import FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..errors import FigurineError, typed_file_errors
from ..figure.voxel_object import add_voxel_object
from ..figure.voxel_source import read_source
from ..languages import told_in_report
from ..phrases import phrase
from ..voxel.figure_mesh import FigureLook, figure_mesh
from ..voxel.lattice import LARGEST_SIZE
from ..voxel.palette import FEWEST_COLOURS, MOST_COLOURS
from ..voxel.vox_figure import figure_of_scene
from ..voxel.vox_read import read_vox
from ..voxel.vox_write import write_vox
from ..voxel.voxelize import VoxelSettings, vox_scene, voxelize
from ..whole_files import write_all
from .common import poll_reason, told_error


class FIGURINE_OT_export_vox(bpy.types.Operator, ExportHelper):
    """Write the active mesh as voxels into a MagicaVoxel file"""

    bl_idname = "figurine.export_vox"
    bl_label = "Export Voxels"
    filename_ext = ".vox"

    filter_glob: StringProperty(default="*.vox", options={"HIDDEN"})
    size: IntProperty(name="Size", description="Voxels along the height", default=64, min=1, max=LARGEST_SIZE)
    colours: IntProperty(
        name="Palette Size",
        description="At most so many colours",
        default=MOST_COLOURS,
        min=FEWEST_COLOURS,
        max=MOST_COLOURS,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a mesh."""
        is_mesh = context.object is not None and context.object.type == "MESH"
        return poll_reason(cls, "" if is_mesh else "Select a mesh: it becomes the active object.")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Voxelize and write."""
        path = Path(self.filepath)
        try:
            settings = VoxelSettings(self.size, colours=self.colours)
            figure = voxelize(read_source(context.object).mesh, settings)
            with typed_file_errors(path.parent):
                write_all(path.parent, {path.name: write_vox(vox_scene(figure, context.object.name))})
        except FigurineError as error:
            self.report({"ERROR"}, told_error(error))
            return {"CANCELLED"}
        if figure.grid.warning:
            self.report({"WARNING"}, told_in_report(figure.grid.warning))
        return {"FINISHED"}


class FIGURINE_OT_import_vox(bpy.types.Operator, ImportHelper):
    """Add the voxels of a MagicaVoxel file as a mesh"""

    bl_idname = "figurine.import_vox"
    bl_label = "Import Voxels"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    filename_ext = ".vox"

    filter_glob: StringProperty(default="*.vox", options={"HIDDEN"})
    pitch: FloatProperty(name="Voxel", description="Edge of a voxel", default=0.1, min=1e-4, unit="LENGTH")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read and add."""
        path = Path(self.filepath)
        try:
            data = path.read_bytes()
        except OSError as error:
            self.report(
                {"ERROR"}, told_in_report(phrase("{name} cannot be read: {why}.", name=path.name, why=error.strerror))
            )
            return {"CANCELLED"}
        try:
            scene = read_vox(data)
            figure = figure_of_scene(scene, self.pitch)
        except FigurineError as error:
            self.report({"ERROR"}, told_error(error))
            return {"CANCELLED"}
        mesh = figure_mesh(figure, None, FigureLook())
        made = add_voxel_object(path.stem, mesh, figure.palette, [context.collection])
        for item in context.selected_objects:
            item.select_set(False)
        made.select_set(True)
        context.view_layer.objects.active = made
        hidden = sum(placement.is_hidden for placement in scene.placements)
        if hidden:
            self.report(
                {"INFO"},
                told_in_report(
                    phrase(
                        "{hidden} of {count} models are hidden in the file: left out.",
                        hidden=hidden,
                        count=len(scene.placements),
                    )
                ),
            )
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_export_vox, FIGURINE_OT_import_vox)
