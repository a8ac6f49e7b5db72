# SPDX-License-Identifier: GPL-3.0-or-later
"""Paste: the clipboard's picture, or the picture file that its text names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from .. import runtime
from ..clipboard import PictureReader, picture_path, reading_commands
from ..errors import FigurineError
from ..pictures import image_file, new_picture_file
from .common import choose_picture, tell

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
        if runtime.current().clipboard is not None:
            cls.poll_message_set("The clipboard is being read.")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The text first; then the pixels, on Linux in the background."""
        now = runtime.current()
        named = picture_path(context.window_manager.clipboard)
        if named is not None and named.is_file():
            choose_picture(context.scene.figurine, named)
            return {"FINISHED"}
        try:
            if sys.platform in ("win32", "darwin"):
                pasted = _paste_with_blender(context, now.paths.pictures)
            else:
                pasted = None
                if commands := reading_commands():
                    now.clipboard = PictureReader(commands, new_picture_file(now.paths.pictures, "Pasted"))
                    return {"CANCELLED"}
        except FigurineError as error:
            tell(self, error)
            return {"CANCELLED"}
        if pasted is None:
            is_blind = sys.platform not in ("win32", "darwin")
            now.say(NOTHING_THERE, _HINT_NO_COMMAND if is_blind else _HINT)
            return {"CANCELLED"}
        choose_picture(context.scene.figurine, pasted)
        return {"FINISHED"}


def finish_paste(request: bpy.types.PropertyGroup, now: runtime.Runtime) -> None:
    """Take what the reader in the background has found."""
    reader, now.clipboard = now.clipboard, None
    if reader is None:
        return
    if reader.picture is not None:
        choose_picture(request, reader.picture)
    elif reader.problem:
        now.say(f"The clipboard's picture could not be kept: {reader.problem}.", _HINT)
    else:
        now.say(NOTHING_THERE, _HINT)
    now.touch()


def _paste_with_blender(context: bpy.types.Context, folder: Path) -> Path | None:
    """Blender's own paste works in an Image Editor only: an area becomes one for a moment."""
    before = set(bpy.data.images)
    with _image_editor(context) as override:
        if override is None:
            return None
        with context.temp_override(**override):
            if not bpy.ops.image.clipboard_paste.poll():
                return None
            bpy.ops.image.clipboard_paste()
    fresh = [image for image in bpy.data.images if image not in before]
    try:
        return image_file(fresh[0], folder) if fresh else None
    finally:
        for image in fresh:
            bpy.data.images.remove(image)


@contextmanager
def _image_editor(context: bpy.types.Context) -> Iterator[dict[str, object] | None]:
    window = context.window or context.window_manager.windows[0]
    areas = list(window.screen.areas)
    area = next((area for area in areas if area.type == "IMAGE_EDITOR"), areas[-1] if areas else None)
    if area is None:
        yield None
        return
    kind = area.ui_type
    area.ui_type = "IMAGE_EDITOR"
    try:
        region = next(region for region in area.regions if region.type == "WINDOW")
        yield {"window": window, "area": area, "region": region}
    finally:
        area.ui_type = kind


CLASSES = (FIGURINE_OT_paste_picture,)
