# SPDX-License-Identifier: GPL-3.0-or-later
"""The texture atlas: two planar charts, the body from the front and the body from behind, in one square.

Frame and units: those of models.draft.inflate.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .texture import paint_sides

GUTTER = 0.016  # free border around each chart, in sides of the atlas: five mip levels stay clean at 2048 texels


@dataclass(frozen=True)
class Atlas:
    """A texture and the place of every face corner in it.

    uv: (F, 3, 2) float32, one pair per face corner, 0..1, origin bottom left.
    base_color: (T, T, 3) uint8, sRGB, row 0 on top.
    """

    uv: np.ndarray
    base_color: np.ndarray


@dataclass(frozen=True)
class _Layout:
    """Where the two charts lie. Lengths in texels, from the atlas' top left corner.

    tiles: ((left, top, right, bottom) of the front, of the back); scale: texels per side of the picture;
    center: (x, y) of the picture's frame that is drawn in each tile's centre; chart: width and height of a chart with
    its gutter, which ends no nearer to the tile's edge than the tile allows.
    """

    tiles: tuple[tuple[int, int, int, int], tuple[int, int, int, int]]
    scale: float
    center: np.ndarray
    chart: tuple[int, int]


def paint_atlas(
    vertices: np.ndarray,  # (V, 3) float32
    faces: np.ndarray,  # (F, 3) int32
    rgba: np.ndarray,  # (S, S, 4) uint8
    size: int = 2048,
) -> Atlas:
    """Texture a mesh that was built from this picture.

    Faces that look toward the viewer take the front chart, the others the back chart, drawn as seen from behind.
    Both charts show the same colours along the silhouette, so the seam between them does not show.
    size: side of the atlas in texels.
    """
    layout = _lay_out(vertices, size)
    front, back = paint_sides(rgba)
    base_color = np.empty((size, size, 3), np.uint8)
    for tile, picture, mirror in zip(layout.tiles, (front, back), (1.0, -1.0), strict=True):
        left, top, right, bottom = tile
        base_color[top:bottom, left:right] = _draw_tile(picture, layout, (right - left, bottom - top), mirror)
    corners = vertices[faces].astype(np.float64)
    normal_z = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    sides = [_place_corners(corners, layout, tile, mirror) for tile, mirror in zip(layout.tiles, (1, -1), strict=True)]
    texels = np.where((normal_z >= 0.0)[:, None, None], *sides)
    uv = texels / size
    uv[..., 1] = 1.0 - uv[..., 1]
    return Atlas(uv.astype(np.float32), base_color)


def _lay_out(vertices: np.ndarray, size: int) -> _Layout:  # vertices: (V, 3)
    """Put the charts side by side or one above the other, whichever shows the body larger."""
    low, high = vertices[:, :2].min(axis=0).astype(np.float64), vertices[:, :2].max(axis=0).astype(np.float64)
    width, height = high - low
    half, gutter = size // 2, GUTTER * size
    beside = min((half - 2 * gutter) / width, (size - 2 * gutter) / height)
    above = min((size - 2 * gutter) / width, (half - 2 * gutter) / height)
    if beside >= above:
        tiles = ((0, 0, half, size), (half, 0, size, size))
    else:
        tiles = ((0, 0, size, half), (0, half, size, size))
    scale = max(beside, above)
    chart_width, chart_height = (int(np.ceil(side * scale + 2 * gutter)) for side in (width, height))
    return _Layout(tiles, scale, (low + high) / 2.0, (chart_width, chart_height))


def _place_corners(corners: np.ndarray, layout: _Layout, tile: tuple[int, int, int, int], mirror: float) -> np.ndarray:
    """Texel coordinates of face corners in a tile: (F, 3, 2) float64, origin in the atlas' top left corner."""
    left, top, right, bottom = tile
    offset = (corners[..., :2] - layout.center) * layout.scale * np.array([mirror, -1.0])
    return offset + np.array([(left + right) / 2.0, (top + bottom) / 2.0])


def _draw_tile(picture: np.ndarray, layout: _Layout, tile_size: tuple[int, int], mirror: float) -> np.ndarray:
    """Resample a picture laid out as seen from the front, (S, S, 3) uint8, into a tile: (height, width, 3) uint8.

    Beyond the chart and its gutter, where nobody looks, the tile goes on as it ends there.
    """
    if layout.scale < picture.shape[0]:
        reduced = round(layout.scale)
        picture = cv2.resize(picture, (reduced, reduced), interpolation=cv2.INTER_AREA)
    pixels = picture.shape[0]
    step = pixels / layout.scale
    center_column, center_row = (layout.center[0] + 0.5) * pixels, (0.5 - layout.center[1]) * pixels
    around = [max(tile - chart, 0) // 2 for tile, chart in zip(tile_size, layout.chart, strict=True)]
    width, height = (tile - 2 * beyond for tile, beyond in zip(tile_size, around, strict=True))
    # Texel centres lie at +0.5 on both sides: source = center + (texel + 0.5 - drawn / 2) * step - 0.5
    matrix = np.array(
        [
            [mirror * step, 0.0, center_column + mirror * (0.5 - width / 2.0) * step - 0.5],
            [0.0, step, center_row + (0.5 - height / 2.0) * step - 0.5],
        ]
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    drawn = cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.copyMakeBorder(drawn, around[1], around[1], around[0], around[0], cv2.BORDER_REPLICATE)
