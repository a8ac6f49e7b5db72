# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a closed mesh winds around the cells of a grid, counted exactly along the grid's columns."""

import numpy as np

COLUMNS_AT_ONCE = 1_000_000  # crossings that are looked for at a time: about 150 MB
# Beside the cells' centres by this much, in cells: a mesh that was made on a grid has vertices right on its lines.
ASIDE_cells = np.array([1.7320508e-5, 2.2360680e-5, 2.6457513e-5])


def is_closed(faces: np.ndarray) -> bool:  # (F, 3) int
    """Whether every edge is passed as often one way as the other, so that winding numbers are whole."""
    start, stop = faces.astype(np.int64), np.roll(faces, -1, axis=1).astype(np.int64)
    key = np.minimum(start, stop) * (int(faces.max()) + 1) + np.maximum(start, stop)
    _, edge = np.unique(key.ravel(), return_inverse=True)
    return not np.bincount(edge.ravel(), np.sign(stop - start).ravel()).any()


def wind_cells(points: np.ndarray, faces: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The winding number of a closed mesh at the centre of every cell: int32 (X, Y, Z).

    points: float64 (V, 3), the vertices in cells: cell (i, j, k) has its centre at (i, j, k). faces: int (F, 3), as
    `is_closed` wants them. What enters a column from below counts one up, what leaves it one down; a point on an edge
    belongs to one of its two faces, in whichever order they name its ends.
    """
    change = np.zeros((*shape[:2], shape[2] + 1), np.int32)
    points = points - ASIDE_cells
    flat = points[:, :2]
    corners = flat[faces]
    first = np.maximum(np.ceil(corners.min(1)).astype(np.int64), 0)
    spans = np.minimum(np.floor(corners.max(1)).astype(np.int64), np.array(shape[:2]) - 1) - first + 1
    spans = np.maximum(spans, 0)
    columns = spans.prod(1)
    seen = np.flatnonzero(columns)
    for part in np.split(seen, _cuts(columns[seen])):
        face = np.repeat(part, columns[part])
        place = np.arange(len(face)) - np.repeat(np.cumsum(columns[part]) - columns[part], columns[part])
        column = first[face] + np.stack([place // spans[face, 1], place % spans[face, 1]], axis=1)
        _count_crossings(change, flat, points[:, 2], faces[face], column)
    return np.cumsum(change[:, :, :-1], axis=2, dtype=np.int32)


def _cuts(columns: np.ndarray) -> np.ndarray:  # (N,) int
    """Where to split, so that the parts have about COLUMNS_AT_ONCE together each."""
    return np.flatnonzero(np.diff(np.cumsum(columns) // COLUMNS_AT_ONCE)) + 1


def _count_crossings(
    change: np.ndarray, flat: np.ndarray, height: np.ndarray, faces: np.ndarray, column: np.ndarray
) -> None:
    """Add the crossings of faces (N, 3) with their columns (N, 2) to `change`, at the first cell above each."""
    left, size = np.empty((len(faces), 3), bool), np.empty((len(faces), 3))
    for corner in range(3):
        ends = faces[:, [(corner + 1) % 3, (corner + 2) % 3]]
        low, high = flat[ends.min(1)], flat[ends.max(1)]
        along, away = high - low, column - low
        side = along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0]
        is_forward = ends[:, 0] < ends[:, 1]
        left[:, corner] = (side >= 0) == is_forward
        size[:, corner] = np.where(is_forward, side, -side)
    area = size.sum(1)
    met = np.flatnonzero((left.all(1) | ~left.any(1)) & (area != 0))
    level = np.einsum("nc,nc->n", size[met], height[faces[met]]) / area[met]
    above = np.clip(np.ceil(level).astype(np.int64), 0, change.shape[2] - 1)
    np.add.at(change, (column[met, 0], column[met, 1], above), np.where(left[met, 0], -1, 1))
