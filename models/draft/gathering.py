# SPDX-License-Identifier: GPL-3.0-or-later
"""A fine surface as a coarser one that is quick to bind, and weights carried back from it."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.spatial import cKDTree

from .attachment import Parts, find_parts
from .heat import drop_degenerate, link_points

MOST_POINTS = 12_000  # bound as such; a finer mesh is gathered
GATHERED_POINTS = 8_000  # to about so many
SMALL_PART = 3.0  # cubes: a part no longer than that would vanish; its points, if they are few, stay as they are
FEW_POINTS = 1_000
CLOUD_SURFACE = 50.0  # squares of the longest side: triangles that criss-cross; heat on them would even out everything
NEIGHBOURS = 4  # gathered points that a fine one is interpolated from
SPREAD_STEPS = 2  # averages over the fine mesh afterwards: hide the gathered points
NEAREST = 1e-3  # of the longest side: nearer gathered points count no more


@dataclass(frozen=True)
class GatheredSurface:
    """points: float64 (G, 3); faces: int64 (K, 3), some with two equal corners; parts: of these points.

    group: int64 (P,), the gathered point that each point of the fine mesh belongs to.
    """

    points: np.ndarray
    faces: np.ndarray
    parts: Parts
    group: np.ndarray

    @property
    def conducting_faces(self) -> np.ndarray:
        """int64 (K, 3): the faces that heat spreads on, with three different corners; none of a cloud of triangles."""
        return drop_degenerate(self.faces) if self.parts.areas.sum() <= CLOUD_SURFACE else self.faces[:0]

    def find_way_back(self, points: np.ndarray, faces: np.ndarray) -> "WayBack | None":
        """Between the nearest gathered points of the same part, then along the edges; None where nothing was gathered.

        points: float64 (P, 3), faces: int (F, 3), those that were gathered.
        """
        if len(points) == len(self.points):
            return None
        gaps, near = cKDTree(self.points).query(points, k=NEIGHBOURS)
        near[:, -1] = np.where((near == self.group[:, None]).any(axis=1), near[:, -1], self.group)
        is_own = self.parts.labels[near] == self.parts.labels[self.group, None]
        shares = np.where(is_own, 1.0 / (gaps + NEAREST) ** 2, 0.0)
        shares /= shares.sum(axis=1, keepdims=True)
        starts = np.arange(0, shares.size + 1, NEIGHBOURS)
        interpolation = csr_array((shares.ravel(), near.ravel(), starts), shape=(len(points), len(self.points)))
        return WayBack(interpolation, _neighbour_average(len(points), faces))


@dataclass(frozen=True, eq=False)
class WayBack:
    """From gathered points to those of the fine mesh. interpolation: float64 (P, G); average: float64 (P, P)."""

    interpolation: csr_array
    average: csr_array

    def carry(self, weights: np.ndarray) -> np.ndarray:  # weights: (G, J)
        """float64 (P, J)."""
        fine = self.interpolation @ weights
        for _ in range(SPREAD_STEPS):
            fine = self.average @ fine
        return fine


def gather(points: np.ndarray, faces: np.ndarray) -> GatheredSurface:
    """The points of one cube and one part that face the same way as one, where a surface has more than `MOST_POINTS`.

    points: float64 (P, 3) in units of the mesh's longest side; faces: int64 (F, 3), any surface. The two sides of a
    thin sheet or wire stay apart, so that it keeps its surface.
    """
    parts = find_parts(points, faces)
    if len(points) <= MOST_POINTS or parts.areas.sum() > CLOUD_SURFACE:
        return GatheredSurface(points, faces, parts, np.arange(len(points)))
    cube = max(float(np.sqrt(parts.areas.sum() / GATHERED_POINTS)), NEAREST)
    cells = np.floor((points - points.min(axis=0)) / cube).astype(np.int64)
    side = (_normals(points, faces) > 0) @ np.array([1, 2, 4])
    is_small = (parts.sizes(points) <= SMALL_PART * cube) & (np.bincount(parts.labels) <= FEW_POINTS)
    own = np.where(is_small[parts.labels], np.arange(1, len(points) + 1), 0)
    flat = np.ravel_multi_index(cells.T, cells.max(axis=0) + 1) * 8 + side
    _, first, group = np.unique(np.stack([own, parts.labels, flat]), axis=1, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    counts = np.bincount(group)
    middles = np.stack([np.bincount(group, points[:, axis]) for axis in range(3)], axis=1) / counts[:, None]
    gathered = Parts(parts.labels[first], np.bincount(group, parts.areas))
    return GatheredSurface(middles, _unique_faces(group[faces], len(counts)), gathered, group)


def _normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (P, 3), (F, 3)
    """float64 (P, 3): the directions that the points face, not of length one."""
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    of_corner = np.repeat(normals, 3, axis=0)
    return np.stack([np.bincount(faces.ravel(), of_corner[:, axis], len(points)) for axis in range(3)], axis=1)


def _unique_faces(faces: np.ndarray, count: int) -> np.ndarray:  # (F, 3)
    """Each face once, by its corners and their sense; none that is a mere point."""
    faces = faces[(faces != faces[:, [0]]).any(axis=1)]
    turn = (faces.argmin(axis=1)[:, None] + np.arange(3)) % 3
    keys = np.unique(np.take_along_axis(faces, turn, axis=1) @ np.array([count**2, count, 1]))
    return np.stack([keys // count**2, keys // count % count, keys % count], axis=1)


def _neighbour_average(count: int, faces: np.ndarray) -> csr_array:  # faces: (F, 3)
    """float64 (count, count): half own and half the neighbours' mean; points without faces keep their own."""
    links = link_points(count, faces, np.ones((len(faces), 3)))
    links.data[:] = 1.0
    degrees = np.asarray(links.sum(axis=1)).ravel()
    own = np.where(degrees > 0, 0.5, 1.0)
    return (diags_array(own) + diags_array((1 - own) / np.maximum(degrees, 1)) @ links).tocsr()
