# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone of a limb is which: the upper and the lower part and its end, by their lengths; then the fingers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from models.unirig.limbs import Body, Pair, Tree

END_SHARE = 0.2  # of a limb: from the wrist or ankle to the tip
SHARE_COSTS = 2.0  # per share of the limb that is not where it is expected
INWARD_COSTS = 1.5  # for a first part that begins at the midline: that is a collar bone or a half pelvis
HAND_BONUS = 0.25  # for an end where the fingers part
EARLY_FORK = 0.35  # cost of an end behind a place where fingers part, for each of them
FORWARD_COSTS = 1.5  # for an ankle at the end of a way that leads forward rather than down: that is the foot already
NO_END, NO_PALM = 0.7, 0.2  # cost of a limb without a hand or foot of its own; where three fingers leave it at once
SHORT_START, SHORT_COSTS = 0.35, 0.4  # an upper part that begins with so short a bone has taken a collar bone in
SHORT_ROOT = 0.4  # of the next part: a shorter first bone of an animal's leg that does not lead down is its root
FINGERS = ("thumb", "index", "middle", "ring", "little")
JOINTS = ("proximal", "intermediate", "distal")
THUMB_JOINTS = ("metacarpal", "proximal", "distal")
Choice = tuple[int, int | None, int | None]  # places on a chain: upper part, lower part, end


@dataclass(frozen=True)
class LimbParts:
    """chain: the limb's bones to its tip. names: of those with a part of their own. foot: the bone at wrist or ankle.
    fit: 0 to 1, how well the lengths are those of a limb.
    """

    chain: list[int]
    names: dict[int, str]
    foot: int | None
    fit: float


def split_legs(body: Body, pair: Pair) -> tuple[LimbParts, LimbParts]:
    """Left and right: upper_leg, lower_leg, foot, toes, and leg_root before them."""
    return _split(body, pair, ("upper_leg", "lower_leg", "foot", "toes"), "leg_root")


def split_arms(body: Body, pair: Pair) -> tuple[LimbParts, LimbParts]:
    """Left and right: upper_arm, lower_arm, hand, and shoulder before them. What is behind the hand are fingers."""
    return _split(body, pair, ("upper_arm", "lower_arm", "hand", ""), "shoulder")


def split_paw(tree: Tree, bone: int, end: str) -> LimbParts:
    """upper_leg, lower_leg, foot, paw of an animal's leg, with "front" or "back" before, and leg_root before them."""
    chain = tree.chain(bone)
    first = 0
    if len(chain) > 2:
        own, following = tree.step(chain[1]), tree.step(chain[2])
        down = tree.heads[chain[0], 1] - tree.heads[chain[1], 1]
        first = int(own < SHORT_ROOT * following and down < own / 2)
    parts = ("upper_leg", "lower_leg", "foot", "paw")
    names = {bone: f"{end}_{part}" for bone, part in zip(chain[first:], parts, strict=False)}
    if first:
        names[chain[0]] = f"{end}_leg_root"
    foot = chain[first + 2] if len(chain) > first + 2 else None
    return LimbParts(chain, names, foot, 1.0 if len(chain) > 2 else 0.5)


def _split(body: Body, pair: Pair, parts: tuple[str, str, str, str], before: str) -> tuple[LimbParts, LimbParts]:
    """The choice of three bones (or two, without an end) that costs least; the same on both sides where both have as
    many bones.
    """
    chains = body.tree.chain(pair.left), body.tree.chain(pair.right)
    costs = [
        {choice: _cost(body, chain, choice, is_leg=bool(parts[3])) for choice in _choices(len(chain))}
        for chain in chains
    ]
    if len(chains[0]) == len(chains[1]):
        costs = [{choice: (costs[0][choice] + costs[1][choice]) / 2 for choice in costs[0]}] * 2
    left, right = (_cut(chain, cost, parts, before) for chain, cost in zip(chains, costs, strict=True))
    return left, right


def _cut(chain: list[int], costs: dict[Choice, float], parts: tuple[str, str, str, str], before: str) -> LimbParts:
    upper, lower, end = choice = min(costs, key=lambda choice: costs[choice])
    names = {chain[upper]: parts[0]}
    if lower is not None:
        names[chain[lower]] = parts[1]
    if end is not None:
        names[chain[end]] = parts[2]
        if parts[3] and end + 1 < len(chain):
            names[chain[end + 1]] = parts[3]
    if upper:
        names[chain[0]] = before
    return LimbParts(chain, names, None if end is None else chain[end], float(np.exp(-costs[choice] / 2)))


