# SPDX-License-Identifier: GPL-3.0-or-later
"""The language in which UniRig writes a skeleton: bos, a class, bones of three coordinates each, eos.

A bone follows the bone before it; a branch token and the parent's place come first where its parent is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from models.unirig.templates import SPRING, template_names

ROOT = -1
LEAF_SHARE = 0.5  # a bone without a child is half as long as its parent
ROOT_SHARE = 0.5
NO_LENGTH = 1e-9


class SequenceInvalid(ValueError):
    """Tokens that are no skeleton."""


@dataclass(frozen=True)
class Vocabulary:
    """num_bins: of a coordinate. part_names, kind_names: in the order of the published configuration."""

    num_bins: int
    part_names: tuple[str, ...]
    kind_names: tuple[str, ...]
    parts: Mapping[str, int] = field(init=False)
    kinds: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        first = self.spring + 1
        object.__setattr__(self, "parts", {name: first + n for n, name in enumerate(self.part_names)})
        first = self.cls_none + 1
        object.__setattr__(self, "kinds", {name: first + n for n, name in enumerate(self.kind_names)})

    @property
    def branch(self) -> int:
        return self.num_bins

    @property
    def bos(self) -> int:
        return self.num_bins + 1

    @property
    def eos(self) -> int:
        return self.num_bins + 2

    @property
    def pad(self) -> int:
        return self.num_bins + 3

    @property
    def spring(self) -> int:
        return self.num_bins + 4

    @property
    def cls_none(self) -> int:
        return self.spring + len(self.part_names) + 1

    @property
    def size(self) -> int:
        return self.cls_none + len(self.kind_names) + 1


# articulation-xl_quantization_256; nothing was trained with mixamo
VOCABULARY = Vocabulary(256, ("body", "hand"), ("vroid", "mixamo", "articulationxl"))
USUAL_KIND = "articulationxl"


@dataclass(frozen=True, eq=False)
class Tree:
    """Joints in [−1, 1], parents before children, the root first.

    joints: (J, 3) float32. parents: (J,) int64, −1 for the root. tails: (J, 3) float64. names: J, None where the class
    is unknown. kind: the class, None where it is unknown. parts: in the order in which they start, None for bones
    without a template.
    """

    joints: np.ndarray
    parents: np.ndarray
    tails: np.ndarray
    names: tuple[str, ...]
    kind: str | None
    parts: tuple[str | None, ...]


def discretise(places: np.ndarray, num_bins: int) -> np.ndarray:
    """[−1, 1] → bins, int64. Halves go to the even bin."""
    return np.clip(np.round((places + 1) / 2 * num_bins), 0, num_bins - 1).astype(np.int64)


def undiscretise(bins: np.ndarray, num_bins: int) -> np.ndarray:
    """Bins → the middle of each, float64 in [−1, 1]. On average half a bin more than what `discretise` was given."""
    return (bins + 0.5) / num_bins * 2 - 1


def encode(
    joints: np.ndarray,
    parents: np.ndarray,
    kind: str | None,
    starts: Mapping[int, str | None],
    words: Vocabulary = VOCABULARY,
) -> np.ndarray:
    """Tokens (L,) int64 of a skeleton. joints: (J, 3) in [−1, 1]. parents: (J,), each before its children.

    kind: the class; one that is not known is written as none. starts: place → part, as `templates.arrange` gives it.
    """
    bins = discretise(joints.astype(np.float32), words.num_bins).tolist()
    tokens = [words.bos, words.kinds.get(kind or "", words.cls_none)]
    for bone, parent in enumerate(parents.tolist()):
        if bone in starts:
            part = starts[bone]
            tokens.append(words.spring if part is SPRING else words.parts[part])
        if bone and parent != bone - 1:
            tokens += [words.branch, *bins[parent]]
        tokens += bins[bone]
    return np.array([*tokens, words.eos])


def decode(tokens: np.ndarray, words: Vocabulary = VOCABULARY) -> Tree:
    """The skeleton that tokens (L,) write. Raises SequenceInvalid."""
    written = _read(_strip(tokens.tolist(), words), words)
    joints = undiscretise(np.array(written.places, np.int64).reshape(-1, 3), words.num_bins).astype(np.float32)
    parents = np.full(len(joints), ROOT)
    for bone in range(1, len(joints)):
        wanted = undiscretise(np.array(written.parent_places[bone]), words.num_bins).astype(np.float32)
        squared = ((joints[:bone] - wanted) ** 2).sum(axis=1)
        parents[bone] = bone - 1 - int(squared[::-1].argmin())  # of equally near ones the latest
    names = template_names(written.kind, written.parts) if written.kind else []
    if len(names) > len(joints):
        raise SequenceInvalid(f"{len(names)} names for {len(joints)} bones")
    return Tree(
        joints=joints,
        parents=parents,
        tails=tails_of_reference(joints, parents),
        names=(*names, *(f"bone_{bone}" for bone in range(len(names), len(joints)))),
        kind=written.kind,
        parts=tuple(written.parts),
    )


@dataclass
class _Written:
    """places, parent_places: bins of each bone and of its parent."""

    places: list[list[int]] = field(default_factory=list)
    parent_places: list[list[int]] = field(default_factory=list)
    parts: list[str | None] = field(default_factory=list)
    kind: str | None = None


def _strip(tokens: list[int], words: Vocabulary) -> list[int]:
    """The tokens between bos and eos."""
    while tokens and tokens[-1] == words.pad:
        tokens = tokens[:-1]
    if len(tokens) < 2 or tokens[0] != words.bos or tokens[-1] != words.eos:
        raise SequenceInvalid("the tokens do not begin with bos or do not end with eos")
    return tokens[1:-1]


def _read(tokens: list[int], words: Vocabulary) -> _Written:
    kinds = {token: name for name, token in words.kinds.items()}
    parts: dict[int, str | None] = {token: name for name, token in words.parts.items()} | {words.spring: SPRING}
    written = _Written()
    place, is_branch = 0, False
    while place < len(tokens):
        token = tokens[place]
        if token < words.num_bins:
            wanted = 6 if is_branch else 3
            taken = tokens[place : place + wanted]
            if len(taken) < wanted or max(taken) >= words.num_bins:
                raise SequenceInvalid(f"bone {len(written.places)} lacks coordinates")
            before = written.places[-1] if written.places else taken[-3:]
            written.parent_places.append(taken[:3] if is_branch else before)
            written.places.append(taken[-3:])
            place, is_branch = place + wanted, False
            continue
        if token == words.branch:
            is_branch = True
        elif token in parts:
            written.parts.append(parts[token])
        elif token in kinds or token == words.cls_none:
            written.kind = kinds.get(token)
        else:
            raise SequenceInvalid(f"token {token} stands among the bones")
        place += 1
    return written


def tails_of_reference(joints: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Where the reference ends each bone: (J, 3) float64. joints: (J, 3). parents: (J,).

    At an only child's joint. Otherwise straight on, half as long as the parent. The tail of a root with several
    children is as much off as the root is from the origin: so was UniRig published. A single bone ends a little above.
    """
    joints = joints.astype(np.float64)
    tails = np.empty_like(joints)
    for bone, parent in enumerate(parents.tolist()):
        children = np.flatnonzero(parents == bone)
        if len(children) == 1:
            tails[bone] = joints[children[0]]
        elif parent == ROOT:
            apart = np.linalg.norm(joints[children] - joints[bone], axis=1)
            up = np.array([0.0, 0.0, ROOT_SHARE * apart.mean() if len(children) else LEAF_SHARE])
            tails[bone] = joints[bone] + ROOT_SHARE * (joints[bone] + up) if len(children) else joints[bone] + up
        else:
            along = joints[bone] - joints[parent]
            has_length = np.linalg.norm(along) > NO_LENGTH
            tails[bone] = joints[bone] + LEAF_SHARE * (along if has_length else np.array([0.0, 0.0, 1.0]))
    return tails
