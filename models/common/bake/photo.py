# SPDX-License-Identifier: GPL-3.0-or-later
"""One photo onto a mesh that somebody already has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.common.bake.bake import BakeSettings, bake
from models.common.bake.errors import ViewsUnusable
from models.common.bake.layout import lay_out
from models.common.bake.mesh import UvMesh, check_mesh
from models.common.bake.projection import SOLID, ProjectionRules, View
from models.common.raster.camera import Camera, orbit_camera, orthographic

LARGEST_RENDER_PX = 2048
SMALLEST_RENDER_PX = 256
ROOM = 2.0  # the viewer stands this many extents of the mesh away


@dataclass(frozen=True, eq=False)
class PhotoTexture:
    """uv: (F, 3, 2) float32 for each corner of the faces given. rgb: (T, T, 3) uint8 sRGB, row 0 on top.
    seen: (T, T) bool, texels that the photo shows. notes: what the user should know, in sentences.
    """

    uv: np.ndarray
    rgb: np.ndarray
    seen: np.ndarray
    notes: tuple[str, ...]


def project_photo(
    rgba: np.ndarray,
    mesh: UvMesh,
    camera: Camera,
    texture_px: int = 2048,
    polygons: np.ndarray | None = None,
    raise_if_cancelled: Callable[[], None] = lambda: None,
) -> PhotoTexture:
    """Texture a mesh with a photo; what the photo does not show is continued from what it does.

    rgba: (H, W, 4) uint8 sRGB, straight alpha; only solid pixels paint. mesh: in any frame and unit; texture
    coordinates that cannot carry a picture, or none (an array with no rows), are laid out anew, and a note says so.
    camera: of the square around the photo, its centre in the photo's (see `frame_camera`). polygons: as for `lay_out`.
    Raises MeshUnusable, ViewsUnusable, UnwrapperMissing.
    """
    check_mesh(mesh.vertices, mesh.faces)
    _check_photo(rgba)
    mesh, notes = lay_out(mesh, polygons)
    square = pad_to_square(rgba)
    render_px = int(np.clip(len(square), SMALLEST_RENDER_PX, LARGEST_RENDER_PX))
    settings = BakeSettings(ProjectionRules(texture_px, render_px), balances=False)
    texture = bake([View(square, camera)], mesh, settings, raise_if_cancelled)
    return PhotoTexture(mesh.uv, texture.rgb, texture.seen, (*notes, *texture.notes))


def frame_camera(rgba: np.ndarray, vertices: np.ndarray, azimuth: float = 0.0, elevation: float = 0.0) -> Camera:
    """An orthographic camera that puts the mesh where the photo's subject is, by their outlines' boxes.

    rgba: (H, W, 4) uint8. vertices: (V, 3), +y up, the front toward +z. azimuth, elevation: radians, from where the
    photo was taken; see `orbit_camera`. Returns the camera for `project_photo`. Raises ViewsUnusable.
    """
    _check_photo(rgba)
    return frame_subject(pad_to_square(rgba)[..., 3] >= SOLID, vertices, azimuth, elevation)


def frame_subject(subject: np.ndarray, vertices: np.ndarray, azimuth: float = 0.0, elevation: float = 0.0) -> Camera:
    """As `frame_camera`, for what the subject covers of a square: (S, S) bool, not empty."""
    rows, columns = (np.flatnonzero(subject.any(axis=axis)) for axis in (1, 0))
    side = len(subject)
    photo_low = np.array([columns[0], side - 1 - rows[-1]]) / side - 0.5  # to the right and up, centre 0
    photo_high = np.array([columns[-1] + 1, side - rows[0]]) / side - 0.5
    world_to_view = orbit_camera(azimuth, elevation, 0.0)
    seen = vertices.astype(np.float64) @ world_to_view[:3, :3].T
    low, high = seen.min(axis=0), seen.max(axis=0)
    ratio = (high - low)[:2] / (photo_high - photo_low)
    scale = float(ratio[1] if ratio[1] > 0.0 else ratio[0])  # heights are matched: arms are posed more than legs
    extent = float(np.ptp(vertices, axis=0).max())
    world_to_view[:2, 3] = (photo_low + photo_high) / 2.0 * scale - (low + high)[:2] / 2.0
    world_to_view[2, 3] = -high[2] - ROOM * extent
    return Camera(world_to_view, orthographic(scale / 2.0, extent, 2.0 * ROOM * extent + extent))


def pad_to_square(rgba: np.ndarray) -> np.ndarray:  # (H, W, 4) uint8
    """The photo in the middle of a clear square, (S, S, 4) uint8."""
    height, width = rgba.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 4), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = rgba
    return square


def _check_photo(rgba: np.ndarray) -> None:
    if rgba.dtype != np.uint8 or rgba.ndim != 3 or rgba.shape[2] != 4:
        raise ViewsUnusable(f"The photo is {rgba.dtype} of shape {rgba.shape}; an RGBA picture of 8 bits is needed.")
    if not (rgba[..., 3] >= SOLID).any():
        raise ViewsUnusable("The photo has no solid pixel, so there is nothing to paint with. Give one with a subject.")
