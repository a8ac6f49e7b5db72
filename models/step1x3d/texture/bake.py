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


def official_settings(texture_px: int = 2048, render_px: int = RENDER_PX) -> BakeSettings:
    """The bake exactly as published: pixels shared out among texels, and views as bright as they are."""
    rules = ProjectionRules(texture_px, render_px, RasterRules(depth_steps=DEPTH_STEPS), "centres")
    return BakeSettings(rules, method="splat", balances=False)


def quality_settings(texture_px: int = 2048) -> BakeSettings:
    """Texels looked up in the views, so that none is missed where they are smaller than pixels; one brightness."""
    return BakeSettings(ProjectionRules(texture_px, RENDER_PX))


def six_views(images: np.ndarray) -> tuple[View, ...]:  # (6, S, S, 3) uint8
    """Pictures in the order of cameras.VIEWS as views of a mesh in the views' frame."""
    return tuple(
        View(np.ascontiguousarray(image), camera, weight)
        for image, camera, weight in zip(images, six_cameras(), VIEW_WEIGHTS, strict=True)
    )


def bake_views(
    images: np.ndarray,
    mesh: UvMesh,
    settings: BakeSettings,
    raise_if_cancelled: Callable[[], None] = lambda: None,
) -> Texture:
    """The mesh's texture. images: (6, S, S, 3) uint8 sRGB. mesh: within ±0.5, gltf axes.

    Raises MeshUnusable, ViewsUnusable.
    """
    return bake(six_views(images), mesh, settings, raise_if_cancelled)
