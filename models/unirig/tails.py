# SPDX-License-Identifier: GPL-3.0-or-later
"""Where bones end whose joints alone are known."""

from __future__ import annotations

import numpy as np

LEAF_SHARE = 0.5  # of its parent's length
SHORTEST = (
    0.02  # of the skeleton's longest side: shorter bones cannot be seen and have no direction worth turning about
)


def end_bones(heads: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """(J, 3) float32: each bone ends where the child begins that goes on most straight, or goes straight on itself.

    heads: (J, 3), any frame. parents: (J,), −1 for the root, before their children. Of a root's children the one with
    most bones below it counts. No bone is without a length.
    """
    heads = heads.astype(np.float64)
    size = float(np.ptp(heads, axis=0).max())
    shortest = SHORTEST * size if size else 1.0
    below = _count_below(parents)
    tails = np.empty_like(heads)
    for bone, parent in enumerate(parents.tolist()):
        along = heads[bone] - heads[parent] if parent >= 0 else np.array([0.0, 1.0, 0.0])
        children = np.flatnonzero(parents == bone)
        ways = heads[children] - heads[bone]
        lengths = np.linalg.norm(ways, axis=1)
        if not len(children) or lengths.max() < shortest:
            length = max(LEAF_SHARE * float(np.linalg.norm(along)) if parent >= 0 else 0.0, shortest)
            tails[bone] = heads[bone] + length * along / max(float(np.linalg.norm(along)), 1e-12)
            continue
        straight = ways @ along / np.maximum(lengths, 1e-12)
        merit = np.where(lengths >= shortest, straight if parent >= 0 else below[children], -np.inf)
        tails[bone] = heads[children[merit.argmax()]]
    return tails.astype(np.float32)


def _count_below(parents: np.ndarray) -> np.ndarray:
    counts = np.zeros(len(parents))
    for bone in range(len(parents) - 1, 0, -1):
        counts[parents[bone]] += counts[bone] + 1
    return counts
