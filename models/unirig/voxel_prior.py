# SPDX-License-Identifier: GPL-3.0-or-later
"""The voxel-geodesic prior of UniRig's skin network: how near each bone's head is to each vertex, through the body.

After geodesic voxel binding (Dionne and de Lasa 2013), with the quirks that the published weights were trained with:
a mirrored axis in the voxels, and edges that count double where two faces run along them in the same direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from models.unirig.depth_slabs import depth_slabs
from models.unirig.preprocess import fit_box

SLACK = 1.001  # of a distance that two neighbours may have
FEWEST_SLABS = 2  # of three: a cell between the first and the last surface along so many axes is solid
SEEN_NEIGHBOURS = 3  # vertices beside a vertex
NEAREST_JOINTS = 3  # whose distance in a straight line serves a vertex that no path reaches
SHORTEST = 1e-6


@dataclass(frozen=True)
class PriorConfig:
    """As the published skin weights were trained. grid: cells of a side. alpha: how fast a bone's pull falls.
    link_distance: vertices so near belong together. grid_weight: what a way through voxels costs, of one on the
    surface.
    """

    grid: int = 196
    alpha: float = 0.5
    link_distance: float = 1e-5
    grid_weight: float = 3.0


PUBLISHED_PRIOR = PriorConfig()


def estimate_prior(
    vertices: np.ndarray,
    faces: np.ndarray,
    joints: np.ndarray,
    config: PriorConfig = PUBLISHED_PRIOR,
    step: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """(V, J) float64, rows summing to 1: the pull of each joint on each vertex, falling with the way to it.

    vertices: (V, 3) float32; faces: (F, 3) integer; joints: (J, 3) in the vertices' frame, Blender's; all are scaled
    to the vertices' bounds here. step is called before each joint and may raise.
    """
    scaling = fit_box(vertices)
    vertices, joints = scaling.apply(vertices), scaling.apply(joints)
    voxels = solid_voxels(vertices, faces, config.grid)
    graph = connect(vertices, faces, voxels, config)
    sources = cKDTree(np.concatenate((vertices, voxels))).query(joints)[1]
    distances = np.empty((len(joints), len(vertices)))
    for joint, source in enumerate(sources):
        step()
        distances[joint] = dijkstra(graph, directed=False, indices=source)[: len(vertices)]
    return pull(reach_islands(distances, vertices, joints), config.alpha)


def solid_voxels(vertices: np.ndarray, faces: np.ndarray, grid: int) -> np.ndarray:
    """Centres of the cells inside the surface: (M, 3) float32. vertices: (V, 3) in −1 … 1; faces: (F, 3).

    A cell is inside where it lies between the first and the last hit of at least two of the three axis lines through
    its centre. Along z the hits are taken with the opposite sign, as in training: a body that is not its own mirror
    image there gains a thin ghost and loses some cells.
    """
    centres = (2 * np.arange(grid) + 1) / grid - 1
    votes = np.zeros((grid, grid, grid), np.uint8)
    for axis in range(3):
        first, last = depth_slabs(vertices, faces, axis, centres)
        if axis == 2:
            first, last = -last, -first
        line = centres.reshape([grid if side == axis else 1 for side in range(3)])
        votes += (np.expand_dims(first, axis) <= line) & (line <= np.expand_dims(last, axis))
    return centres[np.argwhere(votes >= FEWEST_SLABS)].astype(np.float32)


def connect(vertices: np.ndarray, faces: np.ndarray, voxels: np.ndarray, config: PriorConfig) -> csr_array:
    """Lengths of the steps between vertices (0 … V − 1) and voxels (V …), to be walked in either direction.

    Entries for the same step in the same direction add up.
    """
    count, pitch = len(vertices), 2 / config.grid
    ends = np.concatenate([faces[:, pair] for pair in ((0, 1), (1, 2), (2, 0))])
    steps = [(ends[:, 0], ends[:, 1], np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1))]
    tree = cKDTree(vertices)
    reach = SLACK * config.link_distance
    gaps, others = tree.query(vertices, k=SEEN_NEIGHBOURS + 1, distance_upper_bound=reach)
    rows, columns = np.nonzero((gaps > 0) & (gaps < reach))
    steps.append((rows, others[rows, columns], gaps[rows, columns]))
    if len(voxels):
        one, other = _beside(voxels, config.grid)
        lengths = config.grid_weight * np.linalg.norm(voxels[one] - voxels[other], axis=1)
        steps.append((count + one, count + other, lengths))
        gaps, nearest = tree.query(voxels, distance_upper_bound=SLACK * pitch)
        near = np.flatnonzero((gaps > 0) & (gaps < SLACK * pitch))
        steps.append((count + near, nearest[near], gaps[near]))
    rows, columns, lengths = (np.concatenate(part) for part in zip(*steps, strict=True))
    total = count + len(voxels)
    return coo_array((lengths.astype(np.float64), (rows, columns)), shape=(total, total)).tocsr()


def _beside(voxels: np.ndarray, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of voxels that share a side, each pair once: two (P,) int64."""
    cells = np.rint((voxels + 1) * grid / 2 - 0.5).astype(np.int64)
    keys = (cells[:, 0] * (grid + 1) + cells[:, 1]) * (grid + 1) + cells[:, 2]  # rising, as argwhere lists cells
    pairs = []
    for step in ((grid + 1) ** 2, grid + 1, 1):
        at = np.minimum(np.searchsorted(keys, keys + step), len(keys) - 1)
        one = np.flatnonzero(keys[at] == keys + step)
        pairs.append((one, at[one]))
    one, other = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return one, other


def reach_islands(distances: np.ndarray, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(J, V) without infinities: vertices that no way reaches take the straight way to their nearest joints; what is
    still out of reach counts as far as the farthest.
    """
    distances = distances.copy()
    lost = np.flatnonzero(np.isinf(distances).all(axis=0))
    straight = np.linalg.norm(vertices[lost, None] - joints[None], axis=2)  # (lost, J)
    nearest = np.argsort(straight, axis=1, kind="stable")[:, :NEAREST_JOINTS]
    distances[nearest, lost[:, None]] = np.take_along_axis(straight, nearest, axis=1)
    return np.where(np.isinf(distances), distances[np.isfinite(distances)].max(), distances)


def pull(distances: np.ndarray, alpha: float) -> np.ndarray:
    """(J, V) → (V, J), rows summing to 1: (1 / ((1 − α) d + α d²))² of each way d."""
    d = np.maximum(distances, SHORTEST)
    weights = (1 / ((1 - alpha) * d + alpha * d**2)) ** 2
    return (weights / weights.sum(axis=0)).T
