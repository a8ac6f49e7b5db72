# SPDX-License-Identifier: GPL-3.0-or-later
"""What the outside reaches, cell by cell."""

from __future__ import annotations

import numpy as np

from .arrays import Bools, component_labels, expand


def outside(walls: Bools) -> Bools:
    """The free cells that the border reaches through free faces. walls: bool (X, Y, Z), C-contiguous, its border free.

    Works on runs of free cells: where one row ends and the next begins the border is free, so runs need no row ends.
    """
    flat = walls.reshape(-1)
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], change, [len(flat)]])
    starts, ends = edges[:-1][::2], edges[1:][::2]  # the first cell is border, so every other run is free
    pairs = []
    for step in (walls.shape[2], walls.shape[1] * walls.shape[2]):
        first = np.searchsorted(ends, starts + step, "right")
        last = np.searchsorted(starts, ends + step, "left")
        a, place = expand(np.maximum(last - first, 0))
        pairs.append((a, first[a] + place))
    label = component_labels(len(starts), *(np.concatenate(side) for side in zip(*pairs, strict=True)))
    mark = np.zeros(len(flat) + 1, np.int8)
    reached = label == 0
    mark[starts[reached]] += 1
    mark[ends[reached]] -= 1
    return np.cumsum(mark[:-1], dtype=np.int8).astype(bool).reshape(walls.shape)
