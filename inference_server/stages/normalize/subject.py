# SPDX-License-Identifier: GPL-3.0-or-later
"""What every engine of the stage does around its cut-out: examine, centre and square the subject, tell the artist."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from inference_server.core.stage import Device, RunContext
from inference_server.core.types import Diagnosis, NormalizedImage, SourceImage, UInt8
from inference_server.errors import NoSubject

SIDE_PX = 1024
# From this severity on a finding is worth a line in the report; the rest is kept with the result.
_NOTED_SEVERITY = 0.5
# The cut-out says it better than the finding does.
_TOLD_ELSEWHERE = "busy_background"


@dataclass(frozen=True, eq=False)
class Subject:
    """A subject in the frame of its picture. rgba: (H, W, 4) uint8, straight alpha. method: how it was cut out.

    is_outline_sure: whether the outline can be trusted. warnings: sentences for the artist.
    """

    rgba: UInt8
    method: str
    is_outline_sure: bool = True
    warnings: tuple[str, ...] = ()


class SubjectNormalize(ABC):
    """The normalize stage but for the cut-out."""

    _matting: ModuleType
    _diagnose: ModuleType
    _framing: ModuleType

    def load(self, device: Device) -> None:
        """Import the classical code."""
        from models.draft import diagnose, framing, matting

        self._matting, self._diagnose, self._framing = matting, diagnose, framing

    def run(self, value: SourceImage, ctx: RunContext) -> NormalizedImage:
        """Raises NoSubject, and what the cut-out raises."""
        from models.draft.errors import DraftError

        for sentence in value.notes:
            ctx.note(sentence)
        try:
            subject = self._cut_out(value.rgba, ctx)
            findings = self._diagnose.diagnose(subject.rgba, is_outline_sure=subject.is_outline_sure)
            ctx.progress(3, 4)
            framed = self._framing.frame_subject(subject.rgba, size=SIDE_PX)
        except DraftError as error:
            message, _, hint = str(error).partition(". ")
            raise NoSubject(
                f"{message.rstrip('.')}.", hint or "Use a picture in which the character stands out."
            ) from error
        for sentence in subject.warnings:
            ctx.note(sentence)
        steps = (f"background: {subject.method}", _tell_framing(framed.scale))
        return NormalizedImage(framed.rgba, steps, _tell_findings(findings, ctx), framed.subject_fraction)

    @abstractmethod
    def _cut_out(self, rgba: UInt8, ctx: RunContext) -> Subject:
        """rgba: (H, W, 4) uint8, the whole picture. Raises DraftError, and errors of the tree."""


def _tell_findings(findings: Iterable[Any], ctx: RunContext) -> tuple[Diagnosis, ...]:
    """findings: those of models.draft.diagnose, worst first. Notes the serious ones."""
    diagnoses = tuple(Diagnosis(item.code, item.measure, item.severity, item.sentence) for item in findings)
    for diagnosis in diagnoses:
        if diagnosis.severity >= _NOTED_SEVERITY and diagnosis.code != _TOLD_ELSEWHERE:
            ctx.note(diagnosis.sentence)
    return diagnoses


def _tell_framing(scale: float) -> str:
    """The step that centred the subject. scale: pixels of the square a pixel of the picture."""
    size = f", interpolated to {scale:.1f} times its size" if scale > 1.0 else ""
    return f"framing: centred and squared{size}"
