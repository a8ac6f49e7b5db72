# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft normalization: the subject cut out, examined, centred and squared. No pose or view is changed."""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, NormalizedImage, SourceImage, StageName
from inference_server.errors import NoSubject
from inference_server.stages.normalize.findings import tell_findings, tell_framing

SIDE_PX = 1024


class DraftNormalize:
    """Alpha of the picture where it has one, a classical cut-out otherwise."""

    name: ClassVar[StageName] = "normalize"
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 2
    requires: ClassVar[Requirements] = Requirements(peak_bytes=1 << 30)
    setting_names: ClassVar[tuple[str, ...]] = ()
    uses_seed: ClassVar[bool] = False

    _matting: ModuleType
    _diagnose: ModuleType
    _framing: ModuleType

    def load(self, device: Device) -> None:
        """Import the classical code."""
        from models.draft import diagnose, framing, matting

        self._matting, self._diagnose, self._framing = matting, diagnose, framing

    def run(self, value: SourceImage, ctx: RunContext) -> NormalizedImage:
        """Raises NoSubject."""
        from models.draft.errors import DraftError

        for sentence in value.notes:
            ctx.note(sentence)
        try:
            cutout = self._matting.cut_out(value.rgba)
            findings = self._diagnose.diagnose(cutout.rgba, is_outline_sure=cutout.is_sure)
            ctx.progress(2, 3)
            framed = self._framing.frame_subject(cutout.rgba, size=SIDE_PX)
        except DraftError as error:
            message, _, hint = str(error).partition(". ")
            raise NoSubject(
                f"{message.rstrip('.')}.", hint or "Use a picture in which the character stands out."
            ) from error
        for sentence in cutout.warnings:
            ctx.note(sentence)
        steps = (f"background: {cutout.method}", tell_framing(framed.scale))
        diagnoses = tell_findings(findings, ctx)
        return NormalizedImage(framed.rgba, steps, diagnoses, framed.subject_fraction)

    def unload(self) -> None:
        """Nothing is held."""
