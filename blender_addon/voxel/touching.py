# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cells a triangle touches, and where lines through cell centres pierce it.

Source of the overlap test: Schwarz and Seidel, Fast Parallel Surface and Solid Voxelization on GPUs (2010): a triangle
overlaps a box where its plane does and its three projections overlap the box's.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .arrays import Bools, Floats, Ints, bounds, expand, normals_of, taken

COLUMNS_AT_ONCE = 1 << 15  # candidates that are looked at together: their intermediate arrays stay near the cache
SLACK_cells = 1e-9  # rounding of coordinates up to 512 cells
# Lines run this far beside the centres, so that edges on the grid's own lines are not met.
OFF_CENTRE_cells = (1.234567e-9, 2.718281e-9)


def mark_touched(grid: Bools, corners: Floats) -> None:
    """Set the cells that triangles touch. grid: C-contiguous. corners: (F, 3, 3) in cells, inside of the grid.

    A triangle in the plane between two cells counts for the upper one. One without area touches nothing.
    """
    flat = grid.reshape(-1)
    normals = normals_of(corners)
    axis = np.abs(normals).argmax(1)
    for w in range(3):
        rows = np.flatnonzero((axis == w) & (normals[:, w] != 0))
        u, v = (w + 1) % 3, (w + 2) % 3
        turned = corners.T[[u, v, w]]
        lowest, highest = bounds(taken(corners, rows))
        low = np.floor(lowest + SLACK_cells).astype(np.int64)
        high = np.maximum(low, np.ceil(highest - SLACK_cells).astype(np.int64) - 1)
        spans = high - low + 1
        for part in _batches(spans[:, u] * spans[:, v]):
            own = rows[part]
            column, place = expand(spans[part, u] * spans[part, v])
            cu = low[part, u][column] + place // spans[part, v][column]
            cv = low[part, v][column] + place % spans[part, v][column]
            triangles = _Turned(np.take(turned, own, axis=-1).T, (u, v, w))
            _mark_columns(flat, grid.shape, triangles, column, cu, cv)


class _Turned:
    """Triangles with the axis along which they are widest open last, as (w = a u + b v + c) and edge inequalities."""

    def __init__(self, corners: Floats, axes: tuple[int, int, int]) -> None:
        self.axes = axes
        lowest, highest = bounds(corners)
        self.low, self.high = lowest[:, 2], highest[:, 2]
        normal = normals_of(corners)
        self.a, self.b = -normal[:, 0] / normal[:, 2], -normal[:, 1] / normal[:, 2]
        self.c = corners[:, 0, 2] - self.a * corners[:, 0, 0] - self.b * corners[:, 0, 1]
        u, v, w = corners.T
        self.front = _edge_tests(u, v, normal[:, 2])
        self.side_v = _edge_tests(v, w, normal[:, 0])
        self.side_u = _edge_tests(w, u, normal[:, 1])


def _edge_tests(x: Floats, y: Floats, facing: Floats) -> Floats:  # x, y: (3, F)
    """(3, 3, F), of each edge p, q, r with p x + q y + r ≥ 0 where the cell at (x, y) reaches over its inner side."""
    sign = np.where(facing >= 0, 1.0, -1.0)
    p, q = -(np.roll(y, -1, axis=0) - y) * sign, (np.roll(x, -1, axis=0) - x) * sign
    r = -(p * x + q * y) + np.maximum(p, 0) + np.maximum(q, 0)
    return np.stack([p, q, r + SLACK_cells], axis=1)


def _passes(tests: Floats, rows: Ints, x: Floats | Ints, y: Floats | Ints) -> Bools:
    """Which of the cells (x, y) reach over all edges of the triangles of these rows."""
    inside = np.ones(len(rows), bool)
    for p, q, r in np.take(tests, rows, axis=-1):
        inside &= p * x + q * y + r >= 0
    return inside


