# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for bones that have none, by geometry: what stands on the ground, what comes in pairs, what is in the middle.

Names and roles are those of the draft engine's skeletons: snake_case with the side behind a point (upper_arm.L), VRM
1.0 humanoid roles for a humanoid (leftUpperArm), camelCase ones of the same kind for others (frontLeftUpperLeg, tail1),
and "chain" where no part is known. House frame: +Y up; left is the body's own left.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.draft.tree import role_of
from models.unirig.limb_parts import LimbParts, name_fingers, split_arms, split_legs, split_paw
from models.unirig.limbs import STANDS, UP, Body, Pair, Tree, find_body

BESIDE = 0.03  # of the size: a hip bone may be so far above the legs' beginnings before the bone below it is the hips
BEFORE_LEGS = 0.02  # of the size: the chest ends so far behind the front legs' beginnings
BEHIND = 0.03  # of the size: a tail ends so far behind the legs
TRUST_IN_Z = 0.15  # a body faces +Z unless its feet, head or root say otherwise
FEET_SAY, ROOT_SAYS, ARMS_SAY = 3.0, 0.5, 3.0
KNOWN, UNKNOWN = 0.8, 0.3  # confidence in a bone of the middle of a body, and in one that is only part of a chain


@dataclass(frozen=True, eq=False)
class Naming:
    """names: unique; roles: of each bone. kind: "humanoid", "quadruped" or "generic". confidence: of the kind, 0 to 1.
    bone_confidence: (J,), of each role. front: unit vector (3,), where the body looks.
    """

    names: tuple[str, ...]
    roles: tuple[str, ...]
    kind: str
    confidence: float
    bone_confidence: np.ndarray
    front: np.ndarray


@dataclass(eq=False)
class _Names:
    """What has been named so far."""

    body: Body
    names: dict[int, str] = field(default_factory=dict)
    confidence: dict[int, float] = field(default_factory=dict)
    extra: set[int] = field(default_factory=set)  # named after the part that they are in, without a role

    def give(self, bone: int, name: str, confidence: float = KNOWN) -> None:
        """The first name that a bone gets stays."""
        if bone not in self.names and name not in self.names.values():
            self.names[bone] = name
            self.confidence[bone] = confidence

    def give_row(self, bones: list[int], first: tuple[str, ...], rest: str, confidence: float = KNOWN) -> None:
        """Names in turn; what is left over is numbered."""
        for place, bone in enumerate(bones):
            self.give(bone, first[place] if place < len(first) else f"{rest}_{place + 1:02d}", confidence)

    def give_limb(self, parts: LimbParts, side: str, likeness: float) -> None:
        """A limb's parts; bones between them follow the part before."""
        for bone, name in parts.names.items():
            self.give(bone, f"{name}.{side}", likeness * parts.fit)
        part, count = "", 1
        for bone in parts.chain:
            if bone in parts.names:
                part, count = parts.names[bone], 1
            elif part and bone not in self.names:
                count += 1
                self.give(bone, f"{part}_{count:02d}.{side}", UNKNOWN)
                self.extra.add(bone)


def name_bones(heads: np.ndarray, parents: np.ndarray) -> Naming:
    """Roles and names for a skeleton. heads: (J, 3), house frame, any size; parents: (J,), parents first, −1: the root.

    A body may look anywhere on the ground; where nothing shows its front, it faces +Z.
    """
    tree = Tree.of(np.asarray(heads, float), parents)
    body = find_body(tree)
    legs = [pair for pair in body.pairs if body.stands_on(pair)]
    others = [pair for pair in body.pairs if pair not in legs]
    if len(legs) == 2 and _lies_between(tree, *legs):
        body, legs = _facing_forward(body, legs)
        return _finish(*_name_quadruped(body, legs))
    if 1 <= len(legs) <= 2:
        legs.sort(key=lambda pair: _start(tree, pair)[1])
        others = sorted([*others, *legs[1:]], key=lambda pair: -tree.reaches[pair.left] - tree.reaches[pair.right])
        body, turned = _facing_forward(body, [*legs[:1], *others])
        return _finish(*_name_biped(body, turned[0], turned[1:]))
    return _finish(_Names(body), "generic", UNKNOWN)


