# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose and view by an instruction editor: what the chain asks of one, and what it does with its answer.

An editor is given the subject and gives back a whole new picture. The chain cuts the subject out of that picture,
compares both, and keeps the original where the edit does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from inference_server.core.types import UInt8

EditorName = Literal["local", "hosted"]
EditCase = Literal["humanoid", "other"]


@dataclass(frozen=True)
class EditContext:
    """What an editor is told beside the picture.

    case: a "humanoid" is put into a neutral A-pose; "other" (animals, birds, objects) is only turned to its front.
    seed: of the noise that it starts from. raise_if_cancelled: to be called at least once a second. progress: gets
    done, total.
    """

    case: EditCase
    seed: int
    raise_if_cancelled: Callable[[], None]
    progress: Callable[[float, float], None]


class PoseEditor(Protocol):
    """Redraws a subject as seen from its front. One per kind of editor; it lives as long as the stage."""

    name: EditorName
    title: str
    """What the steps and the report call it: the model's own name."""
    identity: tuple[str, ...]
    """What decides its answer beside picture, case and seed: digests of its weights, or the hosted model's name."""
    peak_bytes: int
    """Memory that it takes in this process."""

    def edit(self, rgba: UInt8, ctx: EditContext) -> UInt8:
        """The picture that it drew: (h, w, 3 or 4) uint8 sRGB, of its own size and background; alpha counts if any.

        rgba: (H, W, 4) uint8, the subject cut out, straight alpha. Loads what it needs on first use. Raises the errors
        of the tree; the original is never used in place of an edit that failed.
        """

    def unload(self) -> None:
        """Give back the memory that `edit` took."""


class Verdict(Protocol):
    """Whether an edit may take the original's place. sentence: why not, or what to know about it; may be empty."""

    @property
    def is_accepted(self) -> bool: ...

    @property
    def sentence(self) -> str: ...


# Both (H, W, 4) uint8, each cut out in its own frame: the original, the edit.
Judge = Callable[[UInt8, UInt8, EditCase], Verdict]
