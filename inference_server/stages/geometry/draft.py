# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft geometry: the silhouette inflated by its local thickness into a closed mesh."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import ClassVar

import numpy as np

from inference_server.core.frames import from_view, to_view
from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, FrontView, Mesh, NormalizedImage, StageName
from inference_server.errors import EmptySurface


class DraftGeometry:
    """The mesh of the square picture: one metre a side until its height is known, lowest point on the ground."""

    name: ClassVar[StageName] = "geometry"
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 6
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
        seen_from = built.viewpoint
        view = FrontView(0.0, 0.0, 1.0, seen_from.azimuth_rad, seen_from.elevation_rad)
        turned = from_view(built.vertices, view)
        lift = np.array([0.0, -turned[:, 1].min(), 0.0], dtype=np.float32)
        center = to_view(lift, view)
        view = replace(view, center_x_m=float(center[0]), center_y_m=float(center[1]))
        if built.remesher != "botsch":
            ctx.note("Triangles are less even than usual: the remesher has no build for this system.")
        if seen_from.azimuth_rad:
            degrees = round(abs(np.degrees(seen_from.azimuth_rad)))
            ctx.note(f"The picture shows the subject turned by about {degrees}°: the model was turned to the front.")
        ctx.note("The depth is a draft: estimated from the outline, not seen.")
        return Mesh(turned + lift, built.faces, view)

    def unload(self) -> None:
        """Nothing is held."""