def _mark_columns(flat: Bools, shape: tuple[int, ...], turned: _Turned, column: Ints, cu: Ints, cv: Ints) -> None:
    """Of the columns (cu, cv) of triangle `column`, set the cells that it touches: three at most in each."""
    u, v, w = turned.axes
    steps = (shape[1] * shape[2], shape[2], 1)
    hit = np.flatnonzero(_passes(turned.front, column, cu, cv))
    column, x, y = column[hit], cu[hit].astype(np.float64), cv[hit].astype(np.float64)
    a, b = turned.a[column], turned.b[column]
    middle = a * (x + 0.5) + b * (y + 0.5) + turned.c[column]
    reach = (np.abs(a) + np.abs(b)) / 2
    bottom = np.maximum(middle - reach, turned.low[column])
    top = np.minimum(middle + reach, turned.high[column])
    first = np.floor(bottom + SLACK_cells)
    last = np.maximum(first, np.ceil(top - SLACK_cells) - 1)
    base = cu[hit] * steps[u] + cv[hit] * steps[v]
    for level in range(3):
        z = first + level
        row = np.flatnonzero(z <= last)
        if not len(row):
            return
        own = column[row]
        touches = _passes(turned.side_v, own, y[row], z[row]) & _passes(turned.side_u, own, z[row], x[row])
        flat[base[row][touches] + z[row][touches].astype(np.int64) * steps[w]] = True


def crossings(corners: Floats, axis: int) -> tuple[Ints, Ints, Floats, Ints]:
    """Where lines along `axis` through cell centres pierce triangles, (F, 3, 3) in cells.

    Returns the line's cell along each of the two following axes (cyclic), the place along `axis`, and +1 where the line
    goes in, -1 where it comes out.
    """
    u, v = (axis + 1) % 3, (axis + 2) % 3
    turned = corners.T[[u, v, axis]].T
    edge_1, edge_2 = turned[:, 1] - turned[:, 0], turned[:, 2] - turned[:, 0]
    area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
    shift = np.array(OFF_CENTRE_cells) + 0.5
    lowest, highest = bounds(turned)
    low = np.ceil(lowest[:, :2] - shift).astype(np.int64)
    spans = np.maximum(np.floor(highest[:, :2] - shift).astype(np.int64) - low + 1, 0)
    spans[area == 0] = 0
    found = []
    for part in _batches(spans[:, 0] * spans[:, 1]):
        row, place = expand(spans[part, 0] * spans[part, 1])
        own = part.start + row
        cu = low[own, 0] + place // spans[own, 1]
        cv = low[own, 1] + place % spans[own, 1]
        first, e1, e2 = taken(turned[:, 0], own), taken(edge_1, own), taken(edge_2, own)
        du, dv = cu + shift[0] - first[:, 0], cv + shift[1] - first[:, 1]
        s = (du * e2[:, 1] - dv * e2[:, 0]) / area[own]
        t = (dv * e1[:, 0] - du * e1[:, 1]) / area[own]
        hit = np.flatnonzero((s >= 0) & (t >= 0) & (s + t <= 1))
        depth = first[hit, 2] + s[hit] * e1[hit, 2] + t[hit] * e2[hit, 2]
        found.append((cu[hit], cv[hit], depth, np.where(area[own[hit]] < 0, 1, -1)))
    if not found:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0), none
    cu, cv, depth, sign = (np.concatenate(column) for column in zip(*found, strict=True))
    return cu, cv, depth, sign


def _batches(counts: Ints) -> Iterator[slice]:
    """Consecutive rows of about COLUMNS_AT_ONCE items together, at least one row each."""
    ends = np.cumsum(counts)
    start, done = 0, 0
    while start < len(counts):
        stop = max(int(np.searchsorted(ends, done + COLUMNS_AT_ONCE, "right")), start + 1)
        yield slice(start, stop)
        start, done = stop, int(ends[stop - 1])
