# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft texture: the picture on the front; on the back what reaches around from the outline."""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

import numpy as np

from inference_server.core.frames import to_view
from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, Float32, Mesh, StageName, TexturedMesh, TextureInput
from inference_server.errors import BakeFailed


class DraftTexture:
    """Two planar charts, seen straight from the front and from the back."""

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
        """Raises BakeFailed when the mesh has no picture."""
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
