# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft geometry: the silhouette inflated by its local thickness into a closed mesh."""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

import numpy as np

from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, FrontView, Mesh, NormalizedImage, StageName
from inference_server.errors import EmptySurface


class DraftGeometry:
    """The mesh of the square picture: one metre a side until its height is known, lowest point on the ground."""

    name: ClassVar[StageName] = "geometry"
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 1
    requires: ClassVar[Requirements] = Requirements(peak_bytes=1 << 30)
    setting_names: ClassVar[tuple[str, ...]] = ("depth",)
    uses_seed: ClassVar[bool] = False

    _surface: ModuleType

    def load(self, device: Device) -> None:
        """Import the classical code."""
        from models.draft import surface

        self._surface = surface

    def run(self, value: NormalizedImage, ctx: RunContext) -> Mesh:
        """Raises EmptySurface."""
        from models.draft.errors import DraftError

        try:
            built = self._surface.build_mesh(value.rgba, depth=ctx.settings["depth"])
        except DraftError as error:
            raise EmptySurface(str(error), "Use a larger or clearer picture of the subject.") from error
        ground_m = float(built.vertices[:, 1].min())
        lifted = built.vertices - np.array([0.0, ground_m, 0.0], dtype=np.float32)
        if built.remesher != "botsch":
            ctx.note("Triangles are less even than usual: the remesher has no build for this system.")
        ctx.note("The depth is a draft: estimated from the outline, not seen.")
        return Mesh(lifted, built.faces, FrontView(center_x_m=0.0, center_y_m=-ground_m, side_m=1.0))

    def unload(self) -> None:
        """Nothing is held."""
