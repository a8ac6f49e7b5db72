# SPDX-License-Identifier: GPL-3.0-or-later
"""What a skeleton without names shows of a body: its midline, what comes in pairs, and which pairs it stands on.

House frame: +Y up; a body usually faces +Z, and its left is then +X. Lengths are in shares of the skeleton's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

UP = np.array([0.0, 1.0, 0.0])
TURNS = 36  # directions, over a half turn, in which a body's sides are looked for
REFINEMENTS = 3
TURNED = 1.1  # times as many bones must come in pairs before a body counts as turned
# A branch whose bones are on the mean nearer to the midline has no side; the second where it has a mirror image.
MIDLINE, NEAR_MIDLINE = 0.025, 0.004
ONE_SIDED = 0.3  # of all the ways to the side: below, a branch holds both sides of a body
UNLIKE = 1.5  # the most that the two branches of a pair may differ: e-fold in length counts 1
BEGIN_COSTS, MIDDLE_COSTS = (
    4.0,
    2.0,
)  # of a whole size between one and the other's mirror image; a pose moves the middle
LEAF = 0.5  # of its parent's length: how far a last bone reaches
STANDS = 0.25  # of the height: what ends so low, stands; the feet of some legs hang elsewhere
LEG_DROP = 0.12  # of the size: legs lead down at least so far


@dataclass(frozen=True, eq=False)
class Tree:
    """Bones by their heads (J, 3), scaled to size 1, and parents (J,), parents first, −1 for the root."""

    heads: np.ndarray
    parents: np.ndarray

    @classmethod
    def of(cls, heads: np.ndarray, parents: np.ndarray) -> Tree:
        """heads: (J, 3), any size and place."""
        low, high = heads.min(axis=0), heads.max(axis=0)
        return cls((heads - low) / max(float((high - low).max()), 1e-9), np.asarray(parents))

    @cached_property
    def children(self) -> list[list[int]]:
        """Of each bone."""
        below: list[list[int]] = [[] for _ in self.parents]
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                below[parent].append(bone)
        return below

    @cached_property
    def reaches(self) -> np.ndarray:
        """(J,): the way from each bone's head to the farthest end below it."""
        reach = np.zeros(len(self.parents))
        for bone in reversed(range(len(self.parents))):
            ways = [self.step(child) + reach[child] for child in self.children[bone]]
            reach[bone] = max(ways, default=LEAF * self.step(bone))
        return reach

    @cached_property
    def steps(self) -> np.ndarray:
        """(J,): lengths from the parents' heads to the bones' own; 0 for the root."""
        return np.linalg.norm(self.heads - self.heads[np.maximum(self.parents, 0)], axis=1) * (self.parents >= 0)

    def step(self, bone: int) -> float:
        """Length from the parent's head to this one."""
        return float(self.steps[bone])

    def chain(self, bone: int) -> list[int]:
        """The bone and the longest way below it."""
        way = [bone]
        while self.children[way[-1]]:
            way.append(max(self.children[way[-1]], key=lambda child: self.step(child) + self.reaches[child]))
        return way

    def branch(self, bone: int) -> list[int]:
        """The bone and all below it."""
        found = [bone]
        for member in found:
            found += self.children[member]
        return found

    def path(self, start: int, end: int) -> list[int]:
        """From bone to bone, both included, over their common ancestor."""
        above = [start]
        while self.parents[above[-1]] >= 0:
            above.append(int(self.parents[above[-1]]))
        way = [end]
        while way[-1] not in above:
            way.append(int(self.parents[way[-1]]))
        return above[: above.index(way[-1])] + way[::-1]

    def tip(self, chain: list[int]) -> np.ndarray:
        """(3,): where the last bone of a chain ends."""
        last, before = chain[-1], self.parents[chain[-1]]
        return self.heads[last] + (LEAF * (self.heads[last] - self.heads[before]) if before >= 0 else 0)


@dataclass(frozen=True)
class Pair:
    """Two branches that are each other's mirror image. left, right: first bones. parent: the bone between them.

    likeness: 0 to 1.
    """

    left: int
    right: int
    parent: int
    likeness: float

    @property
    def both(self) -> tuple[tuple[int, str], tuple[int, str]]:
        """Each branch with its side."""
        return (self.left, "L"), (self.right, "R")


