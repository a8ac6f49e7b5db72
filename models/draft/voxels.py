# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of any kind (closed, open, many islands, non-manifold) as one connected solid of cubes."""

from dataclasses import dataclass

import igl
import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from .winding import is_closed, wind_cells

MOST_SURFACE = 10.0  # squares of the longest side: more is a cloud of triangles, and some of them show where it is
PAD_cells = 2  # free cells on every side, so that distance to the outside is defined at the border
SAMPLES_AT_ONCE = 2_000_000  # surface points held at a time: 48 MB, whatever the triangles' size
STRIDE = 31  # one in so many of the cells off the surface is asked first; prime, so that it follows no grid axis
GLANCE_cells = 24  # enough to tell a bulky mesh from a slender one
CELLS_TOUCH = np.ones((3, 3, 3), bool)  # cells that share a face, an edge or a corner are connected


@dataclass(frozen=True)
class VoxelGrid:
    """occupied: bool (X, Y, Z); origin: float64 (3,), the outer corner of cell (0, 0, 0); pitch_m: edge of a cell.

    Frame and unit are those of the mesh.
    """

    occupied: np.ndarray
    origin: np.ndarray
    pitch_m: float

    def centres(self, cells: np.ndarray) -> np.ndarray:  # cells: (..., 3), whole or fractional
        """The points (float64) of cell coordinates: cell (0, 0, 0) has its centre half a pitch from the origin."""
        return self.origin + (np.asarray(cells, float) + 0.5) * self.pitch_m

    def cells(self, points: np.ndarray) -> np.ndarray:  # points: (..., 3)
        """The cells (int64) that hold the points, clipped to the grid."""
        cells = np.floor((points - self.origin) / self.pitch_m).astype(np.int64)
        return np.clip(cells, 0, np.array(self.occupied.shape) - 1)


def voxelise_up_to(vertices: np.ndarray, faces: np.ndarray, resolution: int, most_cells: int) -> VoxelGrid:
    """`voxelise`, with fewer cells a side where a bulky mesh would fill more than about `most_cells` of them."""
    filled = voxelise(vertices, faces, GLANCE_cells).occupied.sum() * (resolution / GLANCE_cells) ** 3
    return voxelise(vertices, faces, int(resolution * min(1.0, (most_cells / filled) ** (1 / 3))))


def voxelise(vertices: np.ndarray, faces: np.ndarray, resolution: int = 96) -> VoxelGrid:  # (V, 3), (F, 3)
    """The solid inside of a mesh, `resolution` cells along its longest side, as one component.

    vertices: float32 (V, 3), finite, not all in one place. faces: int32 (F, 3), F ≥ 1.
    A cell is solid where the mesh winds around its centre (of an open one by at least a half: Jacobson et al. 2013;
    Barill et al. 2018), where surface is too thin or too open to hold such a centre, and in every cavity of these.
    Of a cloud with more surface than `MOST_SURFACE` only every so many-th face is looked at.
    Separate parts are joined by the shortest bridges of cells (a minimum spanning tree), so nothing else is glued.
    """
    vertices = np.asarray(vertices, float)
    used = vertices[faces.ravel()]
    low, high = used.min(0), used.max(0)
    faces = faces[:: int(np.ceil(surface_area(vertices, faces) / (MOST_SURFACE * (high - low).max() ** 2))) or 1]
    pitch_m = float((high - low).max() / resolution)
    shape = np.maximum(np.ceil((high - low) / pitch_m - 1e-6).astype(int), 1) + 2 * PAD_cells
    origin = (low + high) / 2 - shape * pitch_m / 2
    grid = VoxelGrid(np.zeros(shape, bool), origin, pitch_m)
    surface = _surface_cells(grid, vertices, faces)
    if is_closed(faces):
        solid = wind_cells((vertices - grid.centres(np.zeros(3))) / pitch_m, faces, grid.occupied.shape) != 0
    else:
        solid = _inside(grid, vertices, faces, surface)
    thin = surface & ~ndimage.binary_dilation(solid, CELLS_TOUCH)
    thin = surface & ndimage.binary_dilation(thin, CELLS_TOUCH)
    return VoxelGrid(_bridge(ndimage.binary_fill_holes(solid | thin)), origin, pitch_m)


