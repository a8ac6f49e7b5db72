# SPDX-License-Identifier: GPL-3.0-or-later
"""Paste: the clipboard's picture, or the picture file that its text names."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

from .. import runtime
from ..clipboard import PictureReader, picture_path, reading_commands
from ..errors import FigurineError
from ..phrases import phrase
from ..pictures import image_file, new_picture_file
from .common import choose_picture, poll_reason, replace_picture, tell

NOTHING_THERE = "There is no picture on the clipboard, and no path of one."
_HINT = "Copy a picture or a picture file, then paste again."
_HINT_NO_COMMAND = (
    "On Linux, Blender needs the program wl-paste (Wayland) or xclip (X11) to see copied pictures. A copied path of a "
    "file works without."
)


class FIGURINE_OT_paste_picture(bpy.types.Operator):
    """Use the picture on the clipboard: copied pixels, a copied file, or the path of one"""

    bl_idname = "figurine.paste_picture"
    bl_label = "Paste Picture"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey while the clipboard is being read."""
        return poll_reason(cls, "The clipboard is being read." if runtime.current().clipboard is not None else "")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make it the picture, at once or when it was read."""
        try:
            pasted = begin_paste(context, runtime.current())
        except FigurineError as error:
            tell(self, error)
            return {"CANCELLED"}
        if pasted is None:
            return {"CANCELLED"}
        choose_picture(context.scene.figurine, pasted)
        return {"FINISHED"}


def begin_paste(context: bpy.types.Context, now: runtime.Runtime, key: str = "") -> Path | None:
    """The clipboard's text first; then its pixels, on Linux in the background. key: the job that the picture is for, ""
    for the request. None where it is being read, or where there is none, which is said.

    Raises PictureUnreadable, DiskFull, FolderUnwritable.
    """
    named = picture_path(context.window_manager.clipboard)
    if named is not None and named.is_file():
        return named
    is_blind = sys.platform not in ("win32", "darwin")
    pasted = None if is_blind else _paste_with_blender(context, now.paths.pictures)
    if is_blind and (commands := reading_commands()):
        now.clipboard = PictureReader(commands, new_picture_file(now.paths.pictures, "Pasted"))
        now.pasted_for = key
    elif pasted is None:
        now.say(NOTHING_THERE, _HINT_NO_COMMAND if is_blind else _HINT)
    return pasted


def finish_paste(request: bpy.types.PropertyGroup, now: runtime.Runtime) -> None:
    """Take what the reader in the background has found."""
    reader, now.clipboard = now.clipboard, None
    if reader is None:
        return
    if reader.picture is not None and now.pasted_for:
        replace_picture(now, now.pasted_for, reader.picture)
    elif reader.picture is not None:
        choose_picture(request, reader.picture)
    elif reader.problem:
        now.say(phrase("The clipboard's picture could not be kept: {why}.", why=reader.problem), _HINT)
    else:
        now.say(NOTHING_THERE, _HINT)
    now.touch()


def _paste_with_blender(context: bpy.types.Context, folder: Path) -> Path | None:
    """Blender's own paste works in an Image Editor only: the area of the button becomes one for a moment. (Not by
    temp_override: see importing.py.)
    """
    area = context.area
    if area is None:
        return None
    before, kind = set(bpy.data.images), area.ui_type
    area.ui_type = "IMAGE_EDITOR"
    try:
        if bpy.ops.image.clipboard_paste.poll():
            bpy.ops.image.clipboard_paste()
    finally:
        area.ui_type = kind
    fresh = [image for image in bpy.data.images if image not in before]
    try:
        return image_file(fresh[0], folder) if fresh else None
    finally:
        for image in fresh:
            bpy.data.images.remove(image)


CLASSES = (FIGURINE_OT_paste_picture,)