def _start(tree: Tree, pair: Pair) -> np.ndarray:
    """(3,): the middle between the first joints of a pair."""
    return (tree.heads[pair.left] + tree.heads[pair.right]) / 2


def _lies_between(tree: Tree, one: Pair, other: Pair) -> bool:
    """Whether a trunk between two pairs of legs lies rather than stands."""
    along = _start(tree, one) - _start(tree, other)
    return abs(float(along[1])) < float(np.hypot(along[0], along[2]))


def _facing_forward(body: Body, pairs: list[Pair]) -> tuple[Body, list[Pair]]:
    """The body and these pairs with the sides that belong to where its feet, head and root say that it looks."""
    tree, front = body.tree, body.front
    legs = [pair for pair in pairs if body.stands_on(pair)]
    vote = TRUST_IN_Z * float(front[2])
    for pair in legs:
        for parts in split_legs(body, pair):
            if parts.foot is not None and tree.children[parts.foot]:
                way = tree.heads[parts.chain[-1]] - tree.heads[parts.foot]
                say = float(way @ front) / max(float(tree.reaches[parts.chain[0]]), 1e-9)
                vote += FEET_SAY / len(legs) * float(np.clip(say, -0.3, 0.3))
    others = [pair for pair in pairs if pair not in legs]
    if len(legs) == 1 and others and _lies_between(tree, legs[0], others[0]):
        vote += ARMS_SAY * float((_start(tree, others[0]) - _start(tree, legs[0])) @ front)
    if len(legs) == 2 and _lies_between(tree, *legs):
        middle = (_start(tree, legs[0]) + _start(tree, legs[1])) / 2
        ahead, behind = (_head_likeness(body, middle, sign * front) for sign in (1, -1))
        vote += float(np.clip(ahead - behind, -1, 1))
        vote -= ROOT_SAYS * float(np.sign((tree.heads[_trunk_root(body, legs)] - middle) @ front))
    if vote >= 0:
        return body, pairs
    mirrored = body.mirrored()
    by_bones = {frozenset((pair.left, pair.right)): pair for pair in mirrored.pairs}
    return mirrored, [by_bones[frozenset((pair.left, pair.right))] for pair in pairs]


def _trunk_root(body: Body, legs: list[Pair]) -> int:
    """The first bone of the trunk: a root on the ground below it is none."""
    attached = [pair.parent for pair in legs]
    return min(attached)


def _head_likeness(body: Body, middle: np.ndarray, direction: np.ndarray) -> float:
    """How much the best end of the midline on this side of the body looks like a head: high, with parts in pairs."""
    best = -1.0
    paired = {pair.parent for pair in body.pairs if not body.stands_on(pair)}
    for bone, children in enumerate(body.tree.children):
        is_end = body.sides[bone] == 0 and not any(body.sides[child] == 0 for child in children)
        if is_end and (body.tree.heads[bone] - middle) @ direction > 0:
            has_parts = bone in paired or int(body.tree.parents[bone]) in paired
            best = max(best, 3 * float(body.tree.heads[bone][1] - middle[1]) + has_parts)
    return best


def _name_quadruped(body: Body, legs: list[Pair]) -> tuple[_Names, str, float]:
    tree, found = body.tree, _Names(body)
    back, fore = sorted(legs, key=lambda pair: float(_start(tree, pair) @ body.front))
    for pair, end in ((back, "back"), (fore, "front")):
        for bone, side in pair.both:
            found.give_limb(split_paw(tree, bone, end), side, pair.likeness)
    spine = [bone for bone in tree.path(back.parent, fore.parent) if body.sides[bone] == 0]
    rest = _toward_head(body, spine[-1], body.front + UP / 2)
    chest_end = float(_start(tree, fore) @ body.front) - BEFORE_LEGS
    while len(rest) > 1 and float(tree.heads[rest[0]] @ body.front) < chest_end:
        spine.append(rest.pop(0))
    found.give(spine[0], "hips")
    if len(spine) > 1:
        found.give(spine[-1], "chest")
    found.give_row(spine[1:-1], ("spine",), "spine")
    if rest:
        found.give(rest[-1], "head")
    found.give_row(rest[:-1], (), "neck")
    _name_tail(found, _start(tree, back))
    return found, "quadruped", (back.likeness + fore.likeness) / 2


