# SPDX-License-Identifier: GPL-3.0-or-later
"""What the arrays of this package are called, and the array tricks that several of its modules need.

Points are rows, (N, 3), but those that are made here lie coordinate by coordinate in memory: numpy goes through a
column of them several times as fast as through rows of three.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Ints = NDArray[np.int64]
Int32s = NDArray[np.int32]
Int16s = NDArray[np.int16]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

Scalar = TypeVar("Scalar", bound=np.generic)

DIGIT_BITS = 16  # of a key: what numpy sorts by counting


def expand(counts: Ints) -> tuple[Ints, Ints]:
    """Row and place within it of every item, for rows of `counts` items: [2, 1] gives [0, 0, 1] and [0, 1, 0]."""
    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)


def bounds(corners: Floats) -> tuple[Floats, Floats]:  # corners: (F, 3, 3)
    """The lowest and highest coordinates (F, 3) of each triangle. Several times as fast as min and max over an axis."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)


def corners_of(points: Floats, triangles: Ints) -> Floats:
    """The corners (F, 3, 3) of triangles (F, 3) of points (V, 3), coordinate by coordinate in memory."""
    return np.asarray(np.take(np.ascontiguousarray(points.T), triangles.T, axis=1).T)


def taken(points: NDArray[Scalar], rows: NDArray[Any]) -> NDArray[Scalar]:
    """Those rows of points (N, 3) or corners (N, 3, 3), coordinate by coordinate in memory."""
    return np.asarray(np.take(points.T, rows, axis=-1).T)


def normals_of(corners: Floats) -> Floats:  # corners: (F, 3, 3)
    """(F, 3): across each triangle, outward by the right hand, twice as long as its area."""
    (ax, ay, az), (bx, by, bz) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    return np.asarray(np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]).T)


def unit_normals(corners: Floats) -> tuple[Floats, Floats]:
    """Unit vectors (F, 3) across triangles, of zeros where one has no area, and twice the areas (F,)."""
    normals = normals_of(corners)
    length = np.sqrt((normals**2).sum(1))
    return normals / np.maximum(length, np.finfo(np.float64).tiny)[:, None], length


def dot(a: Floats, b: Floats) -> Floats:  # both (..., N, 3)
    """The scalar product of each two rows."""
    return np.asarray(a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2])


def order_of(keys: Ints) -> Ints:
    """As np.argsort(keys, kind="stable") of integers ≥ 0, by digits of 16 bits: numpy sorts those by counting."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    most = int(keys.max(initial=0))
    for shift in range(DIGIT_BITS, most.bit_length(), DIGIT_BITS):
        digit = (keys >> shift).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order


def distinct(keys: Ints) -> tuple[Ints, Ints]:
    """The different integers ≥ 0, ascending, and which of them each key is: np.unique(keys, return_inverse=True)."""
    order = order_of(keys)
    ordered = keys[order]
    is_first = np.concatenate([np.ones(min(len(keys), 1), bool), ordered[1:] != ordered[:-1]])
    which = np.empty(len(keys), np.int64)
    which[order] = np.cumsum(is_first) - 1
    return ordered[is_first], which


def places_in(rows: Ints, count: int) -> Ints:
    """The place of every item within its row. rows: ascending, below `count`: [0, 0, 2] gives [0, 1, 0]."""
    counts = np.bincount(rows, minlength=count)
    return np.asarray(np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows])


def heaviest_first(rows: Ints, weights: NDArray[Any]) -> Ints:
    """The order by row, then by weight > 0, the largest first; of equal ones the first stays first.

    Weights are compared in single precision, whose bits ascend as they do.
    """
    bits = weights.astype(np.float32).view(np.uint32)
    order = order_of((np.iinfo(np.uint32).max - bits).astype(np.int64))
    return np.asarray(order[order_of(rows[order])])


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
