# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a triangle mesh can be printed, and what of it is a solid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..voxel.arrays import component_labels
from .mesh_files import DECIMALS, Solid

# Of the whole volume; smaller bits are crumbs of the voxels.
_CRUMB = 1e-4


def is_watertight(triangles: NDArray[np.int64]) -> bool:  # (T, 3)
    """Whether every edge has two triangles, which pass it in opposite directions."""
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    count = int(triangles.max(initial=0)) + 1
    forth, back = edges @ [count, 1], edges @ [1, count]
    there = np.sort(forth)
    return bool((there[1:] != there[:-1]).all() and np.array_equal(there, np.sort(back)))


def welded(solid: Solid) -> Solid:
    """As a reader of the file sees it: coordinates that a file does not tell apart are one vertex, and triangles that
    this leaves without an area are gone.
    """
    keys = np.round(solid.vertices * 10**DECIMALS).astype(np.int64)
    places, renumbered = np.unique(keys, axis=0, return_inverse=True)
    triangles = renumbered.reshape(-1)[solid.triangles]
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (c != a)]
    return Solid(places / 10**DECIMALS, triangles)


def volume_of(solid: Solid) -> float:
    """In cubic millimetres; negative where the faces look inwards."""
    return float(_volumes(solid).sum())


def solids_of(solid: Solid) -> tuple[Solid, int]:
    """Without the hollows inside, which no printer fills, and without crumbs; and how many pieces are left."""
    piece = _pieces(solid)
    count = int(piece.max(initial=-1)) + 1
    sizes = np.bincount(piece[solid.triangles[:, 0]], _volumes(solid), count)
    is_kept = sizes > _CRUMB * sizes.clip(0).sum()
    triangles = solid.triangles[is_kept[piece[solid.triangles[:, 0]]]]
    used, renumbered = np.unique(triangles, return_inverse=True)
    return Solid(solid.vertices[used], renumbered.reshape(-1, 3)), int(is_kept.sum())


def sized(solid: Solid, height_mm: float) -> Solid:
    """Exactly so high, standing on zero, over the middle."""
    low, high = solid.vertices.min(axis=0), solid.vertices.max(axis=0)
    middle = np.array([*(low + high)[:2] / 2, low[2]])
    return Solid((solid.vertices - middle) * (height_mm / (high[2] - low[2])), solid.triangles)


def _volumes(solid: Solid) -> NDArray[np.float64]:
    a, b, c = np.moveaxis(solid.vertices[solid.triangles], 1, 0)
    return np.asarray(np.einsum("ij,ij->i", np.cross(a, b), c) / 6)


def _pieces(solid: Solid) -> NDArray[np.int64]:
    """(V,): a number for each connected piece, from 0."""
    ends = solid.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).T
    label = component_labels(len(solid.vertices), ends[0], ends[1])
    return np.asarray(np.unique(label, return_inverse=True)[1].reshape(-1))
