# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone weights as the equilibrium of heat on the surface (Baran and Popović, "Automatic rigging…", 2007)."""

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

CONDUCTION = 4.0  # Pinocchio's is 1; artists' weights are sharper: 4 to 6 fits them best, 2 and 16 are clearly worse
TIE = 0.001  # of the longest side: bones that equally near share a point
LEAST_DISTANCE = 0.001  # of the longest side: nearer bones heat no more
LEAST_LENGTH = 1e-6  # of the longest side; welding leaves no shorter edge
LEAST_HEIGHT = 1e-3  # of a triangle's longest side, as twice the area over its square: needles conduct no better
LEAST_AREA = 1e-6  # of the mean area about a point: a point without faces still takes its bone's heat
TINY_AREA = 1e-9  # of the longest side squared: the least about a point, for a mesh may be a line
MOST_POINTS = 12_000  # solved as such; a finer mesh is gathered to about so many points and interpolated
GATHERED_POINTS = 8_000
NEIGHBOURS = 4  # gathered points that a fine one is interpolated from
SPREAD_STEPS = 2  # averages over the fine mesh afterwards: hide the gathered points


def spread_heat(points: np.ndarray, faces: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Weights float64 (P, J), ≥ 0, rows sum to 1.

    points: float64 (P, 3) in units of the mesh's longest side; faces: int (F, 3), no corner twice; any surface: open,
    in pieces, non-manifold. distances: float32 (P, J), how far each bone is, in the same unit.

    Solves (L + M H) w = M H p: every point is heated by its nearest bone, the more the nearer that is, and conducts to
    its neighbours. Cotangents below zero count as zero, so no weight can be negative and every point gets some heat:
    there are no gaps to fill.
    """
    if len(points) <= MOST_POINTS:
        return _equilibrium(points, faces, distances)
    group, first = _gather(points, faces)
    coarse_faces = drop_degenerate(group[faces])
    middle = np.stack([np.bincount(group, points[:, axis]) for axis in range(3)], axis=1) / np.bincount(group)[:, None]
    weights = _equilibrium(middle, coarse_faces, distances[first])
    gaps, near = cKDTree(middle).query(points, k=NEIGHBOURS)
    parts = part_labels(len(points), faces)
    is_own = parts[first][near] == parts[:, None]
    shares = np.where(is_own, 1.0 / (gaps + LEAST_DISTANCE) ** 2, 0.0)
    none = ~is_own.any(axis=1)
    near[none, 0], shares[none, 0] = group[none], 1.0
    shares /= shares.sum(axis=1, keepdims=True)
    fine = np.zeros((len(points), weights.shape[1]))
    for column in range(NEIGHBOURS):
        fine += shares[:, [column]] * weights[near[:, column]]
    average = neighbour_average(len(points), faces)
    for _ in range(SPREAD_STEPS):
        fine = average @ fine
    return fine


def part_labels(count: int, faces: np.ndarray) -> np.ndarray:  # faces: (F, 3)
    """int32 (count,): the connected piece that each point belongs to."""
    rows, columns = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    links = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(count, count))
    return connected_components(links, directed=False)[1]


def point_areas(points: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (P, 3), (F, 3)
    """float64 (P,): a third of the faces about each point, zero where there is none."""
    corners = points[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 6
    return np.bincount(faces.ravel(), np.repeat(areas, 3), minlength=len(points))


def neighbour_average(count: int, faces: np.ndarray) -> csr_array:  # faces: (F, 3)
    """float64 (count, count): half own and half the neighbours' mean; points without faces keep their own."""
    rows, columns = (
        np.concatenate([faces, np.roll(faces, 1, axis=1)]).ravel(),
        np.concatenate([np.roll(faces, 1, axis=1), faces]).ravel(),
    )
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsr()
    links.data[:] = 1.0
    degrees = np.asarray(links.sum(axis=1)).ravel()
    own = np.where(degrees > 0, 0.5, 1.0)
    return (diags_array(own) + diags_array((1 - own) / np.maximum(degrees, 1)) @ links).tocsr()


def drop_degenerate(faces: np.ndarray) -> np.ndarray:  # faces: (F, 3)
    """The faces with three different corners."""
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def _equilibrium(points: np.ndarray, faces: np.ndarray, distances: np.ndarray) -> np.ndarray:
    stiffness, areas = _conduction(points, faces)
    nearest = distances.min(axis=1, keepdims=True)
    is_source = distances <= nearest + TIE
    heating = areas * CONDUCTION / np.maximum(nearest[:, 0], LEAST_DISTANCE).astype(float) ** 2
    sources = heating[:, None] * is_source / is_source.sum(axis=1, keepdims=True)
    system = (stiffness + diags_array(heating)).tocsc()
    solver = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    weights = np.maximum(solver.solve(sources), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def _conduction(points: np.ndarray, faces: np.ndarray) -> tuple[csr_array, np.ndarray]:
    """The Laplacian (P, P) of half cotangents, none below zero, and the points' areas (P,), none zero."""
    corners = points[faces]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    doubles = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    doubles = np.maximum(doubles, LEAST_HEIGHT * np.maximum(lengths, LEAST_LENGTH) ** 2)
    rows, columns, values = [], [], []
    for corner in range(3):
        start, end, across = (faces[:, (corner + step) % 3] for step in range(3))
        cotangents = ((points[start] - points[across]) * (points[end] - points[across])).sum(axis=1) / doubles
        rows += [start, end]
        columns += [end, start]
        values += [cotangents / 2] * 2
    count = len(points)
    links = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    ).tocsr()
    links.data = np.maximum(links.data, 0.0)
    areas = point_areas(points, faces)
    return diags_array(np.asarray(links.sum(axis=1)).ravel()) - links, np.maximum(
        areas, max(LEAST_AREA * areas.mean(), TINY_AREA)
    )


def _gather(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of one piece and one cube as one: int64 (P,) the group of each, and int64 (G,) one point of each group."""
    area = point_areas(points, faces).sum()
    cube = max(float(np.sqrt(area / GATHERED_POINTS)), 1e-6)
    cells = np.floor((points - points.min(axis=0)) / cube).astype(np.int64)
    keys = np.column_stack([part_labels(len(points), faces), cells])
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return group.reshape(-1), first
