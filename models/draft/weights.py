# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin weights for any mesh: heat on the surface from the bone that is nearest through the body; stiff parts as one."""

from dataclasses import dataclass

import numpy as np

from .attachment import attach_parts, outside_costs
from .bone_segments import drawn_segments, find_segments
from .gathering import GatheredSurface, WayBack, gather
from .heat import Conduction, spread_heat
from .voxel_binding import measure_distances
from .voxels import VoxelGrid, voxelise

RESOLUTION_cells = 64  # 96 costs four times as much and moves the weights by less than the smoothing does
MOST_cells = 60_000  # in the box about the mesh; with more, a bulky mesh takes over half a second
SAME_PLACE = 1e-6  # of the longest side: vertices that near are one point, split only by normals, UVs or rounding
INFLUENCES = 4
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


@dataclass(frozen=True, eq=False)
class PreparedMesh:
    """What binding needs to know of a mesh, whatever its bones: most of the work where bones are moved again and again.

    of_vertex: int64 (V,), the place of each vertex. size_m: the longest side. surface, grid, conduction: of the welded
    mesh, in units of its longest side. way_back: to the places that were gathered; None where they were not.
    """

    of_vertex: np.ndarray
    size_m: float
    surface: GatheredSurface
    grid: VoxelGrid
    conduction: Conduction
    way_back: WayBack | None


def prepare_mesh(vertices: np.ndarray, faces: np.ndarray) -> PreparedMesh:
    """vertices: float32 (V, 3), any mesh (`voxels.voxelise`); faces: int32 (F, 3)."""
    points, of_vertex, faces, size_m = _weld(np.asarray(vertices, float), faces)
    surface = gather(points, faces)
    grid = voxelise(surface.points, surface.faces, _resolution(surface.points[np.unique(surface.faces)]))
    conduction = Conduction.of(surface.points, surface.conducting_faces)
    return PreparedMesh(of_vertex, size_m, surface, grid, conduction, surface.find_way_back(points, faces))


def bind(
    vertices: np.ndarray, faces: np.ndarray, heads: np.ndarray, tails: np.ndarray, parents: np.ndarray | None = None
) -> Binding:
    """Bind every vertex to at most four bones.

    vertices: float32 (V, 3), any mesh (`voxels.voxelise`); faces: int32 (F, 3); heads, tails: float32 (J, 3), all in
    one frame and unit. parents: int32 (J,), -1 for the root; with them, tails that mean nothing are told from those
    that do (`bone_segments`); without, bones are as drawn. Vertices in one place get the same weights. Every bone in
    or near the body owns some vertex, and bone 0 (the root) has some vertices for itself, so that turning another bone
    never moves them all.
    """
    return bind_prepared(prepare_mesh(vertices, faces), heads, tails, parents)


def bind_prepared(
    mesh: PreparedMesh, heads: np.ndarray, tails: np.ndarray, parents: np.ndarray | None = None
) -> Binding:
    """As `bind`, of a mesh that was prepared."""
    surface, grid = mesh.surface, mesh.grid
    heads, tails = np.asarray(heads, float) / mesh.size_m, np.asarray(tails, float) / mesh.size_m
    segments = drawn_segments(heads, tails) if parents is None else find_segments(grid, heads, tails, parents)
    costs = outside_costs(surface.parts, surface.points, surface.conducting_faces, segments)
    costs = costs[surface.parts.labels]  # (G, J)
    measured = measure_distances(grid, surface.points, segments, costs.max(axis=1))
    weights = spread_heat(mesh.conduction, measured.through * costs)
    weights = attach_parts(weights, surface.parts, surface.points, segments)
    if mesh.way_back is not None:
        weights = mesh.way_back.carry(weights)
    is_near = measured.is_inside | (measured.gaps <= LENT_REACH)
    weights = _lend(_keep_strongest(weights), measured.through, surface.group, is_near)
    return _pack(weights, mesh.of_vertex)


def _resolution(points: np.ndarray) -> int:  # points: (P, 3), of the surface
    """Cells along the longest side."""
    sides = np.ptp(points, axis=0)
    sides = np.maximum(sides / sides.max(), 1 / RESOLUTION_cells)
    return int(min(RESOLUTION_cells, (MOST_cells / sides.prod()) ** (1 / 3)))


def _weld(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The mesh's places (P, 3) in units of its longest side, which vertex is at which, and its faces."""
    size_m = float(np.ptp(vertices[np.unique(faces)], axis=0).max())
    places = vertices / size_m
    _, first, of_vertex = np.unique(np.round(places / SAME_PLACE), axis=0, return_index=True, return_inverse=True)
    of_vertex = of_vertex.reshape(-1)
    return places[first], of_vertex, of_vertex[faces], size_m


def _keep_strongest(weights: np.ndarray) -> np.ndarray:  # (P, J)
    """The four strongest bones of each row (of equals the first), without the negligible ones, summing to 1 again."""
    if weights.shape[1] > INFLUENCES:
        ranked = weights * (1 - 1e-6 * np.arange(weights.shape[1]))
        fourth = np.partition(ranked, -INFLUENCES, axis=1)[:, [-INFLUENCES]]
        weights = np.where(ranked >= fourth, weights, 0.0)
    weights = np.where(weights >= np.minimum(LEAST_WEIGHT, weights.max(axis=1, keepdims=True)), weights, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def _lend(weights: np.ndarray, distances: np.ndarray, group: np.ndarray, is_near: np.ndarray) -> np.ndarray:
    """Let every bone in or near the body own some places, and the root some that it shares with nobody.

    weights: (P, J); distances: (G, J) of the gathered points; group: (P,), the gathered point of each; is_near: (J,).
    """
    count = max(1, round(LENT_SHARE * len(weights)))
    free = np.ones(len(weights), bool)
    if weights.shape[1] > 1 and is_near[0] and not (weights[:, 0] == 1).any():
        rows = np.argsort(distances[group, 0], kind="stable")[:count]
        weights[rows] = np.eye(weights.shape[1], dtype=weights.dtype)[0]
        free[rows] = False
    poor = np.flatnonzero((weights.max(axis=0) < OWNED_WEIGHT) & is_near)
    while len(poor) and free.any():  # what is lent to one may leave another poor; lent places are not lent again
        order = np.argsort(np.where(free, distances[group, poor[0]], np.inf), kind="stable")
        rows = order[: min(count, free.sum())]
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
