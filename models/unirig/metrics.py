# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rig is from another: joints, bones, weights and motion (Zhang et al. 2025; Xu et al. 2020, RigNet).

Lengths are in shares of the range −1 … 1 that meshes are scaled to.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

RANGE = 2.0
BONE_SAMPLES = 100


def joint_to_joint(one: np.ndarray, other: np.ndarray) -> float:
    """J2J: mean of both ways from each joint to the nearest of the other skeleton. one, other: (J, 3), (K, 3)."""
    return (_mean_gap(one, other) + _mean_gap(other, one)) / 2 / RANGE


def joint_to_bone(joints: np.ndarray, bones: np.ndarray, other_joints: np.ndarray, other_bones: np.ndarray) -> float:
    """J2B: as J2J, from joints (J, 3) to the other's bones (K, 6), given as parent's joint and joint, no root."""
    gaps = _mean_gap(joints, sample_bones(other_bones)) + _mean_gap(other_joints, sample_bones(bones))
    return gaps / 2 / RANGE


def bone_to_bone(one: np.ndarray, other: np.ndarray) -> float:
    """B2B: as J2J, between points along the bones. one, other: (J, 6), (K, 6)."""
    return joint_to_joint(sample_bones(one), sample_bones(other))


def sample_bones(bones: np.ndarray) -> np.ndarray:
    """(J, 6) → (100 J, 3): from each bone's own joint almost to its parent's."""
    share = (np.arange(BONE_SAMPLES) / BONE_SAMPLES)[:, None]
    return (bones[:, None, :3] * share + bones[:, None, 3:] * (1 - share)).reshape(-1, 3)


def _mean_gap(points: np.ndarray, others: np.ndarray) -> float:
    return float(cKDTree(others).query(points)[0].mean())


def skin_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Skinning L1: the mean difference of weights over vertices and bones. one, other: (V, J)."""
    return float(np.abs(one - other).mean())


def skin_agreement(one: np.ndarray, other: np.ndarray, within: float) -> float:
    """Share of the entries of two (V, J) that differ by less than `within`."""
    return float((np.abs(one - other) < within).mean())


def skin_overlap(one: np.ndarray, other: np.ndarray, threshold: float) -> float:
    """Share of the entries above the threshold in either (V, J) that are above it in both; 1 where there is none."""
    either = ((one > threshold) | (other > threshold)).sum()
    return float(((one > threshold) & (other > threshold)).sum() / either) if either else 1.0


def deform(vertices: np.ndarray, weights: np.ndarray, rest: np.ndarray, posed: np.ndarray) -> np.ndarray:
    """Linear blend skinning: (V, 3) float64. vertices: (V, 3); weights: (V, J); rest, posed: (J, 4, 4)."""
    points = np.concatenate((vertices, np.ones((len(vertices), 1))), axis=1)
    moved = np.einsum("vj,jab,vb->va", weights, posed @ np.linalg.inv(rest), points, optimize=True)
    return moved[:, :3] / (weights.sum(axis=1, keepdims=True) + 1e-8)


def motion_loss(vertices: np.ndarray, one: np.ndarray, other: np.ndarray, rest: np.ndarray, posed: np.ndarray) -> float:
    """Mean squared difference between a mesh in one pose under two skins (V, J)."""
    return float(((deform(vertices, one, rest, posed) - deform(vertices, other, rest, posed)) ** 2).mean())
