# SPDX-License-Identifier: GPL-3.0-or-later
"""How far every point of a mesh is from every bone that it may follow, through the inside of the body."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from .bone_segments import BoneSegments
from .voxels import VoxelGrid

ROUNDING_cells = 2.0  # a way from cell to cell may be nearly that much shorter than the straight one
UNREACHED = 100.0  # sides of the grid: added to the straight way where no way through the solid was measured


@dataclass(frozen=True)
class BoneDistances:
    """through: float32 (P, J), the longer of the straight way and the way through the solid, in the mesh's unit.

    is_inside: bool (J,), which bones pass through the solid. gaps: float32 (J,), the straight way to the nearest point.
    """

    through: np.ndarray
    is_inside: np.ndarray
    gaps: np.ndarray


def measure_distances(grid: VoxelGrid, places: np.ndarray, segments: BoneSegments, slack: float = 1.0) -> BoneDistances:
    """places: float64 (P, 3), in the grid's frame. slack: (P,), ways so many times the nearest bone's are measured.

    The way through the solid keeps near limbs from pulling at each other (Dionne and de Lasa, "Geodesic voxel
    binding", 2013). A bone outside the solid starts from the cells nearest to it. A bone that is certainly farther than
    `slack` allows has its straight way and `UNREACHED`: its order among places is kept, it is nobody's nearest.
    """
    _, nearest = ndimage.distance_transform_edt(~grid.occupied, return_indices=True)
    cells = nearest[:, *grid.cells(places).T]  # (3, P)
    starts, is_inside = _bone_cells(grid, segments, nearest)
    costs = np.where(grid.occupied, 1.0, -1.0)
    reaches = np.full(len(places), np.inf)
    if is_inside.any():
        inner = np.concatenate([mine for mine, inside in zip(starts, is_inside, strict=True) if inside])
        reaches = slack * (_ways_from(costs, inner)[tuple(cells)] + ROUNDING_cells) * grid.pitch_m
    through = segments.bone_distances(places)
    gaps = through.min(axis=0)
    for bone, mine in enumerate(starts):
        straight = through[:, bone]
        reach_cells = reaches[straight <= reaches].max(initial=0.0) / grid.pitch_m
        way = _ways_within(costs, mine, reach_cells, cells)
        far = straight + UNREACHED * max(grid.occupied.shape) * grid.pitch_m
        through[:, bone] = np.where(way <= reach_cells, np.maximum(way * grid.pitch_m, straight), far)
    return BoneDistances(through, is_inside, gaps)


def _ways_within(costs: np.ndarray, starts: np.ndarray, reach_cells: float, cells: np.ndarray) -> np.ndarray:
    """float64 (P,): the shortest way from any of starts (N, 3) to each of cells (3, P), right where ≤ reach_cells."""
    low = np.maximum(np.floor(starts.min(axis=0) - reach_cells), 0).astype(int)
    high = np.minimum(np.ceil(starts.max(axis=0) + reach_cells) + 1, costs.shape).astype(int)
    is_in_box = ((cells >= low[:, None]) & (cells < high[:, None])).all(axis=0)
    box = costs[tuple(slice(*span) for span in zip(low, high, strict=True))]
    ways = np.full(cells.shape[1], np.inf)
    ways[is_in_box] = _ways_from(box, starts - low)[tuple(cells[:, is_in_box] - low[:, None])]
    return ways


def _ways_from(costs: np.ndarray, starts: np.ndarray) -> np.ndarray:  # (X, Y, Z), (N, 3)
    """float64 (X, Y, Z): the shortest way through the solid from any of the cells, in cells; infinite elsewhere.

    costs: float64 (X, Y, Z), 1 in the solid, -1 where there is no way.
    """
    return MCP_Geometric(costs, fully_connected=True).find_costs(starts)[0]


def _bone_cells(
    grid: VoxelGrid, segments: BoneSegments, nearest: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:  # nearest: (3, X, Y, Z)
    """The solid cells (N, 3) that each bone passes through, or is nearest to, and bool (J,): which pass through any."""
    starts, is_inside = [], np.zeros(segments.bone_count, bool)
    for bone in range(segments.bone_count):
        mine = np.flatnonzero(segments.bones == bone)
        along = np.concatenate([_cells_along(grid, segments.starts[row], segments.ends[row]) for row in mine], axis=1)
        solid = grid.occupied[tuple(along)]
        is_inside[bone] = solid.any()
        starts.append(np.unique((along[:, solid] if is_inside[bone] else nearest[:, *along]).T, axis=0))
    return starts, is_inside


def _cells_along(grid: VoxelGrid, start: np.ndarray, end: np.ndarray) -> np.ndarray:  # (3,), (3,)
    """int64 (3, N): the cells that a line passes through, each at least once."""
    steps = int(np.ceil(2 * np.linalg.norm(end - start) / grid.pitch_m)) + 1
    return grid.cells(np.linspace(start, end, steps)).T