@dataclass(frozen=True, eq=False)
class Body:
    """lateral: unit vector (3,) to the side that is called left. pairs: top to bottom of the tree. sides: 1 (left),
    −1 or 0 of each bone (J,); a whole branch has the side of its first bone, wherever a pose took it.
    """

    tree: Tree
    lateral: np.ndarray
    pairs: tuple[Pair, ...]
    sides: np.ndarray

    @property
    def front(self) -> np.ndarray:
        """Unit vector (3,)."""
        return np.cross(self.lateral, UP)

    def mirrored(self) -> Body:
        """The same body seen as facing the other way."""
        pairs = tuple(Pair(pair.right, pair.left, pair.parent, pair.likeness) for pair in self.pairs)
        return Body(self.tree, -self.lateral, pairs, -self.sides)

    def stands_on(self, pair: Pair) -> bool:
        """Whether the pair's branches are legs: long ways down to the ground."""
        tree = self.tree
        ground, height = tree.heads[:, 1].min(), np.ptp(tree.heads[:, 1])
        for bone, _ in pair.both:
            chain = tree.chain(bone)
            low = min(tree.heads[chain, 1].min(), tree.tip(chain)[1])
            if len(chain) < 2 or low > ground + STANDS * height or tree.heads[bone, 1] - low < LEG_DROP:
                return False
        return True


def find_body(tree: Tree) -> Body:
    """The body by its sides. Where no legs come in pairs, its sides are those of a body that faces +Z."""
    turns = np.pi * np.arange(TURNS) / TURNS
    straight, *turned = (_seen_from(tree, np.array([np.cos(turn), 0.0, np.sin(turn)])) for turn in turns)
    best = _refined(max(turned, key=_paired))
    if _paired(best) <= TURNED * _paired(straight) or not any(best.stands_on(pair) for pair in best.pairs):
        return straight
    # Of the two ways to name the sides, the one whose front looks to +Z, or to +X where it looks to neither.
    return best if tuple(np.round(best.front, 6)[[2, 0]]) > (0.0, 0.0) else best.mirrored()


def _refined(body: Body) -> Body:
    """The body seen from where its pairs stand exactly beside each other."""
    for _ in range(REFINEMENTS):
        across = np.zeros(3)
        for pair in body.pairs:
            across += pair.likeness * (body.tree.heads[pair.left] - body.tree.heads[pair.right])
        across[1] = 0.0
        if not across.any():
            return body
        body = _seen_from(body.tree, across / np.linalg.norm(across))
    return body


def _paired(body: Body) -> float:
    counts = (len(body.tree.branch(pair.left)) + len(body.tree.branch(pair.right)) for pair in body.pairs)
    return float(sum(count * pair.likeness for count, pair in zip(counts, body.pairs, strict=True)))


def _seen_from(tree: Tree, lateral: np.ndarray) -> Body:
    """The pairs and sides of a body whose left is in this direction."""
    off = (tree.heads - tree.heads[0]) @ lateral
    sides = np.zeros(len(off), np.int64)
    pairs: list[Pair] = []
    for bone, children in enumerate(tree.children):
        if sides[bone]:
            continue
        means = {child: _mean_side(off[tree.branch(child)], tree.steps[tree.branch(child)]) for child in children}
        lefts, rights = ([child for child in children if sign * means[child] > NEAR_MIDLINE] for sign in (1, -1))
        found = _match(tree, lefts, rights, lateral)
        paired = {child for pair in found for child in (pair.left, pair.right)}
        for child, mean in means.items():
            if child in paired or abs(mean) > MIDLINE:
                sides[tree.branch(child)] = np.sign(mean)
        pairs += found
    return Body(tree, lateral, tuple(pairs), sides)


def _mean_side(off: np.ndarray, steps: np.ndarray) -> float:  # (B,), (B,)
    """How far beside the midline a branch is on the mean, long bones counting more than fingers; 0 for one that has
    both sides to itself.
    """
    weighed = off * (steps + 1e-9) / (steps + 1e-9).sum()
    return float(weighed.sum()) if abs(weighed.sum()) > ONE_SIDED * np.abs(weighed).sum() else 0.0


def _match(tree: Tree, lefts: list[int], rights: list[int], lateral: np.ndarray) -> list[Pair]:
    """The likest first; each branch once."""
    costs = sorted((_unlikeness(tree, left, right, lateral), left, right) for left in lefts for right in rights)
    taken: set[int] = set()
    pairs = []
    for cost, left, right in costs:
        if cost < UNLIKE and not {left, right} & taken:
            taken |= {left, right}
            pairs.append(Pair(left, right, int(tree.parents[left]), float(np.exp(-cost))))
    return pairs


def _unlikeness(tree: Tree, left: int, right: int, lateral: np.ndarray) -> float:
    """How far two branches are from each other's mirror image: in length, where they begin, and where they are."""
    reaches = [tree.reaches[bone] + tree.step(bone) + 1e-6 for bone in (left, right)]
    here, there = (np.array([tree.heads[bone], tree.heads[tree.branch(bone)].mean(axis=0)]) for bone in (left, right))
    mirrored = there - 2 * np.outer((there - tree.heads[0]) @ lateral, lateral)
    begin, middle = np.linalg.norm(here - mirrored, axis=1)
    return abs(float(np.log(reaches[0] / reaches[1]))) + BEGIN_COSTS * float(begin) + MIDDLE_COSTS * float(middle)
