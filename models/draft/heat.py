# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone weights as the equilibrium of heat on the surface (Baran and Popović, "Automatic rigging…", 2007)."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import splu

CONDUCTION = 4.0  # Pinocchio's is 1; artists' weights are sharper: 4 to 6 fits them best, 2 and 16 are clearly worse
TIE = 0.001  # of the longest side: bones that equally near share a point
LEAST_DISTANCE = 0.001  # of the longest side: nearer bones heat no more
LEAST_LENGTH = 1e-6  # of the longest side; welding leaves no shorter edge
LEAST_HEIGHT = 1e-3  # of a triangle's longest side, as twice the area over its square: needles conduct no better
LEAST_AREA = 1e-6  # of the mean area about a point: a point without faces still takes its bone's heat
TINY_AREA = 1e-9  # of the longest side squared: the least about a point, for a mesh may be a line


@dataclass(frozen=True, eq=False)
class Conduction:
    """How heat spreads on a surface, whatever its bones. stiffness: float64 (P, P), the Laplacian of half cotangents,
    none below zero. areas: float64 (P,), about each point, none zero.
    """

    stiffness: csr_array
    areas: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, faces: np.ndarray) -> "Conduction":
        """points: float64 (P, 3) in units of the mesh's longest side; faces: int (F, 3), no corner twice; any surface:
        open, in pieces, non-manifold.
        """
        corners = points[faces]
        sides = np.roll(corners, -1, axis=1) - corners  # (F, 3, 3): from each corner to the next
        squares = (sides**2).sum(axis=2)
        doubles = np.maximum(_double_areas(corners), LEAST_HEIGHT * np.maximum(squares.max(axis=1), LEAST_LENGTH**2))
        cosines = -(np.roll(sides, -1, axis=1) * np.roll(sides, -2, axis=1)).sum(axis=2)  # at the corner opposite
        links = link_points(len(points), faces, cosines / (2 * doubles[:, None]))
        links.data = np.maximum(links.data, 0.0)
        areas = point_areas(points, faces)
        least = max(LEAST_AREA * areas.mean(), TINY_AREA)
        stiffness = diags_array(np.asarray(links.sum(axis=1)).ravel()) - links
        return cls(stiffness, np.maximum(areas, least))


def spread_heat(surface: Conduction, distances: np.ndarray) -> np.ndarray:
    """Weights float64 (P, J), ≥ 0, rows sum to 1. distances: float32 (P, J), how far each bone is, in the unit of the
    surface's points.

    Solves (L + M H) w = M H p: every point is heated by its nearest bone, the more the nearer that is, and conducts to
    its neighbours. Cotangents below zero count as zero, so no weight can be negative and every point gets some heat:
    there are no gaps to fill.
    """
    nearest = distances.min(axis=1, keepdims=True)
    is_source = distances <= nearest + TIE
    heating = surface.areas * CONDUCTION / np.maximum(nearest[:, 0], LEAST_DISTANCE).astype(float) ** 2
    sources = heating[:, None] * is_source / is_source.sum(axis=1, keepdims=True)
    system = (surface.stiffness + diags_array(heating)).tocsc()
    solver = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    weights = np.maximum(solver.solve(sources), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def point_areas(points: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (P, 3), (F, 3)
    """float64 (P,): a third of the faces about each point, zero where there is none."""
    return np.bincount(faces.ravel(), np.repeat(_double_areas(points[faces]) / 6, 3), minlength=len(points))


def link_points(count: int, faces: np.ndarray, values: np.ndarray) -> csr_array:
    """float64 (count, count), symmetric: values (F, 3) between corners 0 and 1, 1 and 2, 2 and 0 of the faces (F, 3),
    summed where edges coincide.
    """
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    rows, columns = np.concatenate([starts, ends]), np.concatenate([ends, starts])
    return coo_array((np.tile(values.ravel(), 2), (rows, columns)), shape=(count, count)).tocsr()


def drop_degenerate(faces: np.ndarray) -> np.ndarray:  # faces: (F, 3)
    """The faces with three different corners."""
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def _double_areas(corners: np.ndarray) -> np.ndarray:  # (F, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.sqrt(np.einsum("fd,fd->f", normals, normals))
