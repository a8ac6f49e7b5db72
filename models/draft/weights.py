# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin weights from distances through the inside of the mesh: geodesic voxel binding, for any mesh."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array, csr_array
from skimage.graph import MCP_Geometric

from .voxels import VoxelGrid, voxelise_up_to

RESOLUTION_cells = 64  # 96 costs four times as much and moves the weights by less than the smoothing does
MOST_cells = 25_000  # paths from each of fifty bones through more solid cells take over two seconds
INFLUENCES = 4
FALL_OFF = 8.0  # the power of the distance
SMOOTHING_STEPS = 3
LEAST_WEIGHT = 0.02  # less is noise to the eye and keeps far bones in the four slots
OWNED_WEIGHT = 0.05  # a bone with less than this everywhere does not visibly move anything
LENT_WEIGHT = 0.5  # what such a bone is lent in the vertices nearest to it
LENT_SHARE = 0.004  # of all vertices
LENT_REACH = 0.25  # of the longest side: a bone outside and farther from every vertex is a control


@dataclass(frozen=True)
class Binding:
    """indices: int32 (V, 4) bones; weights: float32 (V, 4), ≥ 0, falling, rows sum to 1; free slots are bone 0 at 0."""

    indices: np.ndarray
    weights: np.ndarray


def bind(vertices: np.ndarray, faces: np.ndarray, heads: np.ndarray, tails: np.ndarray) -> Binding:
    """Bind every vertex to at most four bones.

    vertices: float32 (V, 3); faces: int32 (F, 3); heads, tails: float32 (J, 3), all in one frame and unit.
    Distances run from each bone through the solid cells of the mesh, so that nearby limbs do not pull at each other
    (Dionne and de Lasa, "Geodesic voxel binding", 2013). Vertices in one place get the same weights. Every bone owns
    some vertex, and bone 0 (the root) has some vertices for itself, so that turning another bone never moves them all.
    """
    places, of_vertex = np.unique(np.asarray(vertices, float), axis=0, return_inverse=True)
    of_vertex = of_vertex.reshape(-1)
    grid = voxelise_up_to(vertices, faces, RESOLUTION_cells, MOST_cells)
    distances, is_inside = _bone_distances(grid, places, np.asarray(heads, float), np.asarray(tails, float))  # (P, J)
    weights = _fall_off(distances)
    smooth = _neighbour_average(places, of_vertex[faces], grid.pitch_m)
    for _ in range(SMOOTHING_STEPS):
        weights = smooth @ weights
    weights = _keep_strongest(weights)
    weights = _lend(weights, distances, is_inside | (distances.min(axis=0) <= LENT_REACH))
    return _pack(weights, of_vertex)


