# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that are dropped on the panel or the viewport, or chosen in File > Import."""

# No postponed annotations: Blender reads them as they are.
from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, StringProperty

from ..clipboard import PICTURE_SUFFIXES
from ..languages import told_in_report
from ..phrases import Phrase, phrase
from ..preferences import preferences
from .common import choose_picture


class FIGURINE_OT_drop_picture(bpy.types.Operator):
    """Make a character from a picture file"""

    bl_idname = "figurine.drop_picture"
    bl_label = "Figurine from Picture"
    # Not REGISTER: adjusting or repeating it would send the jobs once more.
    bl_options = {"UNDO"}  # noqa: RUF012

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(
        default=";".join(f"*{suffix}" for suffix in PICTURE_SUFFIXES), options={"HIDDEN", "SKIP_SAVE"}
    )
    generate: BoolProperty(
        name="Generate at Once",
        description="Start now, with the settings of the panel. Several pictures always start, each as a job",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """With files: they were dropped. Without: ask for one."""
        if not self.properties.is_property_set("generate"):
            self.generate = context.scene.figurine.generate_on_drop
        if self.filepath or self.files:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make it the picture; where that was asked for, or where there are several, generate."""
        dropped = [Path(self.directory) / file.name for file in self.files if file.name] or [Path(self.filepath)]
        pictures = [path for path in dropped if path.suffix.lower() in PICTURE_SUFFIXES]
        if not pictures:
            self.report({"WARNING"}, told_in_report(_tell_no_picture(dropped[0].name)))
            return {"CANCELLED"}
        if not self.generate and len(pictures) == 1:
            choose_picture(context.scene.figurine, pictures[0])
            return {"FINISHED"}
        for done, picture in enumerate(pictures):
            choose_picture(context.scene.figurine, picture)
            if not bpy.ops.figurine.generate.poll():
                self.report({"WARNING"}, told_in_report(_tell_stopped(picture.name, done, len(pictures))))
                return {"FINISHED"}
            bpy.ops.figurine.generate()
        if len(dropped) > 1:
            self.report({"INFO"}, told_in_report(_tell_queued(len(pictures), len(dropped))))
        return {"FINISHED"}


def _tell_queued(pictures: int, dropped: int) -> Phrase:
    queued = phrase("{count} pictures are in the queue, each as a job.", count=pictures)
    if pictures == 1:
        queued = phrase("1 picture is in the queue, each as a job.")
    if dropped == pictures:
        return queued
    left_out = dropped - pictures
    return phrase("{queued} No pictures, and left out: {count} of the files.", queued=queued, count=left_out)


def _tell_no_picture(name: str) -> Phrase:
    return phrase("{name} is no picture. PNG, JPEG, WebP, AVIF and GIF can be used.", name=name)


def _tell_stopped(name: str, done: int, pictures: int) -> Phrase:
    if pictures == 1:
        return phrase("{name} is chosen; the panel says why no more can be generated now.", name=name)
    return phrase(
        "{done} of {count} are queued; the panel says why no more can be generated now.", done=done, count=pictures
    )


class FIGURINE_FH_picture(bpy.types.FileHandler):
    """Takes pictures that are dropped on a 3D viewport."""

    bl_idname = "FIGURINE_FH_picture"
    bl_label = "Figurine from Picture"
    bl_import_operator = "figurine.drop_picture"
    bl_file_extensions = ";".join(PICTURE_SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """On the sidebar always, on the viewport where Preferences allow it."""
        if context.area is None or context.area.type != "VIEW_3D" or context.region is None:
            return False
        if context.region.type == "UI":
            return True
        return context.region.type == "WINDOW" and preferences(context).accepts_drops


CLASSES = (FIGURINE_OT_drop_picture, FIGURINE_FH_picture)
