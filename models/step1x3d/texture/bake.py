# SPDX-License-Identifier: GPL-3.0-or-later
"""The six painted views onto the mesh, by the official numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.common.bake.bake import BakeSettings, Texture, bake
from models.common.bake.mesh import UvMesh
from models.common.bake.projection import ProjectionRules, View
from models.common.raster.rasterize import RasterRules
from models.step1x3d.texture.cameras import six_cameras

VIEW_WEIGHTS = (1.0, 0.1, 0.5, 0.1, 0.05, 0.05)
RENDER_PX = 2048
DEPTH_STEPS = 0.49999 * 2**18  # the official rasteriser tells depths apart no finer: the first face wins a tie

OFFICIAL_DRAWING = RasterRules(depth_steps=DEPTH_STEPS)


def six_views(images: np.ndarray) -> tuple[View, ...]:  # (6, S, S, 3) uint8
    """Pictures in the order of cameras.VIEWS as views of a mesh in the views' frame."""
    return tuple(
        View(np.ascontiguousarray(image), camera, weight)
        for image, camera, weight in zip(images, six_cameras(), VIEW_WEIGHTS, strict=True)
    )


def bake_views(
    images: np.ndarray,
    mesh: UvMesh,
    texture_px: int = 2048,
    raise_if_cancelled: Callable[[], None] = lambda: None,
) -> Texture:
    """The mesh's texture. images: (6, S, S, 3) uint8 sRGB. mesh: within ±0.5, gltf axes.

    Each texel is looked up in the views; the official way, pixels shared out among texels, leaves holes where texels
    are smaller than pixels (`BakeSettings.method`). Raises MeshUnusable, ViewsUnusable.
    """
    rules = ProjectionRules(texture_px, RENDER_PX)
    return bake(six_views(images), mesh, BakeSettings(rules), raise_if_cancelled)
