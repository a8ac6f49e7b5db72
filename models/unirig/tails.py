# SPDX-License-Identifier: GPL-3.0-or-later
"""Where bones end whose joints alone are known. House frame: +Y up."""

from __future__ import annotations

import numpy as np

LEAF_SHARE = 0.5  # of its parent's length: a bone without children
SHORTEST = 0.02  # of the skeleton's longest side: a shorter bone has no direction worth turning about
SURELY_UP = 0.5  # cosine: a head that stands on its neck ends at the top of the body
UP = np.array([0.0, 1.0, 0.0])

# The child at which a bone with this role ends, the first that is there; others end where a child goes on straight.
NEXT = {
    "hips": ("spine", "chest"),
    "spine": ("chest", "upperChest", "neck"),
    "chest": ("upperChest", "neck"),
    "upperChest": ("neck", "head"),
    "neck": ("head",),
    "leftHand": ("leftMiddleProximal", "leftIndexProximal"),
    "rightHand": ("rightMiddleProximal", "rightIndexProximal"),
}


def end_bones(heads: np.ndarray, parents: np.ndarray, roles: tuple[str, ...], top: float) -> np.ndarray:
    """(J, 3) float32: a bone ends at the child that its role asks for, else at the one that goes on most straight.

    heads: (J, 3). parents: (J,), −1 for the root, before their children. roles: J. top: y of the mesh's highest place,
    to which an upright head reaches. A root without a role ends at the child with most bones below it; a bone without a
    child goes straight on. No bone is without a length.
    """
    heads = heads.astype(np.float64)
    size = float(np.ptp(heads, axis=0).max())
    shortest = SHORTEST * size if size else 1.0
    below = _count_below(parents)
    tails = np.empty_like(heads)
    for bone, parent in enumerate(parents.tolist()):
        along = heads[bone] - heads[parent] if parent >= 0 else UP
        length = float(np.linalg.norm(along))
        along = along / length if length else UP
        children = [int(child) for child in np.flatnonzero(parents == bone)]
        far = [child for child in children if np.linalg.norm(heads[child] - heads[bone]) >= shortest]
        asked = [child for role in NEXT.get(roles[bone], ()) for child in far if roles[child] == role]
        if roles[bone] == "head" and along @ UP > SURELY_UP and top - heads[bone, 1] >= shortest:
            tails[bone] = heads[bone] + (top - heads[bone, 1]) * UP
        elif asked:
            tails[bone] = heads[asked[0]]
        elif far and parent < 0:
            tails[bone] = heads[max(far, key=lambda child: below[child])]
        elif far:
            tails[bone] = heads[max(far, key=lambda child: _cosine(heads[child] - heads[bone], along))]
        else:
            tails[bone] = heads[bone] + max(LEAF_SHARE * length if parent >= 0 else 0.0, shortest) * along
    return tails.astype(np.float32)


def _cosine(way: np.ndarray, along: np.ndarray) -> float:
    return float(way @ along) / float(np.linalg.norm(way))


def _count_below(parents: np.ndarray) -> np.ndarray:
    """(J,): how many bones descend from each."""
    counts = np.zeros(len(parents), int)
    for bone in range(len(parents) - 1, 0, -1):
        counts[parents[bone]] += counts[bone] + 1
    return counts
