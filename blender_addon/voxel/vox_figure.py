# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene of a .vox file as a figure of voxels."""

from __future__ import annotations

import numpy as np

from .errors import SizeOutOfRange, VoxFileDamaged
from .fill import VoxelGrid
from .lattice import MOST_CELLS, Lattice, PAD_cells
from .shell import find_shell
from .vox_scene import VoxScene
from .voxelize import VoxelFigure


def figure_of_scene(scene: VoxScene, pitch: float) -> VoxelFigure:
    """All placed voxels on one grid, cell (0, 0, 0) of the scene at the origin. pitch: edge of a voxel.

    Where models overlap the later one's colour stays. Raises SizeOutOfRange where the models lie too far apart for one
    grid, VoxFileDamaged where there is no voxel.
    """
    bounds = [(cells.min(0), cells.max(0)) for cells, _ in scene.parts()]
    if not bounds:
        raise VoxFileDamaged("it shows no voxel")
    low = np.min([least for least, _ in bounds], axis=0).astype(np.int64)
    x, y, z = (np.max([most for _, most in bounds], axis=0) - low + 1 + 2 * PAD_cells).tolist()
    if x * y * z > MOST_CELLS:
        raise SizeOutOfRange.too_wide(x * y * z, MOST_CELLS)
    lattice = Lattice((low - PAD_cells) * pitch, pitch, (x, y, z))
    grid = VoxelGrid(lattice, lattice.empty())
    for cells, _ in scene.parts():
        grid.solid.reshape(-1)[lattice.flat(cells - low + PAD_cells)] = True
    shell = find_shell(grid)
    colour_of = np.zeros(lattice.cell_count, np.uint8)
    for cells, colours in scene.parts():
        colour_of[lattice.flat(cells - low + PAD_cells)] = colours
    return VoxelFigure(grid, shell, colour_of[shell.cells] - np.uint8(1), scene.palette[:, :3], None)
