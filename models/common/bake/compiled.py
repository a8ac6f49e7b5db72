# SPDX-License-Identifier: GPL-3.0-or-later
"""The bake's two loops for CPUs with numba. What they do is written in their twins, `plain.py`."""

from __future__ import annotations

import numpy as np

from models.common.bake.plain import NEAREST_NEIGHBOUR
from models.common.raster.jit import compile_loop


def splat_compiled(places: np.ndarray, values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """See `splat_plain`."""
    sums = np.zeros((size, size, values.shape[1]), np.float32)
    weights = np.zeros((size, size), np.float32)
    _splat(np.ascontiguousarray(places, np.float32), np.ascontiguousarray(values, np.float32), sums, weights)
    return sums, weights


@compile_loop
def _splat(places, values, sums, weights):  # type: ignore[no-untyped-def]
    size = weights.shape[0]
    for index in range(places.shape[0]):
        row = min(max(int(np.floor(places[index, 0])), 0), size - 2)
        column = min(max(int(np.floor(places[index, 1])), 0), size - 2)
        down, right = places[index, 0] - row, places[index, 1] - column
        for tap in range(4):
            i, j = row + tap // 2, column + tap % 2
            weight = (down if tap // 2 else 1 - down) * (right if tap % 2 else 1 - right)
            weights[i, j] += weight
            for channel in range(values.shape[1]):
                sums[i, j, channel] += weight * values[index, channel]


@compile_loop
def spread_compiled(colors, is_known, todo, starts, neighbours, vertices):  # type: ignore[no-untyped-def]
    """See `spread_plain`."""
    patience, before = 2, 0
    total = np.zeros(colors.shape[1])
    while patience > 0:
        left = 0
        for vertex in todo:
            total[:] = 0.0
            weights = 0.0
            for edge in range(starts[vertex], starts[vertex + 1]):
                other = neighbours[edge]
                if not is_known[other]:
                    continue
                squared = 0.0
                for axis in range(3):
                    squared += (np.float64(vertices[other, axis]) - np.float64(vertices[vertex, axis])) ** 2
                weight = 1.0 / max(squared, NEAREST_NEIGHBOUR**2)
                weights += weight
                for channel in range(colors.shape[1]):
                    total[channel] += weight * colors[other, channel]
            if weights == 0.0:
                left += 1
                continue
            for channel in range(colors.shape[1]):
                colors[vertex, channel] = total[channel] / weights
            is_known[vertex] = True
        patience += -1 if left == before else 1
        before = left
