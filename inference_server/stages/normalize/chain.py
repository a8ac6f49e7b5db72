# SPDX-License-Identifier: GPL-3.0-or-later
"""The normalize stage: a chain of steps from the artist's picture to a clean subject in a square.

background → diagnoses → resolution → tilt → pose and view → framing. The subject is cut out first, because the
diagnoses look at it; each later step is done where they ask for it, where it was asked for by hand, or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from inference_server.core.stage import Device, RunContext
from inference_server.core.types import Diagnosis, NormalizedImage, SourceImage, UInt8
from inference_server.errors import EngineUnavailable, FigurineError, NoSubject
from inference_server.stages.normalize.editing import (
    EditCase,
    EditContext,
    Editing,
    Judge,
    PoseEditor,
    choose_editor,
    edit_subject,
)
from inference_server.stages.normalize.wishes import EDITOR_SETTING_NAMES, SETTING_NAMES, StepLog, StepWishes

_STEPS = 6  # of progress
_TOLD_SCALE = 1.05  # from which on framing is said to have enlarged
_POSE_CODES = frozenset({"asymmetric", "limbs_merged"})
_NO_EDITOR = "not normalized: no editor of pose and view is set up"


@dataclass(frozen=True, eq=False)
class Subject:
    """A subject in the frame of its picture. rgba: (H, W, 4) uint8, straight alpha. method: how it was cut out.

    is_outline_sure: whether the outline can be trusted. warnings: sentences for the artist.
    """

    rgba: UInt8
    method: str
    is_outline_sure: bool = True
    warnings: tuple[str, ...] = ()


class NormalizeChain(ABC):
    """The stage but for what networks may do: cut out, enlarge. The rest is classical in every engine."""

    setting_names: tuple[str, ...]
    uses_seed: bool
    _matting: ModuleType
    _diagnose: ModuleType
    _framing: ModuleType
    _upscale: ModuleType

    def __init__(self, editing: Editing | None = None) -> None:
        self._editing = editing
        can_edit = editing is not None and editing.is_possible
        self.setting_names = (*SETTING_NAMES, *(EDITOR_SETTING_NAMES if can_edit else ()))
        self.uses_seed = can_edit

    def load(self, device: Device) -> None:
        """Import the classical code."""
        from models.draft import diagnose, framing, matting, upscale

        self._matting, self._diagnose, self._framing, self._upscale = matting, diagnose, framing, upscale

    def unload(self) -> None:
        """Give back what editors hold."""
        if self._editing is not None:
            self._editing.unload()

    def run(self, value: SourceImage, ctx: RunContext) -> NormalizedImage:
        """Raises NoSubject, EngineUnavailable where an editor was asked for that is not there, and what the cut-out,
        the networks and the editor raise.
        """
        for sentence in value.notes:
            ctx.note(sentence)
        wishes, log = StepWishes(ctx.settings), StepLog(ctx)
        with _subject_errors():
            source = self._matting.reduce_picture(value.rgba)
            subject = self._look(source, wishes, log, ctx, has_mask=value.has_mask)
            diagnoses = self._examine(subject.rgba, is_outline_sure=subject.is_outline_sure)
            codes = {diagnosis.code for diagnosis in diagnoses}
            ctx.progress(2, _STEPS)
            rgba = self._enlarge_small(subject.rgba, "low_resolution" in codes, wishes, log, ctx)
            ctx.progress(3, _STEPS)
            upright = self._straighten(rgba, "tilt" in codes, wishes, log, ctx)
            if upright is not None:
                rgba, diagnoses = upright, self._examine_posture(diagnoses, upright)
            ctx.progress(4, _STEPS)
            rgba = self._edit_pose(rgba, {diagnosis.code for diagnosis in diagnoses}, wishes, log, ctx)
            ctx.progress(5, _STEPS)
            framed = self._frame(rgba, wishes, log)
        for sentence in subject.warnings:
            ctx.note(sentence)
        log.note_findings(diagnoses, frozenset() if upright is None else frozenset({"tilt"}))
        return NormalizedImage(framed.rgba, tuple(log.steps), diagnoses, framed.subject_fraction, tuple(log.pictures))

    @abstractmethod
    def _cut_out(self, rgba: UInt8, ctx: RunContext) -> Subject:
        """rgba: (H, W, 4) uint8, opaque. Raises DraftError, and errors of the tree."""

    @abstractmethod
    def _enlarge(self, rgba: UInt8, factor: float, ctx: RunContext) -> tuple[UInt8, str]:
        """The subject at about `factor` > 1 times its size, and by what. rgba: (H, W, 4) uint8."""

    def _interpolate(self, rgba: UInt8, factor: float) -> tuple[UInt8, str]:
        """`_enlarge` without a network."""
        return self._upscale.enlarge(rgba, factor), f"draft, interpolated to {factor:.1f} times its size"

    def _look(self, rgba: UInt8, wishes: StepWishes, log: StepLog, ctx: RunContext, *, has_mask: bool) -> Subject:
        """The subject: by the mask that was given, or by the picture's alpha where it has one, unless it was asked to
        look for itself.
        """
        mode = wishes.mode("background")
        if has_mask:
            subject = Subject(self._matting.take_alpha(rgba).rgba, "mask, given with the picture")
        elif mode == "off":
            subject = Subject(rgba, "off, the picture as it is")
        elif mode == "auto" and self._matting.has_alpha(rgba):
            subject = Subject(self._matting.take_alpha(rgba).rgba, "alpha of the picture")
        else:
            subject = self._cut_out(_opaque(rgba), ctx)
            log.show("background", subject.rgba)
        log.tell("background", subject.method)
        return subject

    def _examine(self, rgba: UInt8, *, is_outline_sure: bool = True) -> tuple[Diagnosis, ...]:
        findings = self._diagnose.diagnose(rgba, is_outline_sure=is_outline_sure)
        return tuple(Diagnosis(item.code, item.measure, item.severity, item.sentence) for item in findings)

    def _examine_posture(self, before: tuple[Diagnosis, ...], upright: UInt8) -> tuple[Diagnosis, ...]:
        """Findings of which those about the limbs come from the straightened picture: they are looked for in rows."""
        after = (diagnosis for diagnosis in self._examine(upright) if diagnosis.code in _POSE_CODES)
        return (*(diagnosis for diagnosis in before if diagnosis.code not in _POSE_CODES), *after)

    def _enlarge_small(
        self, rgba: UInt8, is_small: bool, wishes: StepWishes, log: StepLog, ctx: RunContext
    ) -> UInt8:  # (H, W, 4) uint8
        factor = self._framing.framing_scale(rgba)
        if factor <= 1.0 or not wishes.wants("resolution", is_small):
            return rgba
        larger, how = self._enlarge(self._framing.crop_subject(rgba), factor, ctx)
        log.tell("resolution", how)
        log.show("resolution", larger)
        return larger

    def _edit_pose(
        self, rgba: UInt8, codes: set[str], wishes: StepWishes, log: StepLog, ctx: RunContext
    ) -> UInt8:  # (H, W, 4) uint8
        """The subject from its front, a humanoid in an A-pose; the original where no edit is wanted or none holds.

        codes: of the diagnoses of the outline; a person's joints know better, where they are found.
        """
        is_by_hand = wishes.mode("pose") == "on"
        if wishes.mode("pose") == "off":
            return rgba
        editor = choose_editor(self._editing, wishes.editor) if self._editing else None
        if self._editing is None or editor is None:
            if is_by_hand:
                raise _no_editor(self._editing)
            if codes & _POSE_CODES:
                log.tell("pose", _NO_EDITOR)
            return rgba
        person = self._editing.reader.measure(rgba) if self._editing.reader else None
        is_needed = not person.is_a_pose if person is not None and person.is_human else bool(codes & _POSE_CODES)
        if not (is_by_hand or is_needed):
            return rgba
        case = self._case_of(rgba, wishes.kind, person)
        if case == "other" and not is_by_hand:
            log.tell("pose", "kept: an animal or an object is not posed unless it is asked for")
            return rgba
        return self._have_edited(rgba, case, editor, self._editing.judge, log, ctx)

    def _have_edited(
        self, rgba: UInt8, case: EditCase, editor: PoseEditor, judge: Judge, log: StepLog, ctx: RunContext
    ) -> UInt8:  # (H, W, 4) uint8
        told = EditContext(
            case=case,
            seed=ctx.seed,
            raise_if_cancelled=ctx.raise_if_cancelled,
            progress=lambda done, total: ctx.progress(4 + done / total, _STEPS),
            note=ctx.note,
        )
        edit = edit_subject(rgba, editor, judge, told, lambda drawn: self._cut_out(drawn, ctx).rgba)
        log.show("pose", edit.drawn)
        if edit.sentence:
            ctx.note(edit.sentence)
        name = f"{editor.name}, {editor.title}"
        done = f"{name}, {'put into an A-pose' if case == 'humanoid' else 'turned to the front'}"
        log.tell("pose", done if edit.subject is not None else f"kept: the edit by {name} did not hold")
        return rgba if edit.subject is None else edit.subject

    def _case_of(self, rgba: UInt8, kind: str, person: Any) -> EditCase:
        """Whether the subject has a body that can stand in an A-pose; where nobody says so, as its joints tell, or the
        draft's own skeleton of it. person: a PoseMeasure, None where nobody looked for joints.
        """
        if kind == "auto" and person is not None:
            return "humanoid" if person.is_human else "other"
        if kind == "auto":
            from models.draft.skeleton import estimate_skeleton
            from models.draft.surface import build_mesh

            built = build_mesh(self._framing.frame_subject(rgba).rgba)
            kind = estimate_skeleton(built.vertices, built.faces).kind
        return "humanoid" if kind == "humanoid" else "other"

    def _straighten(
        self, rgba: UInt8, is_sure: bool, wishes: StepWishes, log: StepLog, ctx: RunContext
    ) -> UInt8 | None:  # (H, W, 4) uint8
        if not wishes.wants("tilt", is_sure):
            return None
        degrees = self._diagnose.measure_tilt(rgba).degrees
        if not degrees:
            return None
        from models.draft.straighten import straighten

        upright: UInt8 = straighten(rgba, degrees)
        log.tell("tilt", f"draft, turned by {abs(degrees):.0f}° {'clockwise' if degrees > 0 else 'counter-clockwise'}")
        log.show("tilt", upright)
        ctx.note(f"The subject leaned by {abs(degrees):.0f}°: it was straightened.")
        return upright

    def _frame(self, rgba: UInt8, wishes: StepWishes, log: StepLog) -> Any:
        """A models.draft.framing.Framed."""
        if wishes.mode("framing") == "off":
            log.tell("framing", "off, padded to a square")
            return self._framing.pad_square(rgba)
        framed = self._framing.frame_subject(rgba, has_size="resolution" in {item.step for item in log.pictures})
        size = f", interpolated to {framed.scale:.1f} times its size" if framed.scale >= _TOLD_SCALE else ""
        log.tell("framing", f"centred and squared{size}")
        return framed


@contextmanager
def _subject_errors() -> Iterator[None]:
    """The classical code's refusals as errors of the tree."""
    from models.draft.errors import DraftError

    try:
        yield
    except DraftError as error:
        message, _, hint = str(error).partition(". ")
        raise NoSubject(
            f"{message.rstrip('.')}.", hint or "Use a picture in which the character stands out."
        ) from error


def _no_editor(editing: Editing | None) -> FigurineError:
    """Why an edit that was asked for by hand cannot be made."""
    if editing is not None and "local" in editing.absent:
        return editing.absent["local"]
    return EngineUnavailable(
        "No editor of pose and view is set up here, and the draft engine changes neither.",
        "Set the step pose to auto or off, or set up an editor as docs/pose-edit.md says.",
    )


def _opaque(rgba: UInt8) -> UInt8:  # (H, W, 4) uint8
    return np.dstack([rgba[..., :3], np.full(rgba.shape[:2], 255, np.uint8)])
