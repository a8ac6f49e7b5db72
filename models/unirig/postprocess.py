# SPDX-License-Identifier: GPL-3.0-or-later
"""From weights at sampled points to weights of a mesh's vertices: transfer, smoothing, the four strongest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

INFLUENCES = 4
LENT_WEIGHT = 0.5  # of a bone that the network left without vertices, in those that it is lent
LENT_SHARE = 0.004  # of all vertices, that it is lent
FALLOFF = 2.0  # a step d away counts exp(−2 d); the mesh's longest side is 2


@dataclass(frozen=True)
class TransferConfig:
    """As published. neighbours: points that a vertex looks at. passes: of smoothing. least_weight: less is dropped
    where a bone has more.
    """

    neighbours: int = 7
    blend: Literal["median", "mean"] = "median"
    passes: int = 1
    least_weight: float = 0.03


PUBLISHED_TRANSFER = TransferConfig()


@dataclass(frozen=True)
class SampledSkin:
    """points: (N, 3). weights: (N, J), rows summing to 1."""

    points: np.ndarray
    weights: np.ndarray


def transfer_skin(
    sampled: SampledSkin,
    vertices: np.ndarray,
    faces: np.ndarray,
    parents: np.ndarray,
    config: TransferConfig = PUBLISHED_TRANSFER,
) -> np.ndarray:
    """Weights of each vertex: (V, J), rows summing to 1.

    vertices: (V, 3), in the frame of the samples; faces: (F, 3) integer; parents: (J,), −1 for the root, before their
    children.
    """
    weights = blend_neighbours(sampled, vertices, config)
    for _ in range(config.passes):
        flowed = flow_along_edges(add_subtrees(weights, parents), vertices, faces)
        weights = _normalised(split_subtrees(flowed, parents))
    is_weak = (weights < config.least_weight) & (weights >= config.least_weight).any(axis=1, keepdims=True)
    return _normalised(np.where(is_weak, 0, weights))


def blend_neighbours(sampled: SampledSkin, vertices: np.ndarray, config: TransferConfig) -> np.ndarray:
    """(V, J): the median, bone by bone, or the mean by nearness, of the points nearest to each vertex."""
    neighbours = min(config.neighbours, len(sampled.points))
    distances, nearest = cKDTree(sampled.points).query(vertices, k=list(range(1, neighbours + 1)))
    if config.blend == "mean":
        shares = _normalised(np.exp(-FALLOFF * distances))
        return np.einsum("vk,vkj->vj", shares, sampled.weights[nearest])
    # Bone by bone: a row of every bone of every neighbour of a large mesh would take gigabytes.
    return np.stack([np.median(bone[nearest], axis=1) for bone in sampled.weights.T], axis=1)


def add_subtrees(weights: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """(V, J): every bone's weight and that of all below it."""
    sums = weights.copy()
    for bone in range(len(parents) - 1, 0, -1):
        sums[:, parents[bone]] += sums[:, bone]
    return sums


def split_subtrees(sums: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """(V, J): undoes `add_subtrees`."""
    weights = sums.copy()
    for bone in range(1, len(parents)):
        weights[:, parents[bone]] -= sums[:, bone]
    return weights


def flow_along_edges(sums: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, J): each vertex takes from one neighbour what that one has more of.

    The neighbour is the one at the other end of the last edge that the faces list for the vertex: the published
    results were made so.
    """
    forward = np.concatenate([faces[:, pair] for pair in ((0, 1), (1, 2), (2, 0))])
    edges = np.concatenate((forward, forward[:, ::-1]))
    giver = np.full(len(vertices), -1)
    giver[edges[:, 1]] = edges[:, 0]
    taker = np.flatnonzero(giver >= 0)
    giver = giver[taker]
    share = np.exp(-FALLOFF * np.linalg.norm(vertices[taker] - vertices[giver], axis=1))[:, None]
    share = np.where(sums[taker] < sums[giver], share, 0)
    flowed = sums.copy()
    flowed[taker] = (sums[taker] + share * sums[giver]) / (1 + share)
    return flowed


def keep_strongest(weights: np.ndarray, influences: int = INFLUENCES) -> tuple[np.ndarray, np.ndarray]:
    """The strongest bones of each row: indices (V, influences) int32, weights (V, influences) float32, falling, rows
    summing to 1. weights: (V, J), of each row at least one positive. Free places have index 0 and weight 0.
    """
    order = np.argsort(-weights, axis=1, kind="stable")[:, :influences]
    strongest = np.maximum(np.take_along_axis(weights, order, axis=1).astype(np.float64), 0)
    strongest /= strongest.sum(axis=1, keepdims=True)
    indices = np.zeros((len(weights), influences), np.int32)
    kept = np.zeros((len(weights), influences), np.float32)
    kept[:, : order.shape[1]] = strongest
    indices[:, : order.shape[1]] = np.where(strongest > 0, order, 0)
    return indices, kept


@dataclass(frozen=True)
class Bones:
    """heads: (J, 3) float32, in the mesh's frame. parents: (J,), −1 for the root, before their children."""

    heads: np.ndarray
    parents: np.ndarray


def lend_to_idle(
    indices: np.ndarray, weights: np.ndarray, vertices: np.ndarray, bones: Bones
) -> tuple[np.ndarray, np.ndarray]:
    """The same four bones a vertex (V, 4), but a bone that moves nothing, neither itself nor by what hangs on it, gets
    half of the few vertices nearest to its head: who turns a bone sees something move. vertices: (V, 3).
    """
    indices, weights = indices.copy(), weights.copy()
    count = max(1, round(LENT_SHARE * len(vertices)))
    moves = np.zeros(len(bones.parents), bool)
    moves[indices[weights > 0]] = True
    is_lent = np.zeros(len(vertices), bool)
    for bone in reversed(range(len(bones.parents))):
        if not moves[bone] and not is_lent.all():
            away = np.where(is_lent, np.inf, np.linalg.norm(vertices - bones.heads[bone], axis=1))
            rows = np.argsort(away, kind="stable")[: min(count, int((~is_lent).sum()))]
            kept = weights[rows, :-1] / weights[rows, :-1].sum(axis=1, keepdims=True) * (1 - LENT_WEIGHT)
            # In front: rows stay falling, for a half is at least as much as any other.
            weights[rows] = np.concatenate((np.full((len(rows), 1), LENT_WEIGHT, np.float32), kept), axis=1)
            indices[rows] = np.concatenate((np.full((len(rows), 1), bone, np.int32), indices[rows, :-1]), axis=1)
            is_lent[rows] = True
        if bones.parents[bone] >= 0:
            moves[bones.parents[bone]] = True
    return indices, weights


def _normalised(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(axis=1, keepdims=True)
