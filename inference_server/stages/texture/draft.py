# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft texture: the picture on the front; elsewhere what reaches around from there."""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

import numpy as np

from inference_server.core.frames import to_view
from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import (
    Engine,
    Float32,
    Mesh,
    MeshLayout,
    StageName,
    TexturedMesh,
    TextureInput,
    UInt8,
)
from inference_server.errors import BakeFailed, EngineUnavailable

# Share of the stage's progress at which the picture lies before the mesh.
_FRAMED = 0.05


class DraftTexture:
    """Of a mesh that the picture made: two planar charts, seen straight from the front and from the back. Of a mesh
    that somebody made: the picture projected onto it, in its own layout where that can be.
    """

    name: ClassVar[StageName] = "texture"
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 4
    requires: ClassVar[Requirements] = Requirements(peak_bytes=1 << 30)
    setting_names: ClassVar[tuple[str, ...]] = ("texture_px",)
    uses_seed: ClassVar[bool] = False

    _atlas: ModuleType

    def load(self, device: Device) -> None:
        """Import the classical code."""
        from models.draft import atlas

        self._atlas = atlas

    def run(self, value: TextureInput, ctx: RunContext) -> TexturedMesh:
        """Raises BakeFailed, EngineUnavailable."""
        if value.layout is not None:
            return _project(value.mesh, value.layout, value.image.rgba, ctx)
        mesh = value.mesh
        painted = self._atlas.paint_atlas(
            _in_picture(mesh), mesh.faces, value.image.rgba, size=ctx.settings["texture_px"]
        )
        ctx.note("The back is a draft: continued from the front, not seen.")
        return TexturedMesh(mesh, painted.uv, painted.base_color)

    def unload(self) -> None:
        """Nothing is held."""


def _in_picture(mesh: Mesh) -> Float32:
    """Vertices in the picture's frame: x and y from -0.5 to 0.5 over the square."""
    view = mesh.front_view
    if view is None:
        raise BakeFailed("The mesh does not know where its picture stands.", "Start from the picture again.")
    origin = np.array([view.center_x_m, view.center_y_m, 0.0], dtype=np.float32)
    return np.ascontiguousarray((to_view(mesh.vertices, view) - origin) / np.float32(view.side_m))


def _project(mesh: Mesh, layout: MeshLayout, rgba: UInt8, ctx: RunContext) -> TexturedMesh:
    """A mesh that somebody made, seen from its front. rgba: (S, S, 4). Raises BakeFailed, EngineUnavailable."""
    from models.common.bake import errors, outline, photo
    from models.common.bake.mesh import UvMesh

    try:
        camera = photo.frame_camera(rgba, mesh.vertices[np.unique(mesh.faces)])
        notes = outline.outline_notes(rgba, mesh.vertices, mesh.faces)
        ctx.progress(_FRAMED, 1)
        textured = photo.project_photo(
            rgba,
            UvMesh(mesh.vertices, mesh.faces, layout.uv),
            camera,
            ctx.settings["texture_px"],
            layout.polygons,
            ctx.raise_if_cancelled,
        )
    except errors.UnwrapperMissing as error:
        raise EngineUnavailable(str(error), "Unwrap the mesh in Blender, and try again.") from error
    except errors.BakeError as error:
        raise BakeFailed(str(error), "Use another mesh, or another picture.") from error
    for sentence in (*notes, *textured.notes):
        ctx.note(sentence)
    return TexturedMesh(mesh, textured.uv, textured.rgb)