def _surface_cells(grid: VoxelGrid, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The cells that the triangles pass through, from points at most half a pitch apart."""
    corners = vertices[faces]  # (F, 3, 3)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    steps = np.maximum(np.ceil(longest / (0.5 * grid.pitch_m)).astype(int), 1)
    surface = np.zeros_like(grid.occupied)
    for step in np.unique(steps):
        i, j = np.array([(i, j) for i in range(step + 1) for j in range(step + 1 - i)]).T
        lattice = np.stack([i, j, step - i - j], axis=1) / step  # (S, 3) barycentric
        same = np.flatnonzero(steps == step)
        for chunk in np.array_split(same, int(np.ceil(len(same) * len(lattice) / SAMPLES_AT_ONCE))):
            cells = grid.cells(np.einsum("sk,fkd->fsd", lattice, corners[chunk]).reshape(-1, 3))
            surface[tuple(cells.T)] = True
    return surface


def surface_area(vertices: np.ndarray, faces: np.ndarray) -> float:  # (V, 3), (F, 3)
    """The sum of the faces' areas."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(normals, axis=1).sum() / 2)


def _inside(grid: VoxelGrid, vertices: np.ndarray, faces: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Cells whose centre the mesh winds around, in either direction."""

    def winds(cells: np.ndarray) -> np.ndarray:  # cells: (N,) flat indices
        points = grid.centres(np.stack(np.unravel_index(cells, surface.shape), axis=1))
        return np.abs(igl.fast_winding_number(vertices, np.asarray(faces, np.int64), points)) >= 0.5

    inside = np.zeros(surface.size, bool)
    enclosed = ndimage.binary_fill_holes(surface)
    if winds(np.flatnonzero(~enclosed)[::STRIDE]).any():  # the surface has openings wider than a cell
        return winds(np.arange(surface.size)).reshape(surface.shape)
    # Away from the surface the number is the same all over a cavity: some of its cells speak for all, if they agree.
    cavities = ndimage.label(enclosed & ~surface)[0].ravel()
    cells = np.flatnonzero(cavities)
    some = np.union1d(cells[::STRIDE], cells[np.unique(cavities[cells], return_index=True)[1]])
    yes, all_asked = (np.bincount(cavities[some], weights, cavities.max() + 1) for weights in (winds(some), None))
    inside[cells] = yes[cavities[cells]] > 0
    is_divided = (yes > 0) & (yes < all_asked)
    asked = np.concatenate([np.flatnonzero(surface), cells[is_divided[cavities[cells]]]])
    inside[asked] = winds(asked)
    return inside.reshape(surface.shape)


def _bridge(occupied: np.ndarray) -> np.ndarray:
    """Join the components of a solid along the shortest lines between neighbouring ones."""
    labels, count = ndimage.label(occupied, CELLS_TOUCH)
    if count == 1:
        return occupied
    distance, nearest = ndimage.distance_transform_edt(~occupied, return_indices=True)
    regions = labels[tuple(nearest)]  # each cell's nearest component
    gaps, ends = [], []
    for axis in range(3):
        cells = np.argwhere(np.diff(regions, axis=axis) != 0)
        beside = cells + np.eye(3, dtype=int)[axis]
        gaps.append(distance[tuple(cells.T)] + distance[tuple(beside.T)])
        ends.append(np.stack([nearest[:, *cells.T].T, nearest[:, *beside.T].T], axis=1))
    return _draw_shortest(occupied, labels, np.concatenate(gaps), np.concatenate(ends))


def _draw_shortest(occupied: np.ndarray, labels: np.ndarray, gaps: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Draw the minimum spanning tree of the components. gaps: (N,) cells; ends: (N, 2, 3) the cells to join."""
    pairs = np.sort(labels[tuple(np.moveaxis(ends, 2, 0))], axis=1) - 1  # (N, 2)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], gaps))
    _, first = np.unique(pairs[order], axis=0, return_index=True)
    best = order[first]
    count = labels.max()
    ranks = np.argsort(np.argsort(gaps[best], kind="stable"), kind="stable") + 1.0  # distinct: one tree only
    tree = minimum_spanning_tree(coo_array((ranks, tuple(pairs[best].T)), shape=(count, count)).tocsr())
    joined = occupied.copy()
    for rank in np.sort(tree.data):
        start, stop = ends[best[np.flatnonzero(ranks == rank)[0]]]
        steps = 2 * np.abs(stop - start).max() + 1
        line = np.round(np.linspace(start, stop, steps)).astype(int)
        joined[tuple(line.T)] = True
    return joined