def _name_biped(body: Body, legs: Pair, others: list[Pair]) -> tuple[_Names, str, float]:
    """A humanoid where arms are above the legs; otherwise a body of its own kind with the same names."""
    tree, found = body.tree, _Names(body)
    hips = _hips(tree, legs)
    above = [pair for pair in others if hips in tree.path(0, pair.parent) and not body.stands_on(pair)]
    arms = max(above, key=lambda pair: tree.reaches[pair.left] + tree.reaches[pair.right], default=None)
    fits = []
    loose = _loose_feet(body, hips)
    for place, (parts, side) in enumerate(zip(split_legs(body, legs), "LR", strict=True)):
        found.give_limb(parts, side, legs.likeness)
        fits.append(parts.fit)
        if loose and parts.foot is None:
            found.give(loose.both[place][0], f"foot.{side}", loose.likeness)
    for parts, side in zip(split_arms(body, arms), "LR", strict=True) if arms else ():
        for finger, name in name_fingers(tree, parts, body.front).items():
            found.give(finger, f"{name}.{side}", KNOWN * arms.likeness)
        found.give_limb(parts, side, arms.likeness)
        fits.append(parts.fit)
    _name_trunk(found, hips, legs, arms)
    _name_tail(found, _start(tree, legs))
    if arms is None or _lies_between(tree, legs, arms):
        return found, "generic", float(np.mean(fits)) * legs.likeness
    return found, "humanoid", float(np.mean(fits)) * (legs.likeness + arms.likeness) / 2


def _loose_feet(body: Body, hips: int) -> Pair | None:
    """Feet that hang on the root below the hips rather than on the legs, as rigs made for inverse kinematics have."""
    tree = body.tree
    below = tree.path(0, hips)[:-1]
    low = tree.heads[:, 1].min() + STANDS * np.ptp(tree.heads[:, 1])
    return next((pair for pair in body.pairs if pair.parent in below and _start(tree, pair)[1] < low), None)


def _hips(tree: Tree, legs: Pair) -> int:
    """The bone that the legs hang on, or the one below it where that is much nearer to them."""
    start, parent = _start(tree, legs), int(tree.parents[legs.parent])
    if parent < 0:
        return legs.parent
    near, below = (float(np.linalg.norm(tree.heads[bone] - start)) for bone in (legs.parent, parent))
    return parent if below + BESIDE < near else legs.parent


def _name_trunk(found: _Names, hips: int, legs: Pair, arms: Pair | None) -> None:
    """Hips, spine, chest, upper chest, neck and head."""
    body, tree = found.body, found.body.tree
    found.give(hips, "hips")
    spine = tree.path(hips, arms.parent)[1:] if arms else []
    is_lying = arms is not None and _lies_between(tree, legs, arms)
    upward = body.front + UP / 2 if is_lying else UP
    rest = _toward_head(body, spine[-1] if spine else hips, upward)
    while arms and len(rest) > 2 and tree.heads[rest[0]] @ upward < _start(tree, arms) @ upward - BEFORE_LEGS:
        spine.append(rest.pop(0))
    if not arms:  # as the medians of rigs that people made: most of the trunk is spine
        spine, rest = rest[: max(len(rest) - 2, 0)], rest[max(len(rest) - 2, 0) :]
    elif len(spine) > 2 and tree.heads[spine[-1], 1] > _start(tree, arms)[1] + BEFORE_LEGS:
        rest.insert(0, spine.pop())  # arms that hang on the neck
    parts = ("spine", "chest", "upper_chest")
    for part, bone in zip(parts, _spread(spine, len(parts)), strict=False):
        found.give(bone, part)
    for number, bone in enumerate((bone for bone in spine if bone not in found.names), 2):
        found.give(bone, f"spine_{number:02d}")
        found.extra.add(bone)
    top = _head_of(tree, rest, arms)
    if top is None:
        return
    found.give(rest[top], "head")
    for place, bone in enumerate(rest[:top]):
        found.give(bone, "neck" if place == 0 else f"neck_{place + 1:02d}")
        found.extra |= {bone} if place else set()


