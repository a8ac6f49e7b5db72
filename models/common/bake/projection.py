# SPDX-License-Identifier: GPL-3.0-or-later
"""One view's colours carried onto the texture, with how squarely the view saw each texel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.common.bake.mesh import UvMesh
from models.common.bake.trust import trusted_pixels
from models.common.normals import vertex_normals
from models.common.raster.camera import Camera, PixelRule, to_window, uv_to_window
from models.common.raster.fragments import Fragments
from models.common.raster.rasterize import EXACT, RasterRules, interpolate, pick_backend, rasterize

MOST_OBLIQUE = np.float32(np.cos(np.radians(75.0)))  # surface seen at a flatter angle takes no colour
DEPTH_SLACK = 1e-3  # a texel this little behind what the view sees is the same surface, in the mesh's extent
PIXEL_SLACK = 1.0  # and this many pixels of the view across a slanted surface
SOLID = 250  # alpha; less is mixed with what was behind the subject
REMAP_ROW = 1024  # OpenCV samples grids of less than 2¹⁵ columns and rows


@dataclass(frozen=True, eq=False)
class View:
    """A picture of the mesh and from where it was taken.

    image: (S, S, 3 or 4) uint8 sRGB, row 0 on top; pixels that are not solid paint nothing. camera: in the mesh's frame
    and unit. weight: how much it counts.
    """

    image: np.ndarray
    camera: Camera
    weight: float = 1.0


@dataclass(frozen=True)
class ProjectionRules:
    """texture_px, render_px: sides of the texture, and of the pictures that are carried onto it (others are resized).
    drawing: how faces are drawn. pixel_rule: where the picture's edge lies.
    """

    texture_px: int
    render_px: int
    drawing: RasterRules = EXACT
    pixel_rule: PixelRule = "edges"


@dataclass(frozen=True, eq=False)
class Painted:
    """color: (T, T, 3) float32, 0..1. cosine: (T, T) float32, 0..1, of the angle between surface and view, 0 where the
    view paints nothing.
    """

    color: np.ndarray
    cosine: np.ndarray


@dataclass(frozen=True, eq=False)
class _Sight:
    """What a view knows of the mesh, every array (S, S): fragments, distance float32 from the viewer, trusted bool."""

    fragments: Fragments
    distance: np.ndarray
    trusted: np.ndarray


def _look(view: View, mesh: UvMesh, rules: ProjectionRules) -> _Sight:
    size = rules.render_px
    window = to_window(mesh.vertices, view.camera, size, size, rules.pixel_rule)
    fragments = rasterize(window, mesh.faces, size, size, rules.drawing)
    distance = interpolate(fragments, mesh.faces, view.camera.distance(mesh.vertices)[:, None])[..., 0]
    shows = fragments.covered
    if view.image.shape[2] == 4:
        shows = shows & (fit_picture(view.image[..., 3], size) >= SOLID)
    return _Sight(fragments, distance, trusted_pixels(distance, fragments.covered, shows))


def splat_view(view: View, mesh: UvMesh, rules: ProjectionRules) -> Painted:
    """Share every trusted pixel out among the texels around its place, as the official bake does.

    Surfaces that have more texels than pixels keep holes.
    """
    sight = _look(view, mesh, rules)
    fragments, trusted = sight.fragments, sight.trusted
    normals = interpolate(fragments, mesh.faces, vertex_normals(mesh.vertices, mesh.faces, by_area=False))[trusted]
    if view.camera.is_perspective:
        to_viewer = view.camera.to_viewer(interpolate(fragments, mesh.faces, mesh.vertices)[trusted])
    else:
        to_viewer = view.camera.backward.astype(np.float32)
    cosine = _cosines(normals, to_viewer)
    image = fit_picture(view.image[..., :3], rules.render_px)[trusted].astype(np.float32) / 255.0
    uv = interpolate(fragments, mesh.corners, mesh.uv.reshape(-1, 2))[trusted]
    last = rules.texture_px - 1
    places = np.stack([(1.0 - uv[:, 1]) * last, uv[:, 0] * last], axis=1)
    sums, weights = splat(places, np.concatenate([image, cosine[:, None]], axis=1), rules.texture_px)
    mean = sums / np.where(weights > 0.0, weights, 1.0)[..., None]
    return Painted(np.ascontiguousarray(mean[..., :3]), np.ascontiguousarray(mean[..., 3]))


@dataclass(frozen=True, eq=False)
class Texels:
    """The texture's used texels on the mesh. fragments: (T, T), what lies on each. index: (N,) int64, the used ones'
    numbers in row-major order. places, normals: (N, 3) float32.
    """

    fragments: Fragments
    index: np.ndarray
    places: np.ndarray
    normals: np.ndarray

    @property
    def used(self) -> np.ndarray:
        """(T, T) bool."""
        return self.fragments.covered


def place_texels(mesh: UvMesh, texture_px: int) -> Texels:
    """Where each used texel's centre lies on the mesh."""
    window = uv_to_window(mesh.uv.reshape(-1, 2), texture_px)
    fragments = rasterize(window, mesh.corners, texture_px, texture_px)
    normals = vertex_normals(mesh.vertices, mesh.faces, by_area=False)
    values = np.concatenate([mesh.vertices, normals], axis=1)[mesh.faces.reshape(-1)]
    found = interpolate(fragments, mesh.corners, values)[fragments.covered]
    return Texels(fragments, np.flatnonzero(fragments.covered), found[:, :3].copy(), found[:, 3:].copy())


