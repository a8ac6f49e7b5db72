# SPDX-License-Identifier: GPL-3.0-or-later
"""The jump flood of `nearest.py` as a compiled loop, for CPUs with numba."""

from __future__ import annotations

import numpy as np

from models.common.raster.jit import compile_loop


@compile_loop
def flood_pass(read: np.ndarray, write: np.ndarray, step: int, side: int) -> None:
    """One pass over flat int32 arrays (side * side,), −1 where nothing is known yet: from `read` into `write`."""
    for texel in range(side * side):
        row, column = texel // side, texel % side
        best, nearest = write[texel], 2 * side * side
        if best >= 0:
            nearest = (row - best // side) ** 2 + (column - best % side) ** 2
        for down in range(-1, 2):
            for right in range(-1, 2):
                place = texel + step * (side * down + right)
                if place < 0 or place >= side * side or read[place] < 0:
                    continue
                candidate = read[place]
                away = (row - candidate // side) ** 2 + (column - candidate % side) ** 2
                if away < nearest:
                    best, nearest = candidate, away
        write[texel] = best