def _choices(count: int) -> list[Choice]:
    """Places of the upper and lower part and the end, rising; None where a limb has too few bones."""
    threes = list(combinations(range(count), 3))
    twos = [(upper, lower, None) for upper, lower in combinations(range(count), 2)]
    return [*threes, *twos] or [(0, None, None)]


def _cost(body: Body, chain: list[int], choice: Choice, is_leg: bool) -> float:
    """How little three places on a chain are the joints of a limb."""
    upper, lower, end = choice
    if lower is None:
        return 1.0
    tree = body.tree
    points = np.array([*tree.heads[chain], tree.tip(chain)])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.append(0.0, np.cumsum(steps)) / max(steps.sum(), 1e-9)
    last = lower + 1 if end is None else end
    lengths = [float(np.linalg.norm(points[b] - points[a])) + 1e-6 for a, b in ((upper, lower), (lower, last))]
    cost = abs(float(np.log(lengths[0] / lengths[1])))
    cost += SHARE_COSTS * along[upper]
    off = np.abs((points - tree.heads[0]) @ body.lateral)
    cost += INWARD_COSTS * max(0.0, 0.5 - off[upper] / max(off[lower], 1e-9))
    if not is_leg and lower - upper > 1 and steps[upper] < SHORT_START * lengths[0]:
        cost += SHORT_COSTS
    if end is None:
        return cost + (NO_PALM if len(tree.children[chain[lower]]) > 2 else NO_END)
    cost += SHARE_COSTS * abs(1 - along[end] - END_SHARE)
    if is_leg:
        way = points[end] - points[end - 1]
        cost += FORWARD_COSTS * float(np.hypot(way[0], way[2]) / max(np.linalg.norm(way), 1e-9))
    forks = [place for place, bone in enumerate(chain) if len(tree.children[bone]) > 1]
    if end in forks:
        cost -= HAND_BONUS
    return cost + EARLY_FORK * sum(len(tree.children[chain[place]]) - 1 for place in forks if place < end)


def name_fingers(tree: Tree, arm: LimbParts, front: np.ndarray) -> dict[int, str]:
    """Bones of the fingers of an arm: index_proximal and so on. front: unit vector (3,).

    The thumb is the outermost finger that leaves the hand nearest to the wrist; a hand with one finger has a mitten,
    named as the middle one.
    """
    inner = {name: bone for bone, name in arm.names.items()}
    palm = inner.get("hand", inner.get("lower_arm", arm.chain[0]))
    starts = tree.children[palm]
    if "hand" in inner:  # a thumb may hang on the lower arm
        starts = starts + [child for child in tree.children[tree.parents[palm]] if child not in arm.chain]
    chains = [tree.chain(child) for child in starts]
    if len(chains) < (1 if "hand" in inner else 2):
        return {}
    names = {}
    for finger, chain in zip(*_order(tree, palm, chains, front), strict=True):
        joints = THUMB_JOINTS if finger == "thumb" else JOINTS
        bones = chain[-len(joints) :] if len(chain) > len(joints) else chain
        names |= {bone: f"{finger}_{joint}" for bone, joint in zip(bones, joints, strict=False)}
    return names


def _order(
    tree: Tree, palm: int, chains: list[list[int]], front: np.ndarray
) -> tuple[tuple[str, ...], list[list[int]]]:
    """Names of fingers, and the chains in that order; chains beyond five, the shortest, are left out."""
    if len(chains) == 1:
        return ("middle",), chains
    chains = sorted(chains, key=lambda chain: -tree.reaches[chain[0]])[: len(FINGERS)]
    tips = np.array([tree.tip(chain) for chain in chains])
    middles = np.array([tree.heads[chain].mean(axis=0) for chain in chains])
    along = tips.mean(axis=0) - tree.heads[palm]
    along /= max(float(np.linalg.norm(along)), 1e-9)
    flat = middles - middles.mean(axis=0)
    flat = flat - (flat @ along)[:, None] * along
    across = np.linalg.svd(flat)[2][0]
    order = np.argsort(flat @ across)
    reach = (tips - tree.heads[palm]) @ along
    if _is_thumb_last(reach[order], flat[order] @ front):
        order = order[::-1]
    return FINGERS[: len(chains)], [chains[place] for place in order]


def _is_thumb_last(reach: np.ndarray, forward: np.ndarray) -> bool:
    """Whether the last of the fingers, in their order across the palm, is the thumb: it reaches less far than the
    first, and in a hand that is stretched out to the side it is in front.
    """
    less = (reach[0] - reach[-1]) / max(float(np.abs(reach).max()), 1e-9)
    ahead = (forward[-1] - forward[0]) / max(float(np.abs(reach).max()), 1e-9)
    return float(less) + float(ahead) > 0
