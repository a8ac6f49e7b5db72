# SPDX-License-Identifier: GPL-3.0-or-later
"""Which known texel is nearest to each texel of a square texture, by jump flooding.

Source: Rong and Tan, "Jump Flooding in GPU with Applications to Voronoi Diagram and Distance Transform", 2006.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.common.raster.rasterize import pick_backend

UNKNOWN = -1


def nearest_known(known: Tensor) -> Tensor:  # (N, N) bool
    """Flat index of the known texel that each takes its value from, int64 (N * N,); its own where none is known.

    As the reference floods, order and quirks included: candidates are read from the pass before and compared with what
    the pass before that one left, and a step to the side may go on in the next row.
    """
    side = known.shape[0]
    texel = torch.arange(side * side, dtype=torch.int32, device=known.device)
    read = torch.where(known.flatten(), texel, UNKNOWN)
    write = read.clone()
    flood = _flood_compiled if pick_backend(known.device.type) == "compiled" else _flood
    step = side // 2
    while step:
        flood(read, write, step, side)
        read, write = write, read
        step //= 2
    return torch.where(read == UNKNOWN, texel, read).long()


def _flood_compiled(read: Tensor, write: Tensor, step: int, side: int) -> None:
    from models.step1x3d.texture.nearest_compiled import flood_pass

    flood_pass(read.numpy(), write.numpy(), step, side)


def _flood(read: Tensor, write: Tensor, step: int, side: int) -> None:
    """Compare what lies `step` texels around in `read` with what `write` has, and replace that."""
    texel = torch.arange(side * side, dtype=torch.int32, device=read.device)
    distance = _squared_distance(texel, write, side)
    for offset in (step * (side * row + column) for row in (-1, 0, 1) for column in (-1, 0, 1)):
        candidate = _shifted(read, offset)
        away = _squared_distance(texel, candidate, side)
        write.copy_(torch.where(away < distance, candidate, write))
        torch.minimum(away, distance, out=distance)


def _shifted(values: Tensor, offset: int) -> Tensor:
    """At each place the value that lies `offset` further on, UNKNOWN beyond the ends."""
    moved = torch.full_like(values, UNKNOWN)
    if offset >= 0:
        moved[: len(values) - offset] = values[offset:]
    else:
        moved[-offset:] = values[:offset]
    return moved


def _squared_distance(texel: Tensor, candidate: Tensor, side: int) -> Tensor:
    rows, columns = texel // side - candidate // side, texel % side - candidate % side
    return torch.where(candidate == UNKNOWN, 2 * side * side, rows**2 + columns**2)