def _spread(bones: list[int], count: int) -> list[int]:
    """At most `count` of the bones: first, last, and those between in equal steps."""
    places = np.linspace(0, len(bones) - 1, count).round().astype(int) if len(bones) > count else range(len(bones))
    return [bones[place] for place in places]


def _head_of(tree: Tree, rest: list[int], arms: Pair | None) -> int | None:
    """Which of the bones above the chest is the head: the first that has several bones on it beside the arms, the last
    of a neck, or the last but one where a long last way leads to the top of the head.
    """
    if not rest:
        return None
    limbs = {arms.left, arms.right} if arms else set()
    for place, bone in enumerate(rest):
        if len(set(tree.children[bone]) - limbs) > 1:
            return place
    steps = [tree.step(bone) for bone in rest]
    ends_on_top = len(rest) > 2 and steps[-1] > 1.5 * max(steps[1:-1])
    return len(rest) - 2 if ends_on_top else len(rest) - 1


def _toward_head(body: Body, start: int, direction: np.ndarray) -> list[int]:
    """The bones of the midline above the start, along the branch that ends farthest in this direction."""
    tree = body.tree

    def end(bone: int) -> float:
        return max(float(tree.heads[member] @ direction) for member in tree.branch(bone) if body.sides[member] == 0)

    way = [start]
    while middle := [child for child in tree.children[way[-1]] if body.sides[child] == 0]:
        best = max(middle, key=end)
        if end(best) <= float(tree.heads[start] @ direction):
            break
        way.append(best)
    return way[1:]


def _name_tail(found: _Names, legs: np.ndarray) -> None:
    """The longest branch of the midline without a name that ends behind the legs."""
    body, tree = found.body, found.body.tree
    free = [
        bone
        for bone, parent in enumerate(tree.parents)
        if body.sides[bone] == 0 and bone not in found.names and parent >= 0
    ]
    starts = [bone for bone in free if int(tree.parents[bone]) not in free]
    tails = [chain for chain in map(tree.chain, starts) if float((tree.tip(chain) - legs) @ body.front) < -BEHIND]
    if tails:
        chain = max(tails, key=lambda chain: tree.reaches[chain[0]])
        found.give_row([bone for bone in chain if bone not in found.names], (), "tail")


def _finish(found: _Names, kind: str, confidence: float) -> Naming:
    """Number what is left by chains, and turn names into roles."""
    body, tree = found.body, found.body.tree
    if tree.parents[0] < 0 and 0 not in found.names:
        found.give(0, "root")
    numbers: dict[int, int] = {}
    partners = {pair.right: pair.left for pair in body.pairs} | {pair.left: pair.right for pair in body.pairs}
    chains = 0
    for bone in range(len(tree.parents)):
        if bone in found.names:
            continue
        partner = numbers.get(partners.get(bone, -1))
        chains += partner is None
        number = numbers[bone] = chains if partner is None else partner
        side = {1: ".L", -1: ".R", 0: ""}[int(body.sides[bone])]
        for place, member in enumerate((link for link in tree.chain(bone) if link not in found.names), 1):
            found.extra.add(member)
            found.give(member, f"chain_{number:02d}_{place:02d}{side}", UNKNOWN)
    bones = range(len(tree.parents))
    roles = tuple("chain" if bone in found.extra else role_of(found.names[bone]) for bone in bones)
    return Naming(
        names=tuple(found.names[bone] for bone in bones),
        roles=roles,
        kind=kind,
        confidence=float(np.clip(confidence, 0, 1)),
        bone_confidence=np.array([found.confidence[bone] for bone in bones]),
        front=body.front,
    )
