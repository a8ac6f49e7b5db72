# SPDX-License-Identifier: GPL-3.0-or-later
"""The separate parts of a mesh: which bones they may follow, and which of them follow one bone as a whole."""

from dataclasses import dataclass

import igl
import numpy as np

from .bone_segments import BoneSegments
from .heat import TINY_AREA, part_labels, point_areas

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

    def sums(self, values: np.ndarray) -> np.ndarray:  # values: (P, J)
        """float64 (parts, J): the sums over each part, weighted by area."""
        totals = np.zeros((self.count, values.shape[1]))
        np.add.at(totals, self.labels, values * self.areas[:, None])
        return totals


def find_parts(points: np.ndarray, faces: np.ndarray) -> Parts:  # (P, 3), (F, 3)
    """The connected parts of a welded mesh."""
    areas = point_areas(points, faces)
    return Parts(part_labels(len(points), faces), np.maximum(areas, TINY_AREA))


def prefer_own_bones(
    distances: np.ndarray, parts: Parts, points: np.ndarray, faces: np.ndarray, segments: BoneSegments
) -> np.ndarray:
    """distances (P, J) with bones farther where they do not run inside the part that the point belongs to."""
    shares = np.bincount(parts.labels, parts.areas, minlength=parts.count) / parts.areas.sum()
    if parts.count == 1:
        return distances
    where = (np.arange(BONE_SAMPLES) + 0.5)[:, None] / BONE_SAMPLES
    samples = segments.starts[:, None] + where * (segments.ends - segments.starts)[:, None]  # (S, samples, 3)
    bones = np.repeat(segments.bones, BONE_SAMPLES)
    totals = np.bincount(bones, minlength=segments.bone_count)
    cost = np.ones((parts.count, segments.bone_count), distances.dtype)
    of_face = parts.labels[faces[:, 0]]
    for part in np.unique(of_face[shares[of_face] > LARGE_PART]):
        winding = igl.fast_winding_number(points, faces[of_face == part].astype(np.int64), samples.reshape(-1, 3))
        held = np.bincount(bones, np.abs(winding) >= 0.5, minlength=segments.bone_count) / totals
        if held.max() >= HOLDS_BONE:
            cost[part] += OUTSIDE_COST * (1 - held)
    return distances * cost[parts.labels]


def attach_parts(weights: np.ndarray, parts: Parts, points: np.ndarray, segments: BoneSegments) -> np.ndarray:
    """weights (P, J) with stiff parts bound as a whole: to the bone that most of them follows, or, small and astride a
    joint, to both bones alike everywhere. A part's vote is half its weights, half what is nearest inside it.
    """
    if parts.count == 1:
        return weights
    area = np.bincount(parts.labels, parts.areas, minlength=parts.count)[:, None]
    counts = np.bincount(parts.labels)[:, None]
    middles = np.stack([np.bincount(parts.labels, points[:, axis]) for axis in range(3)], axis=1) / counts
    shrunk = middles[parts.labels] + SHRINK * (points - middles[parts.labels])
    inner = np.zeros((parts.count, weights.shape[1]))
    np.add.at(inner, (parts.labels, segments.nearest_bones(shrunk)), 1.0)
    means = parts.sums(weights) / area
    votes = (means + inner / counts) / 2  # (parts, J)
    ranked = -np.sort(-votes, axis=1)
    shares = area[:, 0] / area.sum()
    is_stiff = (ranked[:, 0] >= RIGID_SHARE) & (shares <= BODY_SHARE)
    is_ring = ~is_stiff & (ranked[:, :2].sum(axis=1) > RING_VOTES) & (shares < RING_AREA)
    is_ring &= _sizes(parts, points) < RING_SIZE
    whole = np.where(is_stiff[:, None], np.eye(weights.shape[1])[votes.argmax(axis=1)], means)
    return np.where((is_stiff | is_ring)[parts.labels, None], whole[parts.labels], weights)


def _sizes(parts: Parts, points: np.ndarray) -> np.ndarray:  # points: (P, 3)
    """float64 (parts,): the longest side of each part."""
    low, high = np.full((parts.count, 3), np.inf), np.full((parts.count, 3), -np.inf)
    np.minimum.at(low, parts.labels, points)
    np.maximum.at(high, parts.labels, points)
    return (high - low).max(axis=1)
