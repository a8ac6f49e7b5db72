# SPDX-License-Identifier: GPL-3.0-or-later
"""The one entry to all backends."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.common.raster.fragments import NOTHING, Fragments

Backend = Literal["compiled", "batched", "plain"]


@dataclass(frozen=True)
class RasterRules:
    """How samples are decided. depth_steps: depth is compared after rounding down to 1/depth_steps; 0 compares exact
    depths. culls_back: faces that turn their back on the viewer are left out (counter-clockwise is the front).
    """

    depth_steps: float = 0.0
    culls_back: bool = False


EXACT = RasterRules()


def pick_backend(device: str = "cpu") -> Backend:
    """On a GPU torch; on the CPU numba, else torch, many times slower, else numpy, slower for many faces."""
    if device == "cpu" and importlib.util.find_spec("numba") is not None:
        return "compiled"
    return "batched" if importlib.util.find_spec("torch") is not None else "plain"


def rasterize(
    window: np.ndarray,  # (V, 4) float64
    faces: np.ndarray,  # (F, 3) int32
    height: int,
    width: int,
    rules: RasterRules = EXACT,
    device: str = "cpu",
) -> Fragments:
    """The nearest face at every pixel's centre; of equally near ones the first.

    window: from `to_window` or `uv_to_window`. A face with a corner behind the viewer is left out. A centre on an edge
    is inside. device: "cpu" or a torch device that knows float64.
    """
    keep = (window[:, 3] > 0.0)[faces].all(axis=1)
    if rules.culls_back:
        keep &= faces_viewer(window, faces)
    kept = np.ascontiguousarray(faces[keep])
    backend = pick_backend(device)
    if backend == "compiled":
        from models.common.raster.compiled import rasterize_compiled

        drawn = rasterize_compiled(window, kept, height, width, rules.depth_steps)
    elif backend == "plain":
        from models.common.raster.plain import rasterize_plain

        drawn = rasterize_plain(window, kept, height, width, rules.depth_steps)
    else:
        from models.common.raster.batched import rasterize_batched

        drawn = rasterize_batched(window, kept, height, width, rules.depth_steps, device)
    if keep.all():
        return drawn
    names = np.append(np.flatnonzero(keep), NOTHING).astype(np.int32)  # NOTHING, being −1, finds itself at the end
    return Fragments(names[drawn.face], drawn.barycentric, drawn.depth)


def faces_viewer(window: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Whether each face, counter-clockwise seen from its front, shows its front: (F,) bool."""
    (x0, y0), (x1, y1), (x2, y2) = np.moveaxis(window[faces][..., :2], 0, -1)
    return (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0) < 0.0  # rows count downwards


def interpolate(fragments: Fragments, faces: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values of vertices at every pixel: (H, W, C) float32, 0 where nothing is seen. values: (V, C); faces: (F, 3)."""
    if pick_backend() == "compiled":
        from models.common.raster.compiled import interpolate_compiled

        return interpolate_compiled(fragments, faces, values)
    from models.common.raster.plain import interpolate_plain

    return interpolate_plain(fragments, faces, values)
