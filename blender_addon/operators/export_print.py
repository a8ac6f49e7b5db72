# SPDX-License-Identifier: GPL-3.0-or-later
"""The active figure, as it is posed, for a 3D printer."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ..errors import FigurineError
from ..languages import told_in_report
from ..output.mesh_files import stl_bytes, threemf_bytes
from ..output.places import chosen, proposed, write_whole
from ..output.printable import PrintSettings, make_printable
from ..output.subject import print_obstacle, subject_of
from ..phrases import phrase
from .common import may_still, poll_reason, told_error

_FORMATS = (
    ("3MF", "3MF (.3mf)", "With its unit, in a small file: what current programs for printing prefer"),
    ("STL", "STL (.stl)", "The shape alone; one unit is a millimetre"),
)
_BASES = (
    ("PLATE", "Plate", "A round plate under the feet, flat below"),
    ("FLAT", "Cut Flat", "Cut off a little below, so that the figure stands by itself"),
    ("NONE", "None", "As the figure is"),
)


class FIGURINE_OT_export_print(bpy.types.Operator, ExportHelper):
    """Write the active figure as it is posed into a file for a 3D printer: one closed solid, its height in millimetres. The scene stays as it is"""  # noqa: E501

    bl_idname = "figurine.export_print"
    bl_label = "Export for Printing"
    bl_options = {"PRESET"}  # noqa: RUF012
    filename_ext = ".3mf"

    filter_glob: StringProperty(default="*.3mf;*.stl", options={"HIDDEN"})
    format: EnumProperty(name="Format", description="Kind of file", items=_FORMATS)
    height: FloatProperty(
        name="Height (mm)", description="Of the whole print, with its base", default=100.0, min=5.0, max=2000.0
    )
    detail: FloatProperty(
        name="Detail (mm)",
        description="Edge of the voxels of which the solid is made; smaller takes longer and makes a larger file",
        default=0.4,
        min=0.05,
        max=5.0,
    )
    base: EnumProperty(name="Base", description="What it stands on", items=_BASES)
    plate: FloatProperty(name="Plate (mm)", description="How thick the plate is", default=3.0, min=0.5, max=100.0)
    cut: FloatProperty(
        name="Cut (mm)", description="How much of the figure is cut off below", default=1.0, min=0.05, max=100.0
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a figure or a mesh."""
        return poll_reason(cls, print_obstacle(context))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Propose the figure's name."""
        self.filepath = proposed(subject_of(context).name, f".{self.format.lower()}", self.filepath)
        self.check(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        """Size and base."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("format", "height", "detail", "base"):
            layout.prop(self, name)
        if self.base != "NONE":
            layout.prop(self, "plate" if self.base == "PLATE" else "cut")

    def check(self, context: bpy.types.Context) -> bool:
        """The file's name ends as its format does."""
        self.filename_ext = f".{self.format.lower()}"
        return ExportHelper.check(self, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write."""
        if not may_still(self, print_obstacle(context)):
            return {"CANCELLED"}
        subject = subject_of(context)
        try:
            path = chosen(self.filepath, f".{self.format.lower()}")
            made = make_printable(subject, PrintSettings(self.height, self.detail, self.base, self.plate, self.cut))
            content = stl_bytes(made.solid) if self.format == "STL" else threemf_bytes(made.solid, subject.name)
            write_whole(path, content)
        except FigurineError as error:
            self.report({"ERROR"}, told_error(error))
            return {"CANCELLED"}
        self.report(
            {"INFO"}, told_in_report(phrase("Wrote {name}: {sentence}", name=path.name, sentence=made.sentence))
        )
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_export_print,)
