# SPDX-License-Identifier: GPL-3.0-or-later
"""The bake's two loops in plain numpy and Python: the compiled ones' readable twins, and the way without numba."""

from __future__ import annotations

import numpy as np

NEAREST_NEIGHBOUR = 1e-4  # closer neighbours weigh as if they were this far, in the mesh's unit


def splat_plain(places: np.ndarray, values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Share values out among the four texels around each place.

    places: (P, 2) float32, row and column in texels, 0..size − 1. values: (P, C) float32.
    Returns the sums of weighted values, (size, size, C) float32, and of weights, (size, size) float32.
    """
    corner = np.clip(np.floor(places), 0, size - 2).astype(np.int64)
    share = places - corner
    sums = np.zeros((size * size, values.shape[1]))
    weights = np.zeros(size * size)
    for down, right in np.ndindex(2, 2):
        texel = (corner[:, 0] + down) * size + corner[:, 1] + right
        row_share = share[:, 0] if down else 1.0 - share[:, 0]
        weight = row_share * (share[:, 1] if right else 1.0 - share[:, 1])
        weights += np.bincount(texel, weight, minlength=size * size)
        for channel in range(values.shape[1]):
            sums[:, channel] += np.bincount(texel, weight * values[:, channel], minlength=size * size)
    return sums.reshape(size, size, -1).astype(np.float32), weights.reshape(size, size).astype(np.float32)


def spread_plain(
    colors: np.ndarray,  # (V, C) float32
    is_known: np.ndarray,  # (V,) bool
    todo: np.ndarray,  # (T,) int32
    starts: np.ndarray,  # (V + 1,) int32
    neighbours: np.ndarray,  # (E,) int32
    vertices: np.ndarray,  # (V, 3) float32
) -> None:
    """Colour the vertices of `todo` from their coloured neighbours, in place, sweep after sweep.

    Vertex v's neighbours are neighbours[starts[v] : starts[v + 1]], weighed by 1 / distance². A sweep sees what it has
    itself coloured already. Sweeps end when as many of them changed nothing as before had changed something, and two.
    """
    patience, before = 2, 0
    while patience > 0:
        left = 0
        for vertex in todo:
            around = neighbours[starts[vertex] : starts[vertex + 1]]
            around = around[is_known[around]]
            if not len(around):
                left += 1
                continue
            distance = np.linalg.norm(vertices[around].astype(np.float64) - vertices[vertex], axis=1)
            weight = 1.0 / np.maximum(distance, NEAREST_NEIGHBOUR) ** 2
            colors[vertex] = (weight[:, None] * colors[around]).sum(axis=0) / weight.sum()
            is_known[vertex] = True
        patience += -1 if left == before else 1
        before = left
