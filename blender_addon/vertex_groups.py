# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mesh's vertices are: their places, and which bones have how much of them; all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

import bpy
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class BoneWeights:
    """vertices (N,) int64, rising; bones (N,) int64; weights (N,) float32, above 0. Of a vertex the strongest comes
    first, and of equal ones the bone of the lowest number.
    """

    vertices: NDArray[np.int64]
    bones: NDArray[np.int64]
    weights: NDArray[np.float32]

    @property
    def places(self) -> NDArray[np.int64]:
        """(N,): 0 for the strongest of its vertex, then 1, and so on."""
        found: NDArray[np.int64] = np.arange(len(self.vertices)) - np.searchsorted(self.vertices, self.vertices)
        return found


def read_bone_weights(figure: bpy.types.Object, data: bpy.types.Mesh, numbers: Mapping[str, int]) -> BoneWeights:
    """data: the figure's mesh, or one made of it. numbers: of the bones that count, by name."""
    # Groups that were removed since may still have members.
    bone_of = np.full(len(figure.vertex_groups) + 1, -1)
    for group in figure.vertex_groups:
        bone_of[group.index] = numbers.get(group.name, -1)
    # Without a list of lists, over which Python's garbage collection would go again and again.
    memberships = [vertex.groups for vertex in data.vertices]
    counts = np.fromiter(map(len, memberships), np.int64, len(memberships))
    vertices = np.repeat(np.arange(len(memberships)), counts)
    pairs = map(attrgetter("group", "weight"), chain.from_iterable(memberships))
    entries = np.fromiter(chain.from_iterable(pairs), np.float64, 2 * len(vertices)).reshape(-1, 2)
    bones = bone_of[np.minimum(entries[:, 0].astype(np.int64), len(bone_of) - 1)]
    weights = entries[:, 1].astype(np.float32)
    kept = (bones >= 0) & (weights > 0)
    vertices, bones, weights = vertices[kept], bones[kept], weights[kept]
    order = np.lexsort((bones, -weights, vertices))
    return BoneWeights(vertices[order], bones[order], weights[order])


def points_of(data: bpy.types.Mesh) -> NDArray[np.float64]:
    """(V, 3): the vertices, in the mesh's own space."""
    points = np.empty(3 * len(data.vertices), np.float32)
    data.vertices.foreach_get("co", points)
    found: NDArray[np.float64] = points.reshape(-1, 3).astype(np.float64)
    return found
