# SPDX-License-Identifier: GPL-3.0-or-later
"""Which token may follow: the reference's rule, and a strict one under which every sequence is a tree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol

import numpy as np

from models.unirig.tokenizer import Vocabulary

AXES = 3


class Walk(Protocol):
    """A place in a sequence. Immutable: what several beams have in common is walked once."""

    def allowed(self) -> np.ndarray:
        """(vocabulary,) bool: the tokens that may come next."""

    def after(self, token: int) -> Walk:
        """The place behind one more token."""


class State(Enum):
    """What was read last."""

    START = auto()
    BOS = auto()
    KIND = auto()
    BEFORE_BONE = auto()
    X = auto()
    Y = auto()
    BONE = auto()


# Whatever token comes, it is taken for what is expected.
_FORCED = {State.START: State.BOS, State.BEFORE_BONE: State.X, State.X: State.Y, State.Y: State.BONE}


@dataclass(frozen=True)
class ReferenceWalk:
    """The rule that UniRig was published with.

    It does not count what follows a branch: three coordinates are enough for it where six are needed. A branch right
    after a part is taken for a coordinate.
    """

    vocabulary: Vocabulary
    state: State = State.START

    def allowed(self) -> np.ndarray:
        words = self.vocabulary
        mask = np.zeros(words.size, bool)
        if self.state is State.START:
            mask[words.bos] = True
            return mask
        mask[: words.num_bins] = True
        if self.state in (State.BOS, State.KIND, State.BONE):
            mask[[words.spring, *words.parts.values()]] = True
        if self.state is State.BOS:
            mask[[words.cls_none, *words.kinds.values()]] = True
        if self.state in (State.KIND, State.BONE):
            mask[words.eos] = True
        if self.state is State.BONE:
            mask[words.branch] = True
        return mask

    def after(self, token: int) -> ReferenceWalk:
        return replace(self, state=self._next(token))

    def _next(self, token: int) -> State:
        words = self.vocabulary
        if self.state in _FORCED:
            return _FORCED[self.state]
        if token < words.num_bins:
            return State.X
        if self.state is State.BOS and (token == words.cls_none or token in words.kinds.values()):
            return State.KIND
        return State.KIND if self.state is State.KIND else State.BEFORE_BONE


@dataclass(frozen=True)
class StrictWalk:
    """The rule under which every sequence that ends is a tree: at least one bone, six coordinates after a branch, no
    two bones at one place, no part with names (it could imply more of them than there are bones), and an end before the
    last of `left` tokens.

    coordinates: of the bone being written. owed: how many of them are still to come. bones: places of the bones
    before it.
    """

    vocabulary: Vocabulary
    left: int
    state: State = State.START
    owed: int = 0
    coordinates: tuple[int, ...] = ()
    bones: frozenset[tuple[int, ...]] = frozenset()

    def allowed(self) -> np.ndarray:
        words = self.vocabulary
        mask = np.zeros(words.size, bool)
        if self.state is State.START:
            mask[words.bos] = True
        elif self.owed:
            mask[: words.num_bins] = True
            if self.owed == 1:
                mask[[z for *place, z in self.bones if tuple(place) == self.coordinates[-2:]]] = False
        else:
            mask[: words.num_bins] = self._fits(AXES)
            mask[words.branch] = bool(self.bones) and self._fits(1 + 2 * AXES)
            if self.state is not State.BEFORE_BONE:
                mask[words.spring] = self._fits(1 + AXES)
            if self.state is State.BOS:
                mask[[words.cls_none, *words.kinds.values()]] = True
            mask[words.eos] = bool(self.bones) and self.state is not State.BEFORE_BONE
        return mask

    def after(self, token: int) -> StrictWalk:
        """Raises ValueError for a token that is not allowed."""
        if not self.allowed()[token]:
            raise ValueError(f"token {token} is not allowed here")
        walk = replace(self, left=self.left - 1)
        words = self.vocabulary
        if token == words.branch:
            return replace(walk, owed=2 * AXES, coordinates=())
        if token < words.num_bins:
            return walk._after_coordinate(token, (self.owed or AXES) - 1, self.coordinates if self.owed else ())
        if self.state is State.START:
            return replace(walk, state=State.BOS)
        is_kind = token == words.cls_none or token in words.kinds.values()
        return replace(walk, state=State.KIND if is_kind else State.BEFORE_BONE)

    def _after_coordinate(self, token: int, owed: int, before: tuple[int, ...]) -> StrictWalk:
        coordinates = (*before, token)
        bones = self.bones if owed else self.bones | {coordinates[-AXES:]}
        return replace(self, state=State.BONE, owed=owed, coordinates=coordinates, bones=bones)

    def _fits(self, count: int) -> bool:
        """Whether so many tokens and the end can still be written."""
        return self.left > count
