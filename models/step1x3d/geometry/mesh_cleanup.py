# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a triangle mesh after marching cubes, and how it is judged.

vertices: (V, 3) float32. faces: (F, 3) int32, counter-clockwise seen from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from models.step1x3d.geometry.decimation import collapse_edges, collapse_edges_apart

FLOATER_SHARE = 0.001  # of the largest part's faces; smaller parts are dropped, as MeshLab's filter does
COLLAPSED_HERE = 50_000  # faces: within about a second


@dataclass(frozen=True)
class Triangles:
    """A mesh. vertices: (V, 3) float32. faces: (F, 3) int32."""

    vertices: np.ndarray
    faces: np.ndarray

    def keep(self, is_kept: np.ndarray) -> Triangles:  # is_kept: (F,) bool
        """These faces and the vertices that they use, in their order."""
        used, faces = np.unique(self.faces[is_kept], return_inverse=True)
        return Triangles(self.vertices[used], faces.reshape(-1, 3).astype(np.int32))


def drop_undefined(mesh: Triangles) -> Triangles:
    """Without vertices that are not finite and their faces; vertices at one place are one."""
    mesh = mesh.keep(np.isfinite(mesh.vertices).all(axis=1)[mesh.faces].all(axis=1))
    places, same = np.unique(mesh.vertices, axis=0, return_inverse=True)
    a, b, c = same.reshape(-1)[mesh.faces].T
    faces = np.stack([a, b, c], axis=1).astype(np.int32)
    return Triangles(places, faces).keep((a != b) & (b != c) & (c != a))


def part_of_face(mesh: Triangles) -> np.ndarray:
    """The number of the connected part that each face belongs to: (F,) int32."""
    starts, ends = mesh.faces[:, [0, 1]].ravel(), mesh.faces[:, [1, 2]].ravel()
    count = len(mesh.vertices)
    graph = sparse.coo_matrix((np.ones(len(starts), bool), (starts, ends)), shape=(count, count))
    _, part = csgraph.connected_components(graph, directed=False)
    return part[mesh.faces[:, 0]]


def drop_floaters(mesh: Triangles) -> tuple[Triangles, int]:
    """Without parts of fewer faces than int(FLOATER_SHARE × those of the largest), and how many parts that were."""
    part = part_of_face(mesh)
    sizes = np.bincount(part)
    is_floater = (sizes > 0) & (sizes < int(FLOATER_SHARE * sizes.max()))
    return mesh.keep(~is_floater[part]), int(is_floater.sum())


def decimate(mesh: Triangles, most_faces: int, look_up: Callable[[], None] = lambda: None) -> Triangles:
    """At most as many faces, where the shape's own holes and parts allow it; a mesh within the budget as it is, and a
    closed one stays closed.

    look_up: called ten times a second where it takes longer than a second; what it raises ends the work. Raises
    MemoryError.
    """
    surplus = len(mesh.faces) - most_faces
    if surplus <= 0:
        return mesh
    if surplus <= COLLAPSED_HERE:
        return Triangles(*collapse_edges(mesh.vertices, mesh.faces, most_faces))
    return Triangles(*collapse_edges_apart(mesh.vertices, mesh.faces, most_faces, look_up))


def open_edges(mesh: Triangles) -> int:
    """How many edges are not passed once in each direction by two faces: 0 for a closed, consistently wound mesh."""
    starts, ends = mesh.faces.astype(np.int64), np.roll(mesh.faces, -1, axis=1).astype(np.int64)
    count = len(mesh.vertices)
    one_way, times = np.unique(starts * count + ends, return_counts=True)
    is_sound = np.isin(one_way % count * count + one_way // count, one_way, assume_unique=True) & (times == 1)
    return int((~is_sound).sum())
