# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rig moves as a body does: every bone, turned by 30°, moves one connected region of the mesh.

Each function returns the problems as sentences, as the other validators do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference_server.core.types import Mesh, Rig
from inference_server.core.validate import rig_problems

_TURN_RAD = np.deg2rad(30.0)
_SAME_PLACE = 1e-6  # of the mesh's longest side: vertices that near are one point, split by normals or UVs
_VISIBLE = 0.01  # of the mesh's longest side: who looks at a pose sees less than this as standing still
_FOLLOWS = 0.01  # of a place's weights: joins what a bone moves, though near its joint nothing is seen to move
_STRAY_SHARE = 0.1  # of what a bone moves, that may lie apart from the rest of it on the same part of the mesh
_LISTED = 5
# One number a place, from its three coordinates: each counts fewer than 2^20 steps of _SAME_PLACE, and one to spare.
_PLACE_STRIDES = np.array([1 << 42, 1 << 21, 1], np.int64)

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def asset_problems(mesh: Mesh, rig: Rig) -> list[str]:
    """Those of the skeleton and of the skin, and where they have none, those of the motion."""
    return rig_problems(rig, len(mesh.vertices)) or motion_problems(mesh, rig)


def motion_problems(mesh: Mesh, rig: Rig) -> list[str]:
    """Bones that move nothing, and bones that tear the mesh: they move places of one part that are not joined."""
    names, parents = rig.skeleton.names, rig.skeleton.parents
    size = float(np.ptp(mesh.vertices, axis=0).max())
    of_vertex, edges = _welded(mesh, size)
    part = _labels(int(of_vertex.max()) + 1, edges)
    shares = _moved_shares(rig, len(mesh.vertices))
    idle, torn = [], []
    for bone in range(len(parents)):
        shares_of_bone = shares[:, bone]
        if not shares_of_bone.any():
            idle.append(names[bone])
            continue
        away = np.linalg.norm(mesh.vertices - rig.skeleton.heads[bone], axis=1)
        follows, moves = np.zeros((2, len(part)), bool)
        follows[of_vertex[shares_of_bone > _FOLLOWS]] = True
        # The farthest that a place moves, whatever the axis of the turn.
        moves[of_vertex[shares_of_bone * away * 2 * np.sin(_TURN_RAD / 2) > _VISIBLE * size]] = True
        if _stray_share(follows, moves & follows, part, edges) > _STRAY_SHARE:
            torn.append(names[bone])
    problems = [f"Bones move nothing: {', '.join(idle[:_LISTED])}."] if idle else []
    return problems + ([f"Bones move places that are not joined: {', '.join(torn[:_LISTED])}."] if torn else [])


def _moved_shares(rig: Rig, vertex_count: int) -> NDArray[np.float32]:
    """(V, J): how much each vertex follows a bone or any bone below it."""
    parents = rig.skeleton.parents
    shares = np.zeros((vertex_count, len(parents)), np.float32)
    rows = np.arange(vertex_count)
    for slot in range(rig.skin.indices.shape[1]):
        np.add.at(shares, (rows, rig.skin.indices[:, slot]), rig.skin.weights[:, slot])
    for bone in range(len(parents) - 1, 0, -1):
        shares[:, parents[bone]] += shares[:, bone]
    return shares


def _stray_share(follows: Bools, moves: Bools, part: Ints, edges: Ints) -> float:
    """Of the places that move, those that are not joined, over places that follow the bone, to the region that holds
    most of them on their part of the mesh.
    """
    region = _labels(len(follows), edges[follows[edges[:, 0]] & follows[edges[:, 1]]])[moves]
    if not len(region):
        return 0.0
    _, first, counts = np.unique(region, return_index=True, return_counts=True)
    largest = np.zeros(len(part), np.int64)
    np.maximum.at(largest, part[moves][first], counts)
    return 1.0 - float(largest.sum()) / len(region)


def _welded(mesh: Mesh, size: float) -> tuple[Ints, Ints]:
    """Which place each vertex is at (V,), and the edges between places (E, 2)."""
    places = np.round((mesh.vertices.astype(np.float64) - mesh.vertices.min(axis=0)) / (size * _SAME_PLACE))
    of_vertex = np.unique(places.astype(np.int64) @ _PLACE_STRIDES, return_inverse=True)[1].reshape(-1)
    faces = of_vertex[mesh.faces]
    edges = np.sort(np.concatenate([faces[:, pair] for pair in ((0, 1), (1, 2), (2, 0))]), axis=1)
    count = len(mesh.vertices)
    return of_vertex, np.stack(np.divmod(np.unique(edges[:, 0] * count + edges[:, 1]), count), axis=1)


def _labels(count: int, edges: Ints) -> Ints:
    """(count,): equal for places that edges join. Each place takes the lowest label that it can reach."""
    label = np.arange(count)
    while True:
        lowest = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        before = label.copy()
        for end in (0, 1):
            np.minimum.at(label, before[edges[:, end]], lowest)
            np.minimum.at(label, edges[:, end], lowest)
        while not np.array_equal(label, label[label]):
            label = label[label]
        if np.array_equal(label, before):
            return label
