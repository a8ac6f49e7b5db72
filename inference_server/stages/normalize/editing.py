# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose and view by an instruction editor: what the chain asks of one, and what it does with its answer.

An editor is given the subject and gives back a whole new picture. The chain cuts the subject out of that picture,
compares both, and keeps the original where the edit does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from inference_server.core.choices import EditorChoice
from inference_server.core.types import UInt8
from inference_server.errors import EngineUnavailable, FigurineError, WeightsCorrupt

EditorName = Literal["local", "hosted"]
EditCase = Literal["humanoid", "other"]


@dataclass(frozen=True)
class EditContext:
    """What an editor is told beside the picture.

    case: a "humanoid" is put into a neutral A-pose; "other" (animals, birds, objects) is only turned to its front.
    seed: of the noise that it starts from. raise_if_cancelled: to be called at least once a second. progress: gets
    done, total. note: a sentence for the artist, kept with the result.
    """

    case: EditCase
    seed: int
    raise_if_cancelled: Callable[[], None]
    progress: Callable[[float, float], None]
    note: Callable[[str], None]


class PoseEditor(Protocol):
    """Redraws a subject as seen from its front. One per kind of editor; it lives as long as the stage."""

    name: EditorName
    title: str
    """What the steps and the report call it: the model's own name."""
    identity: tuple[str, ...]
    """What decides its answer beside picture, case and seed: digests of its weights, or a service's model and place."""
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


@dataclass(frozen=True, eq=False)
class Edit:
    """What came of an edit. drawn: (h, w, 4) uint8, the editor's picture. subject: the same cut out, None where the
    edit does not hold. sentence: why, or what to know about it; may be empty.
    """

    drawn: UInt8
    subject: UInt8 | None
    sentence: str


class PoseReader(Protocol):
    """Finds a person's joints."""

    identity: tuple[str, ...]
    """Digests of its weights."""

    def measure(self, rgba: UInt8) -> Any:
        """A models.human_pose.measure.PoseMeasure of a subject, (H, W, 4) uint8. Raises WeightsCorrupt."""

    def unload(self) -> None:
        """Give back the memory that `measure` took."""


@dataclass(frozen=True)
class Editing:
    """What can edit pose and view on this machine, and who judges it. editors: those that are set up, by name. absent:
    why the others are not. reader: where its weights are here.
    """

    editors: Mapping[EditorName, PoseEditor]
    judge: Judge
    absent: Mapping[EditorName, FigurineError] = field(default_factory=dict)
    reader: PoseReader | None = None

    @property
    def weight_digests(self) -> tuple[str, ...]:
        """Of what computes on this machine."""
        parts = (self.editors.get("local"), self.reader)
        return tuple(digest for part in parts if part is not None for digest in part.identity)

    @property
    def services(self) -> tuple[str, ...]:
        """What computes elsewhere."""
        return self.editors["hosted"].identity if "hosted" in self.editors else ()

    @property
    def is_possible(self) -> bool:
        """Whether any editor is set up."""
        return bool(self.editors)

    @property
    def peak_bytes(self) -> int:
        """What the largest of them takes."""
        return max((editor.peak_bytes for editor in self.editors.values()), default=0)

    @property
    def state(self) -> tuple[Any, ...]:
        """Changes whenever another answer or another refusal is to be expected."""
        return self.weight_digests, self.services, tuple(str(error) for error in self.absent.values())

    def unload(self) -> None:
        """Give back what all of them hold."""
        for editor in self.editors.values():
            editor.unload()
        if self.reader is not None:
            self.reader.unload()


def choose_editor(editing: Editing, choice: EditorChoice) -> PoseEditor | None:
    """The editor that was asked for; None where "auto" finds no local one, and never a hosted one for "auto".

    Raises EngineUnavailable, WeightsMissing, EditorNotSetUp where a named one is not there, WeightsCorrupt.
    """
    name: EditorName = "local" if choice == "auto" else choice
    refusal = editing.absent.get(name)
    if refusal is not None and (choice != "auto" or isinstance(refusal, WeightsCorrupt)):
        raise refusal
    if choice != "auto" and name not in editing.editors:
        raise EngineUnavailable(f"There is no {name} editor of pose and view here.", "Leave the editor on auto.")
    return editing.editors.get(name)


def edit_subject(
    rgba: UInt8, editor: PoseEditor, judge: Judge, ctx: EditContext, cut_out: Callable[[UInt8], UInt8]
) -> Edit:  # rgba: (H, W, 4) uint8, the subject cut out
    """Have a subject edited, cut it out of the new picture, and judge it against the original.

    cut_out: (h, w, 4) uint8 to the same with the subject's alpha. Raises what editor and cut_out raise; a picture
    without a subject is an edit that does not hold.
    """
    from models.draft.errors import NoSubjectFound

    drawn = with_alpha(editor.edit(rgba, ctx))
    try:
        subject = cut_out(drawn)
    except NoSubjectFound:
        return Edit(drawn, None, "The edited picture was not used, because it is empty; the original was kept.")
    verdict = judge(rgba, subject, ctx.case)
    return Edit(drawn, subject if verdict.is_accepted else None, verdict.sentence)


def with_alpha(picture: UInt8) -> UInt8:  # (H, W, 3 or 4) uint8 -> (H, W, 4) uint8
    """Opaque where the picture has no alpha."""
    if picture.shape[2] == 4:
        return picture
    return np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
