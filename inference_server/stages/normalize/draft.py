# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft normalization: the subject cut out, examined, centred and squared. No pose or view is changed."""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Diagnosis, Engine, NormalizedImage, SourceImage, StageName
from inference_server.errors import NoSubject

SIDE_PX = 1024
# From this severity on a finding is worth a line in the report; the rest is kept with the result.
_NOTED_SEVERITY = 0.5


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
        serious = [
            finding.sentence
            for finding in findings
            if finding.severity >= _NOTED_SEVERITY and finding.code != "busy_background"  # the cut-out says it better
        ]
        for sentence in (*cutout.warnings, *serious):
            ctx.note(sentence)
        steps = (f"background: {cutout.method}", "framing: centred and squared")
        diagnoses = tuple(
            Diagnosis(finding.code, finding.measure, finding.severity, finding.sentence) for finding in findings
        )
        return NormalizedImage(framed.rgba, steps, diagnoses, framed.subject_fraction)

    def unload(self) -> None:
        """Nothing is held."""
