# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture Selected Mesh: send the active mesh with the panel's picture; its texture comes back onto it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .. import runtime
from ..errors import FigurineError
from ..figure.sent_mesh import obj_text, obstacle, read_mesh
from ..job import Request
from ..job_settings import texture_document
from ..pictures import new_mesh_file
from ..status import obstacle as server_obstacle
from .common import file_mark, poll_reason, tell
from .generate import mask_of, picture_of


class FIGURINE_OT_texture_mesh(bpy.types.Operator):
    """Paint the active mesh after the picture. Its shape, UV maps and materials stay; the texture is added to them"""

    bl_idname = "figurine.texture_mesh"
    bl_label = "Texture Selected Mesh"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing can be textured, with the reason."""
        return poll_reason(cls, texture_obstacle(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand mesh and picture over; the rest happens in the background."""
        now, fields, item = runtime.current(), context.scene.figurine, context.object
        try:
            mesh = _mesh_file(item, now.paths.sent)
            picture, mask = picture_of(fields), mask_of(fields)
        except FigurineError as error:
            tell(self, error)
            return {"CANCELLED"}
        settings: dict[str, Any] = dict(texture_document(fields.wishes(), item.name))
        request = Request(picture, settings["name"], settings, fields.import_when_done, mesh, item.name, mask)
        now.generate(request, file_mark(now))
        return {"FINISHED"}


def texture_obstacle(context: bpy.types.Context) -> str:
    """Why the active mesh cannot be textured now, "" where it can."""
    request = context.scene.figurine
    return obstacle(context) or server_obstacle(runtime.current(), bool(request.picture or request.image))


def _mesh_file(item: bpy.types.Object, folder: Path) -> Path:
    """Raises MeshUnusable, DiskFull, FolderUnwritable."""
    return new_mesh_file(folder, item.name, obj_text(read_mesh(item)))


CLASSES = (FIGURINE_OT_texture_mesh,)
