# SPDX-License-Identifier: GPL-3.0-or-later
"""Well-shaped triangles of one size on an implicit body, without specks beside it.

Frame and units: those of models.draft.inflate.
"""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from .inflate import InflatedBody

BOTSCH_ITERATIONS = 3  # more change the shortest angles by less than a degree
RELAX_ITERATIONS = 10  # the 5th percentile of the angles stands still after that
RELAX_STEP = 0.7  # share of the way to the neighbours' mean; 1 oscillates


def remesh_botsch(vertices: np.ndarray, faces: np.ndarray, edge_length: float) -> tuple[np.ndarray, np.ndarray]:
    """Isotropic remeshing: (V, 3) float64 and (F, 3) int32 of a closed surface, edges near `edge_length`.

    Source: Botsch and Kobbelt, "A Remeshing Approach to Multiresolution Modeling", 2004, as built in gpytoolbox.
    Raises ImportError on platforms that gpytoolbox has no wheel for.
    """
    from gpytoolbox.remesh_botsch import remesh_botsch as remesh  # absent on Linux on ARM, and slow to import

    remeshed, connectivity = remesh(vertices.astype(np.float64), faces.astype(np.int32), BOTSCH_ITERATIONS, edge_length)
    return remeshed, connectivity.astype(np.int32)


def relax(vertices: np.ndarray, faces: np.ndarray, body: InflatedBody) -> np.ndarray:  # (V, 3), (F, 3)
    """Even out the triangles by moving vertices within the body's surface: (V, 3) float64, connectivity untouched.

    Each vertex moves towards its neighbours' mean in its tangent plane, then back onto the surface.
    """
    adjacency = edge_graph(faces, len(vertices))
    degree = np.asarray(adjacency.sum(axis=1))
    moved = vertices.astype(np.float64)
    for _ in range(RELAX_ITERATIONS):
        step = RELAX_STEP * (adjacency @ moved / degree - moved)
        normals = vertex_normals(moved, faces)
        step -= normals * (step * normals).sum(axis=1, keepdims=True)
        moved = body.project(moved + step, steps=1)
    return moved


def edge_graph(faces: np.ndarray, vertex_count: int) -> sparse.csr_matrix:  # faces: (F, 3)
    """Symmetric (V, V) matrix holding 1 where two vertices share an edge."""
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    graph = sparse.coo_matrix((np.ones(len(starts)), (starts, ends)), shape=(vertex_count, vertex_count)).tocsr()
    graph = graph + graph.T
    graph.data[:] = 1.0
    return graph


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (V, 3), (F, 3)
    """Area-weighted unit normals: (V, 3) float64; a vertex without area gets 0."""
    corners = vertices[faces].astype(np.float64)
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.stack(
        [np.bincount(faces.ravel(), np.repeat(face_normals[:, i], 3), len(vertices)) for i in range(3)], axis=1
    )
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-20)


def drop_islands(vertices: np.ndarray, faces: np.ndarray, smallest_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Drop connected parts with less than `smallest_share` of all faces, and the vertices no face uses.

    vertices: (V, 3), faces: (F, 3) int. The largest part always stays. Order is kept.
    """
    starts, ends = faces[:, :2].ravel(), faces[:, 1:].ravel()  # two sides of a triangle hold its corners together
    links = sparse.coo_matrix((np.ones(len(starts), bool), (starts, ends)), shape=(len(vertices),) * 2)
    labels = csgraph.connected_components(links, directed=False)[1]
    counts = np.bincount(labels[faces[:, 0]])
    kept = faces[counts[labels[faces[:, 0]]] >= min(smallest_share * len(faces), counts.max())]
    is_used = np.zeros(len(vertices), bool)
    is_used[kept] = True
    renumbered = np.cumsum(is_used, dtype=np.int32) - 1
    return vertices[is_used], renumbered[kept].astype(np.int32)