def gather_view(view: View, mesh: UvMesh, texels: Texels, rules: ProjectionRules) -> Painted:
    """Look every texel up in the view, where the view sees it: no holes, and colours between pixels interpolated."""
    size = rules.render_px
    sight = _look(view, mesh, rules)
    cosine = _cosines(texels.normals, view.camera.to_viewer(texels.places))
    facing = np.flatnonzero(cosine > 0.0)
    places, cosine = texels.places[facing], cosine[facing]
    window = to_window(places, view.camera, size, size, rules.pixel_rule)
    column, row = (window[:, :2].T - 0.5).astype(np.float32)
    pixel = np.clip(np.rint(row), 0, size - 1).astype(np.int64) * size
    pixel += np.clip(np.rint(column), 0, size - 1).astype(np.int64)
    extent = float(np.ptp(mesh.vertices, axis=0).max())
    behind = view.camera.distance(places) - sight.distance.reshape(-1)[pixel]
    # One pixel of a slanted surface spans this much depth.
    slack = DEPTH_SLACK * extent + PIXEL_SLACK * extent / size / cosine
    in_picture = (window[:, 3] > 0.0) & (np.abs(window[:, :2] / size - 0.5) < 0.5).all(axis=1)
    seen = in_picture & sight.trusted.reshape(-1)[pixel] & (behind <= slack)
    color = np.zeros((*texels.fragments.face.shape, 3), np.float32)
    cosines = np.zeros(texels.fragments.face.shape, np.float32)
    painted = texels.index[facing[seen]]
    color.reshape(-1, 3)[painted] = _sample(fit_picture(view.image[..., :3], size), column[seen], row[seen])
    cosines.reshape(-1)[painted] = cosine[seen]
    return Painted(color, cosines)


def _sample(image: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:  # (S, S, 3) uint8, (N,), (N,)
    """Bilinear samples, (N, 3) float32, 0..1."""
    width = REMAP_ROW
    padded = width - len(column) % width  # at least one, so that the grid is never empty
    grid = [np.pad(line, (0, padded)).reshape(-1, width) for line in (column, row)]
    found = cv2.remap(image.astype(np.float32) / 255.0, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(-1, 3)[: len(column)]


def splat(places: np.ndarray, values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """See `splat_plain`."""
    if pick_backend() == "compiled":
        from models.common.bake.compiled import splat_compiled

        return splat_compiled(places, values, size)
    from models.common.bake.plain import splat_plain

    return splat_plain(places, values, size)


def fit_picture(image: np.ndarray, size: int) -> np.ndarray:  # (S, S) or (S, S, C) uint8
    """The picture with this side, uint8."""
    if image.shape[0] == size:
        return image
    smoother = cv2.INTER_LANCZOS4 if image.shape[0] < size else cv2.INTER_AREA
    return cv2.resize(image, (size, size), interpolation=smoother)


def _cosines(normals: np.ndarray, to_viewer: np.ndarray) -> np.ndarray:  # (N, 3), (3,) or (N, 3)
    """(N,) float32, of the angle between the smoothed surface and the direction to the viewer; 0 beyond the limit."""
    along = normals @ to_viewer if to_viewer.ndim == 1 else np.einsum("nc,nc->n", normals, to_viewer)
    length = np.sqrt(np.einsum("nc,nc->n", normals, normals))
    cosine = along / np.maximum(length, np.finfo(np.float32).eps)
    return np.where(cosine < MOST_OBLIQUE, 0.0, cosine).astype(np.float32)
