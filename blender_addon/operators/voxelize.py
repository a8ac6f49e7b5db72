# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelize: the active mesh as a figure of voxels that keeps its colours and its bones."""

# No postponed annotations: Blender reads them as they are.
import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, IntProperty

from ..figure.voxel_object import add_voxel_object, bind
from ..figure.voxel_source import VoxelSource, read_source
from ..voxel.errors import VoxelError
from ..voxel.lattice import LARGEST_SIZE
from ..voxel.mesh import Influences
from ..voxel.palette import FEWEST_COLOURS, MOST_COLOURS
from ..voxel.presets import PRESETS
from ..voxel.voxelize import VoxelFigure, VoxelSettings, rigid_mesh, smooth_mesh, static_mesh, voxelize

_PALETTES = (
    ("FOUND", "From the Figure", "The colours that stand for the figure's own best"),
    ("FIGURINE_16", "Figurine 16", "Sixteen colours made for figures"),
    ("FIGURINE_32", "Figurine 32", "Thirty-two colours made for figures"),
)
_COLOURS = (
    ("EDGES", "Keep Edges", "Colours that differ from their surroundings win, so that eyes and outlines survive"),
    ("DOMINANT", "Dominant", "The colour that most of a voxel's surface has"),
    ("MEAN", "Mean", "The mixture of a voxel's colours"),
)
_RIGS = (
    ("SMOOTH", "Smooth", "Voxels bend together at the joints"),
    ("BLOCKY", "Blocky", "Every voxel moves with one bone and keeps its shape"),
    ("NONE", "None", "No bones, and as few faces as possible"),
)


class FIGURINE_OT_voxelize(bpy.types.Operator):
    """Make a figure of voxels from the active mesh; it keeps the colours and the bones, and the mesh is hidden"""

    bl_idname = "figurine.voxelize"
    bl_label = "Voxelize"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    size: IntProperty(name="Size", description="Voxels along the height", default=64, min=1, max=LARGEST_SIZE)
    rig: EnumProperty(name="Rig", description="How the voxels follow the bones", items=_RIGS)
    colour: EnumProperty(name="Colours", description="What a voxel takes its colour from", items=_COLOURS)
    palette: EnumProperty(name="Palette", description="The colours that voxels may have", items=_PALETTES)
    colours: IntProperty(
        name="Palette Size",
        description="At most so many colours",
        default=MOST_COLOURS,
        min=FEWEST_COLOURS,
        max=MOST_COLOURS,
    )
    dither: BoolProperty(name="Dither", description="Let neighbours take turns between two colours of the palette")
    close: BoolProperty(name="Close All Openings", description="Fill the mesh also where a large part of it is open")
    wall: IntProperty(name="Wall", description="Voxels of a wall around a hollow figure; 0 for solid", min=0, max=64)

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

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the voxels and hide the mesh."""
        original = context.object
        try:
            source = read_source(original)
            figure = self._voxelize(context, source)
            made = self._add(original, source, figure)
        except VoxelError as error:
            self.report({"ERROR"}, f"{error.message} {error.hint}")
            return {"CANCELLED"}
        original.hide_set(True)
        original.hide_render = True
        original.select_set(False)
        made.select_set(True)
        context.view_layer.objects.active = made
        if figure.grid.warning:
            self.report({"WARNING"}, figure.grid.warning)
        return {"FINISHED"}

    def _voxelize(self, context: bpy.types.Context, source: VoxelSource) -> VoxelFigure:
        manager = context.window_manager
        manager.progress_begin(0, 1)
        try:
            return voxelize(source.mesh, self._settings(), manager.progress_update)
        finally:
            manager.progress_end()

    def _settings(self) -> VoxelSettings:
        return VoxelSettings(
            size=self.size,
            openings="ALL" if self.close else "SMALL",
            colour_mode=self.colour,
            colours=self.colours,
            palette=PRESETS.get(self.palette),
            is_dithered=self.dither,
            wall_cells=self.wall,
        )

    def _add(self, original: bpy.types.Object, source: VoxelSource, figure: VoxelFigure) -> bpy.types.Object:
        influences = None
        if source.skeleton is None or figure.influences is None or self.rig == "NONE":
            quads = static_mesh(figure)
            rows = figure.shell.rows(quads.cells)
        elif self.rig == "BLOCKY":
            pieces = rigid_mesh(figure, source.skeleton)
            quads, rows = pieces.mesh, pieces.rows
            influences = Influences(pieces.vertex_bones[:, None], np.ones((len(pieces.vertex_bones), 1), np.float32))
        else:
            quads, influences = smooth_mesh(figure)
            rows = figure.shell.rows(quads.cells)
        # Collections of another file take no objects.
        own = [collection for collection in original.users_collection if collection.library is None]
        places = own or [bpy.context.scene.collection]
        made = add_voxel_object(f"{original.name} Voxels", quads, figure.colour[rows], figure.palette, places)
        if influences is not None:
            bind(made, source, influences)
        return made


CLASSES = (FIGURINE_OT_voxelize,)
