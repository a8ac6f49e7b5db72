# SPDX-License-Identifier: GPL-3.0-or-later
"""Where predicted bones end: at the joint that continues them, so that they turn about their own length.

UniRig predicts joints alone; what it says of ends is a guess that an FBX does not keep. With these ends, and rolls
that turn every bone's side to the body's front, rest poses are those of the draft engine's skeletons, and animations
retarget alike.
"""

from __future__ import annotations

import numpy as np

from models.unirig.naming import Naming

SHORTEST = 0.01  # of the skeleton's size: below this a bone has no direction worth turning about
LAST = 0.5  # of its parent's length: a bone that nothing continues
FOOT = 0.4  # of its parent's length: a foot without toes
# Which child continues a bone that has several; the first role that is found counts.
CONTINUES = ("spine", "chest", "upperChest", "neck", "neck1", "head", "MiddleProximal", "Toes", "Paw")


def aim_tails(heads: np.ndarray, parents: np.ndarray, naming: Naming) -> np.ndarray:
    """Tails (J, 3) float32, none nearer to its head than 1 % of the skeleton's size. heads: (J, 3), house frame."""
    heads = np.asarray(heads, float)
    shortest = SHORTEST * max(float(np.ptp(heads, axis=0).max()), 1e-6)
    tails = np.empty_like(heads)
    ways = np.zeros_like(heads)  # from each bone's head to its tail
    for bone, parent in enumerate(parents):
        children = np.flatnonzero(np.asarray(parents) == bone)
        before = ways[parent] if parent >= 0 else np.array([0.0, shortest, 0.0])
        way = _continued(heads, bone, children, naming)
        if way is None:
            is_foot = naming.roles[bone].endswith("Foot")
            length = np.linalg.norm(before)
            way = FOOT * length * naming.front if is_foot else LAST * before
        if np.linalg.norm(way) < shortest:
            way = shortest * before / np.linalg.norm(before)
        ways[bone] = way
        tails[bone] = heads[bone] + way
    return tails.astype(np.float32)


def _continued(heads: np.ndarray, bone: int, children: np.ndarray, naming: Naming) -> np.ndarray | None:
    """The way (3,) to the child that continues a bone, or to the middle of several; None where there is no child."""
    if not len(children):
        return None
    for role in CONTINUES:
        for child in children:
            if naming.roles[child].endswith(role):
                return heads[child] - heads[bone]
    stem = naming.names[bone].partition(".")[0].partition("_0")[0]
    own = [child for child in children if naming.names[child].startswith(stem)]
    return heads[own or children].mean(axis=0) - heads[bone]
