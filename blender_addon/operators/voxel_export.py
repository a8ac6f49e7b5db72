# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure of voxels that is chosen as a mesh file, in which every face keeps its own colour."""

# No postponed annotations: Blender reads them as they are.
import errno
import os
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ..errors import FigurineError, typed_file_errors
from ..figure.voxel_faces import is_voxel_figure, read_faces, realized
from ..languages import told_in_report
from ..phrases import phrase
from ..voxel.mesh_files import MM_PER_M, obj_files, ply_bytes, stl_bytes
from ..whole_files import write_all
from .common import poll_reason, told_error

_FORMATS = (
    ("PLY", "PLY (.ply)", "A colour for each vertex, and no picture"),
    ("OBJ", "OBJ (.obj)", "With a material file and a picture of the palette beside it"),
    ("GLB", "glTF (.glb)", "With its armature and its palette in one file"),
    ("STL", "STL (.stl)", "The shape alone, for printing"),
)


class FIGURINE_OT_export_voxel_mesh(bpy.types.Operator, ExportHelper):
    """Write the figure of voxels into a mesh file, every face in its own colour, as it is posed now"""

    bl_idname = "figurine.export_voxel_mesh"
    bl_label = "Export Voxel Mesh"
    filename_ext = ".ply"

    filter_glob: StringProperty(default="*.ply;*.obj;*.glb;*.stl", options={"HIDDEN"})
    format: EnumProperty(name="Format", description="Kind of file", items=_FORMATS)
    mm: BoolProperty(name="Millimetres", description="What most programs for printing expect", default=True)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a figure of voxels."""
        is_figure = context.object is not None and is_voxel_figure(context.object)
        return poll_reason(cls, "" if is_figure else "Select a figure of voxels: Voxelize makes one of any mesh.")

    def draw(self, context: bpy.types.Context) -> None:
        """The format, and the unit where the format has none."""
        self.layout.use_property_split = True
        self.layout.prop(self, "format")
        if self.format == "STL":
            self.layout.prop(self, "mm")

    def check(self, context: bpy.types.Context) -> bool:
        """The file's name ends as its format does."""
        self.filename_ext = f".{self.format.lower()}"
        return ExportHelper.check(self, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write."""
        path = Path(self.filepath).with_suffix(f".{self.format.lower()}")
        try:
            with typed_file_errors(path.parent):
                if self.format == "GLB":
                    _write_glb(context, path)
                else:
                    write_all(path.parent, self._files(context, path.stem))
        except FigurineError as error:
            self.report({"ERROR"}, told_error(error))
            return {"CANCELLED"}
        self.report({"INFO"}, told_in_report(phrase("Wrote {name}", name=path.name)))
        return {"FINISHED"}

    def _files(self, context: bpy.types.Context, stem: str) -> dict[str, bytes]:
        faces = read_faces(context.object)
        if self.format == "PLY":
            return {f"{stem}.ply": ply_bytes(faces)}
        if self.format == "OBJ":
            return obj_files(faces, stem)
        metres = context.scene.unit_settings.scale_length
        return {f"{stem}.stl": stl_bytes(faces, metres * MM_PER_M if self.mm else 1.0)}


def _write_glb(context: bpy.types.Context, path: Path) -> None:
    """Blender's own writer: it takes the palette along. Raises OSError."""
    if not path.parent.is_dir():  # Blender would make it
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.glb")
    chosen = [context.object, *filter(None, [context.object.find_armature()])]
    before = context.selected_objects
    try:
        for item in before:
            item.select_set(False)
        for item in chosen:
            item.select_set(True)
        with realized(context.object):
            bpy.ops.export_scene.gltf(
                filepath=str(part),
                use_selection=True,
                export_format="GLB",
                export_animations=False,
                export_apply=True,  # all modifiers but the armature's
            )
        part.replace(path)
    except RuntimeError as error:
        raise OSError(errno.EIO, str(error).strip().splitlines()[-1]) from error
    finally:
        part.unlink(missing_ok=True)
        for item in chosen:
            item.select_set(item in before)
        for item in before:
            item.select_set(True)


CLASSES = (FIGURINE_OT_export_voxel_mesh,)
