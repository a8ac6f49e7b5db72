# SPDX-License-Identifier: GPL-3.0-or-later
"""The separate parts of a mesh: which bones they may follow, and which of them follow one bone as a whole."""

from dataclasses import dataclass

import igl
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .bone_segments import BoneSegments
from .heat import TINY_AREA, link_points, point_areas

LARGE_PART = 0.01  # of the surface: smaller parts hold no bones
BONE_SAMPLES = 8
HOLDS_BONE = 0.5  # of a bone's samples inside a part: only a part that holds one such bone prefers the bones in it
OUTSIDE_COST = 2.0  # a bone wholly outside such a part counts as three times as far
SHRINK = 0.5  # towards the part's middle: the bone in a helmet is nearer there than the shoulders below it
RIGID_SHARE = 0.7  # of the vote: such a part follows that bone alone
BODY_SHARE = 0.5  # of the surface: a part with more is the body, which bends
RING_VOTES = 0.85  # of the vote, by two bones together: a part astride a joint
RING_AREA = 0.03  # of the surface; only small parts astride a joint stay stiff
RING_SIZE = 0.15  # of the longest side


@dataclass(frozen=True)
class Parts:
    """labels: int32 (P,), the part of each point; areas: float64 (P,), the surface about each point, none zero."""

    labels: np.ndarray
    areas: np.ndarray

    @property
    def count(self) -> int:
        """How many parts there are."""
        return int(self.labels.max()) + 1

    def sums(self, values: np.ndarray) -> np.ndarray:  # values: (P, N)
        """float64 (parts, N): the sums over each part's points."""
        places = np.arange(len(self.labels))
        members = coo_array((np.ones(len(places)), (self.labels, places)), shape=(self.count, len(places)))
        return members.tocsr() @ values

    def sizes(self, points: np.ndarray) -> np.ndarray:  # points: (P, 3)
        """float64 (parts,): the longest side of each part."""
        order = np.argsort(self.labels, kind="stable")
        starts = np.searchsorted(self.labels[order], np.arange(self.count))
        ordered = points[order]
        return (np.maximum.reduceat(ordered, starts) - np.minimum.reduceat(ordered, starts)).max(axis=1)


def find_parts(points: np.ndarray, faces: np.ndarray) -> Parts:  # (P, 3), (F, 3)
    """The connected parts of a welded mesh."""
    links = link_points(len(points), faces, np.ones((len(faces), 3)))
    labels = connected_components(links, directed=False)[1]
    return Parts(labels, np.maximum(point_areas(points, faces), TINY_AREA))


def outside_costs(parts: Parts, points: np.ndarray, faces: np.ndarray, segments: BoneSegments) -> np.ndarray:
    """float32 (parts, J), ≥ 1: how many times farther a bone counts for a part that it does not run inside."""
    cost = np.ones((parts.count, segments.bone_count), np.float32)
    if parts.count == 1:
        return cost
    shares = np.bincount(parts.labels, parts.areas) / parts.areas.sum()
    where = (np.arange(BONE_SAMPLES) + 0.5)[:, None] / BONE_SAMPLES
    samples = segments.starts[:, None] + where * (segments.ends - segments.starts)[:, None]  # (S, samples, 3)
    bones = np.repeat(segments.bones, BONE_SAMPLES)
    totals = np.bincount(bones, minlength=segments.bone_count)
    of_face = parts.labels[faces[:, 0]]
    for part in np.unique(of_face[shares[of_face] > LARGE_PART]):
        winding = igl.fast_winding_number(points, faces[of_face == part].astype(np.int64), samples.reshape(-1, 3))
        held = np.bincount(bones, np.abs(winding) >= 0.5, minlength=segments.bone_count) / totals
        if held.max() >= HOLDS_BONE:
            cost[part] += OUTSIDE_COST * (1 - held)
    return cost


def attach_parts(weights: np.ndarray, parts: Parts, points: np.ndarray, segments: BoneSegments) -> np.ndarray:
    """weights (P, J) with stiff parts bound as a whole: to the bone that most of them follows, or, small and astride a
    joint, to both bones alike everywhere. A part's vote is half its weights, half what is nearest inside it.
    """
    if parts.count == 1:
        return weights
    area = np.bincount(parts.labels, parts.areas)[:, None]
    counts = np.bincount(parts.labels)[:, None]
    middles = (parts.sums(points) / counts)[parts.labels]
    inner = segments.bone_distances(middles + SHRINK * (points - middles)).argmin(axis=1)
    held = coo_array((np.ones(len(points)), (parts.labels, inner)), shape=(parts.count, weights.shape[1])).toarray()
    means = parts.sums(weights * parts.areas[:, None]) / area
    votes = (means + held / counts) / 2  # (parts, J)
    ranked = -np.sort(-votes, axis=1)
    shares = area[:, 0] / area.sum()
    is_stiff = (ranked[:, 0] >= RIGID_SHARE) & (shares <= BODY_SHARE)
    is_ring = ~is_stiff & (ranked[:, :2].sum(axis=1) > RING_VOTES) & (shares < RING_AREA)
    is_ring &= parts.sizes(points) < RING_SIZE
    whole = np.where(is_stiff[:, None], np.eye(weights.shape[1])[votes.argmax(axis=1)], means)
    return np.where((is_stiff | is_ring)[parts.labels, None], whole[parts.labels], weights)
