# SPDX-License-Identifier: GPL-3.0-or-later
"""Other Picture: a job that waits, or that could do nothing with its picture, starts again with another one, from any
source that the panel knows. Nothing in the file changes, so nothing is there to undo.
"""

# No postponed annotations: Blender reads them as they are.
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from .. import runtime
from ..clipboard import PICTURE_SUFFIXES
from ..errors import FigurineError, PictureUnreadable
from ..job_actions import replace_obstacle
from ..job_settings import safe_name
from ..pictures import image_file, render_result_file
from ..viewport import viewport_file
from .common import find_job, poll_jobs, replace_picture, tell
from .generate import existing_file, mask_of, picture_of
from .paste_picture import begin_paste
from .use_image import list_images, usable_images

_FILE = ("FILE", "File…", "A picture file", "FILE_FOLDER", 0)
_REQUEST = ("REQUEST", "The One Chosen Above", "The picture at the top of the panel, and its mask", "TRIA_UP", 1)
_CLIPBOARD = ("CLIPBOARD", "Paste", "The picture on the clipboard, or the file that its text names", "PASTEDOWN", 2)
_IMAGE = ("IMAGE", "Image…", "An image of this Blender file, as it is now", "IMAGE_DATA", 3)
_RENDER = ("RENDER", "Render", "What was rendered last", "RENDER_RESULT", 4)
_VIEWPORT = ("VIEWPORT", "View", "What this 3D viewport shows now", "VIEW3D", 5)
_SOURCES = (_FILE, _REQUEST, _CLIPBOARD, _IMAGE, _RENDER, _VIEWPORT)


class FIGURINE_OT_replace_picture(bpy.types.Operator):
    """Let this job start again with another picture. It keeps its number and its settings"""

    bl_idname = "figurine.replace_picture"
    bl_label = "Other Picture"
    bl_property = "image"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    source: EnumProperty(name="Source", description="Where the picture is", items=_SOURCES, options={"SKIP_SAVE"})
    image: EnumProperty(name="Image", description="An image of this file", items=list_images, options={"SKIP_SAVE"})
    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(
        default=";".join(f"*{suffix}" for suffix in PICTURE_SUFFIXES), options={"HIDDEN", "SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where no job takes another picture."""
        return poll_jobs(cls, context, replace_obstacle)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask which file or image, where it shall be one."""
        if self.source == "FILE" and not self.filepath:
            context.window_manager.fileselect_add(self)
            return {"RUNNING_MODAL"}
        if self.source == "IMAGE" and usable_images() and not self.properties.is_property_set("image"):
            context.window_manager.invoke_search_popup(self)
            return {"FINISHED"}
        return self.execute(context)

    def draw(self, context: bpy.types.Context) -> None:
        """Nothing beside the files."""

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand the picture over; the rest happens in the background."""
        job = find_job(self, context, self.key, replace_obstacle)
        if job is None:
            return {"CANCELLED"}
        now = runtime.current()
        try:
            picture = self._picture(context, now, job.key)
            mask = mask_of(context.scene.figurine) if self.source == "REQUEST" else None
        except FigurineError as error:
            tell(self, error, job.key)
            return {"CANCELLED"}
        if picture is None:
            return {"CANCELLED"}  # it is still being read, or what is missing was said
        has_own_name = self.source in ("CLIPBOARD", "RENDER", "VIEWPORT") or bool(context.scene.figurine.name)
        replace_picture(now, job.key, picture, "" if has_own_name else safe_name(picture.stem), mask)
        return {"FINISHED"}

    def _picture(self, context: bpy.types.Context, now: runtime.Runtime, key: str) -> Path | None:
        """Raises PictureUnreadable, DiskFull, FolderUnwritable."""
        if self.source == "CLIPBOARD":
            return begin_paste(context, now, key)
        if self.source == "RENDER":
            return render_result_file(context.scene, now.paths.pictures)
        if self.source == "VIEWPORT":
            return viewport_file(context, now.paths.pictures)
        if self.source == "IMAGE":
            if not usable_images():
                raise PictureUnreadable("An image", "this Blender file has none", "Open or paint one first.")
            return image_file(bpy.data.images[self.image], now.paths.pictures)
        request = context.scene.figurine
        if self.source == "REQUEST" and request.image is None and not request.picture:
            raise PictureUnreadable("The picture at the top of the panel", "none is chosen there", "Choose one first.")
        return existing_file(self.filepath) if self.source == "FILE" else picture_of(request)


CLASSES = (FIGURINE_OT_replace_picture,)
