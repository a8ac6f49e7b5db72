# SPDX-License-Identifier: GPL-3.0-or-later
"""What the arrays of this package are called, and the two array tricks that several of its modules need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Ints = NDArray[np.int64]
Int32s = NDArray[np.int32]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


def expand(counts: Ints) -> tuple[Ints, Ints]:
    """Row and place within it of every item, for rows of `counts` items: [2, 1] gives [0, 0, 1] and [0, 1, 0]."""
    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)


def bounds(corners: Floats) -> tuple[Floats, Floats]:  # corners: (F, 3, 3)
    """The lowest and highest coordinates (F, 3) of each triangle. Several times as fast as min and max over an axis."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)


def component_labels(count: int, a: Ints, b: Ints) -> Ints:
    """The connected components of a graph of `count` nodes and the edges a[i]–b[i]: each node's lowest fellow."""
    label = np.arange(count)
    while True:
        low, high = np.minimum(label[a], label[b]), np.maximum(label[a], label[b])
        differ = low != high
        if not differ.any():
            return label
        a, b = a[differ], b[differ]
        np.minimum.at(label, high[differ], low[differ])
        while not np.array_equal(label, shorter := label[label]):
            label = shorter
