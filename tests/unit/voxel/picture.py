# SPDX-License-Identifier: GPL-3.0-or-later
"""What a parallel view of faces shows, by a depth buffer that shares nothing with the product."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

EDGE = 1e-6  # in barycentric coordinates: pixels on the edge of two triangles belong to both


def evenly_spread_views(count: int) -> np.ndarray:
    """(count, 3) unit vectors from the eye, around the whole sphere; none lies along an axis."""
    place = np.arange(count) + 0.5
    height, turn = 1 - 2 * place / count, place * np.pi * (3 - np.sqrt(5)) + 0.1
    wide = np.sqrt(1 - height**2)
    return np.stack([wide * np.cos(turn), wide * np.sin(turn), height], axis=1)


class Picture:
    """depth: (W, H) along the view, inf where nothing is. face: (W, H), the nearest quad's row, -1 where nothing is.

    is_back: (W, H), whether its inside shows.
    """

    def __init__(self, quads: np.ndarray, view: np.ndarray, pixel: float, low: np.ndarray, shape: tuple[int, int]):
        """quads: (Q, K, 3) convex, counter-clockwise from outside. view: unit vector from the eye. low, shape: as of
        `window`, so that two pictures have the same pixels.
        """
        flat = quads @ frame_of(view).T
        corners = quads.shape[1]
        fans = [flat[:, [0, i, i + 1]] for i in range(1, corners - 1)]
        triangles, face = np.concatenate(fans), np.tile(np.arange(len(quads)), corners - 2)
        edge_1, edge_2 = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
        area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
        wide = np.abs(area) > EDGE * pixel**2  # others are seen from their edge
        triangles, face, edge_1, edge_2, area = triangles[wide], face[wide], edge_1[wide], edge_2[wide], area[wide]
        first = np.floor((triangles[:, :, :2].min(1) - low) / pixel).astype(int)
        spans = np.ceil((triangles[:, :, :2].max(1) - low) / pixel).astype(int) + 1 - first
        counts = spans[:, 0] * spans[:, 1]
        row = np.repeat(np.arange(len(triangles)), counts)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = first[row] + np.stack([place // spans[row, 1], place % spans[row, 1]], axis=1)
        offset = low + at * pixel - triangles[row, 0, :2]
        s = (offset[:, 0] * edge_2[row, 1] - offset[:, 1] * edge_2[row, 0]) / area[row]
        t = (edge_1[row, 0] * offset[:, 1] - edge_1[row, 1] * offset[:, 0]) / area[row]
        hit = (s >= -EDGE) & (t >= -EDGE) & (s + t <= 1 + EDGE)
        row, at, s, t = row[hit], at[hit], s[hit], t[hit]
        depth = triangles[row, 0, 2] + s * edge_1[row, 2] + t * edge_2[row, 2]
        pixels = at[:, 0] * shape[1] + at[:, 1]
        order = np.lexsort((depth, pixels))
        seen = order[np.flatnonzero(np.diff(pixels[order], prepend=-1))]
        self.depth = np.full(shape, np.inf)
        self.face = np.full(shape, -1)
        self.is_back = np.zeros(shape, bool)
        spot = tuple(at[seen].T)
        self.depth[spot], self.face[spot] = depth[seen], face[row[seen]]
        self.is_back[spot] = area[row[seen]] > 0

    @property
    def gaps(self) -> np.ndarray:
        """(W, H) the number, from 1, of the piece of background that the figure encloses; 0 elsewhere."""
        pieces, _ = ndimage.label(self.face < 0)
        return np.where(pieces == pieces[0, 0], 0, pieces)


def frame_of(view: np.ndarray) -> np.ndarray:
    """(3, 3) rows: the picture's two axes, and the view."""
    side = np.cross(view, [0.3, 0.5, 0.81])
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(view, side), view])


def window(points: np.ndarray, view: np.ndarray, pixel: float) -> tuple[np.ndarray, tuple[int, int]]:
    """low (2,) and shape of a picture that holds the points (N, 3) and a free border."""
    flat = (points @ frame_of(view).T)[:, :2]
    low = flat.min(0) - 3 * pixel
    width, height = np.ceil((flat.max(0) - low) / pixel).astype(int) + 4
    return low, (int(width), int(height))
