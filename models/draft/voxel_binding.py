# SPDX-License-Identifier: GPL-3.0-or-later
"""How far every point of a mesh is from every bone, through the inside of the body."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from .bone_segments import BoneSegments
from .voxels import VoxelGrid


@dataclass(frozen=True)
class BoneDistances:
    """through: float32 (P, J), the longer of the straight way and the way through the solid, in the mesh's unit.

    is_inside: bool (J,), which bones pass through the solid.
    """

    through: np.ndarray
    is_inside: np.ndarray


def measure_distances(grid: VoxelGrid, places: np.ndarray, segments: BoneSegments) -> BoneDistances:
    """places: float64 (P, 3), in the grid's frame.

    The way through the solid keeps near limbs from pulling at each other (Dionne and de Lasa, "Geodesic voxel
    binding", 2013). A bone outside the solid starts from the cells nearest to it.
    """
    _, nearest = ndimage.distance_transform_edt(~grid.occupied, return_indices=True)
    cells = nearest[:, *grid.cells(places).T]  # (3, P)
    paths = MCP_Geometric(np.where(grid.occupied, 1.0, -1.0), fully_connected=True)
    through = np.empty((len(places), segments.bone_count), np.float32)
    is_inside = np.zeros(segments.bone_count, bool)
    for bone in range(segments.bone_count):
        mine = np.flatnonzero(segments.bones == bone)
        along = np.concatenate([_cells_along(grid, segments.starts[row], segments.ends[row]) for row in mine], axis=1)
        solid = grid.occupied[tuple(along)]
        is_inside[bone] = solid.any()
        starts = along[:, solid] if is_inside[bone] else nearest[:, *along]
        way = paths.find_costs(np.unique(starts.T, axis=0))[0][tuple(cells)] * grid.pitch_m
        straight = np.min([segments.distances_of(row, places) for row in mine], axis=0)
        through[:, bone] = np.maximum(way, straight)
    return BoneDistances(through, is_inside)


def _cells_along(grid: VoxelGrid, start: np.ndarray, end: np.ndarray) -> np.ndarray:  # (3,), (3,)
    """int64 (3, N): the cells that a line passes through, each at least once."""
    steps = int(np.ceil(2 * np.linalg.norm(end - start) / grid.pitch_m)) + 1
    return grid.cells(np.linspace(start, end, steps)).T
