# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate: send the picture and the settings. Nothing in the file changes, so nothing is there to undo."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import runtime
from ..errors import FigurineError, PictureUnreadable
from ..job import Request
from ..job_settings import settings_document
from ..phrases import phrase
from ..pictures import image_file
from ..properties import FigurineRequest
from ..status import obstacle
from .common import file_mark, poll_reason, tell


class FIGURINE_OT_generate(bpy.types.Operator):
    """Make a textured, rigged character from the picture. The server is started first if it does not run"""

    bl_idname = "figurine.generate"
    bl_label = "Generate"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing can be generated, with the reason."""
        request = context.scene.figurine
        has_picture, is_sent = bool(request.picture or request.image), request.wishes().leaves_the_computer
        return poll_reason(cls, obstacle(runtime.current(), has_picture, leaves_the_computer=is_sent))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand the request over; the rest happens in the background."""
        now = runtime.current()
        try:
            request = request_of(context.scene.figurine)
        except FigurineError as error:
            tell(self, error)
            return {"CANCELLED"}
        now.generate(request, file_mark(now))
        return {"FINISHED"}


def request_of(fields: FigurineRequest) -> Request:
    """What is to be sent. Raises as `picture_of`."""
    picture = picture_of(fields)
    settings = settings_document(fields.wishes(), Path(fields.image.name) if fields.image else picture)
    return Request(picture, settings["name"], settings, fields.import_when_done, mask=mask_of(fields))


def picture_of(fields: FigurineRequest) -> Path:
    """The picture as a file; an image of the Blender file is saved first.

    Raises PictureUnreadable, DiskFull, FolderUnwritable.
    """
    if fields.image is not None:
        return image_file(fields.image, runtime.current().paths.pictures)
    return existing_file(fields.picture)


def mask_of(fields: FigurineRequest) -> Path | None:
    """The picture's mask as a file; None where none is chosen. Raises as `picture_of`."""
    if fields.mask_image is not None:
        return image_file(fields.mask_image, runtime.current().paths.pictures)
    return existing_file(fields.mask) if fields.mask else None


def existing_file(text: str) -> Path:
    """Of a path as Blender writes it. Raises PictureUnreadable."""
    path = Path(bpy.path.abspath(text))
    if not path.is_file():
        raise PictureUnreadable(path.name, phrase("there is no such file in {folder}", folder=path.parent))
    return path


CLASSES = (FIGURINE_OT_generate,)