def _bone_distances(
    grid: VoxelGrid, places: np.ndarray, heads: np.ndarray, tails: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far each place is from each bone through the solid, in the mesh's longest sides, float32 (P, J).

    And bool (J,): which bones pass through the solid.
    """
    _, nearest = ndimage.distance_transform_edt(~grid.occupied, return_indices=True)
    cells = nearest[:, *grid.cells(places).T]  # (3, P)
    paths = MCP_Geometric(np.where(grid.occupied, 1.0, -1.0), fully_connected=True)
    size_m = float(np.ptp(places, axis=0).max())
    distances = np.empty((len(places), len(heads)), np.float32)
    is_inside = np.zeros(len(heads), bool)
    for bone, (head, tail) in enumerate(zip(heads, tails, strict=True)):
        steps = int(np.ceil(2 * np.linalg.norm(tail - head) / grid.pitch_m)) + 1
        line = np.linspace(head, tail, steps)
        cells_along = grid.cells(line).T
        is_inside[bone] = grid.occupied[tuple(cells_along)].any()
        starts = np.unique(nearest[:, *cells_along].T, axis=0)
        through_m = paths.find_costs(starts)[0][tuple(cells)] * grid.pitch_m
        distances[:, bone] = np.maximum(through_m, _segment_distances(places, head, tail)) / size_m
    return distances, is_inside


def _segment_distances(points: np.ndarray, head: np.ndarray, tail: np.ndarray) -> np.ndarray:  # (P, 3)
    """float64 (P,): the straight distance of each point to a bone."""
    along = tail - head
    where = np.clip((points - head) @ along / max(along @ along, 1e-30), 0.0, 1.0)
    return np.linalg.norm(points - head - where[:, None] * along, axis=1)


def _fall_off(distances: np.ndarray) -> np.ndarray:  # (P, J)
    """float32 (P, J): rows sum to 1; a bone's share falls with the power of its distance."""
    nearest = np.maximum(distances.min(axis=1, keepdims=True), 1e-6)
    shares = (nearest / np.maximum(distances, nearest)) ** FALL_OFF
    return shares / shares.sum(axis=1, keepdims=True)


def _neighbour_average(places: np.ndarray, faces: np.ndarray, pitch_m: float) -> csr_array:  # (P, 3), (F, 3)
    """float32 (P, P): half own and half neighbours', which count for less where they are more than a cell away."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges[edges[:, 0] != edges[:, 1]], axis=1), axis=0)
    lengths = np.linalg.norm(places[edges[:, 0]] - places[edges[:, 1]], axis=1) / pitch_m
    rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
    count = len(places)
    shares = 0.5 / np.bincount(rows, minlength=count)[rows] / (1.0 + np.tile(lengths, 2) ** 2)
    own = 1.0 - np.bincount(rows, shares, minlength=count)
    diagonal = np.arange(count)
    values = np.concatenate([shares, own]).astype(np.float32)
    cells = (np.append(rows, diagonal), np.append(columns, diagonal))
    return coo_array((values, cells), shape=(count, count)).tocsr()


def _keep_strongest(weights: np.ndarray) -> np.ndarray:  # (P, J)
    """The four strongest bones of each row (of equals the first), without the negligible ones, summing to 1 again."""
    if weights.shape[1] > INFLUENCES:
        ranked = weights * (1 - 1e-6 * np.arange(weights.shape[1], dtype=np.float32))
        fourth = np.partition(ranked, -INFLUENCES, axis=1)[:, [-INFLUENCES]]
        weights = np.where(ranked >= fourth, weights, 0.0)
    weights = np.where(weights >= np.minimum(LEAST_WEIGHT, weights.max(axis=1, keepdims=True)), weights, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def _lend(weights: np.ndarray, distances: np.ndarray, is_near: np.ndarray) -> np.ndarray:  # (P, J), (P, J), (J,)
    """Let every bone in or near the body own some places, and the root some that it shares with nobody."""
    count = max(1, round(LENT_SHARE * len(weights)))
    free = np.ones(len(weights), bool)
    if weights.shape[1] > 1 and is_near[0] and not (weights[:, 0] == 1).any():
        rows = np.argsort(distances[:, 0], kind="stable")[:count]
        weights[rows] = np.eye(weights.shape[1], dtype=weights.dtype)[0]
        free[rows] = False
    poor = np.flatnonzero((weights.max(axis=0) < OWNED_WEIGHT) & is_near)
    while len(poor) and free.any():  # what is lent to one may leave another poor; lent places are not lent again
        rows = np.argsort(np.where(free, distances[:, poor[0]], np.inf), kind="stable")[: min(count, free.sum())]
        weights[rows] *= 1 - LENT_WEIGHT
        weights[rows, poor[0]] += LENT_WEIGHT
        weights[rows] = _keep_strongest(weights[rows])
        free[rows] = False
        poor = np.flatnonzero((weights.max(axis=0) < OWNED_WEIGHT) & is_near)
    return weights


def _pack(weights: np.ndarray, of_vertex: np.ndarray) -> Binding:  # (P, J), (V,)
    slots = min(INFLUENCES, weights.shape[1])
    order = np.argsort(-weights, axis=1, kind="stable")[:, :slots]
    strongest = np.take_along_axis(weights, order, axis=1).astype(float)
    strongest /= strongest.sum(axis=1, keepdims=True)
    packed_indices = np.zeros((len(weights), INFLUENCES), np.int32)
    packed_weights = np.zeros((len(weights), INFLUENCES), np.float32)
    packed_weights[:, :slots] = strongest
    packed_indices[:, :slots] = np.where(packed_weights[:, :slots] > 0, order, 0)
    return Binding(packed_indices[of_vertex], packed_weights[of_vertex])
