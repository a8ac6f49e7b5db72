# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft normalization: the subject cut out, examined, centred and squared. No pose or view is changed."""

from __future__ import annotations

from typing import ClassVar

from inference_server.core.stage import Requirements, RunContext
from inference_server.core.types import Engine, StageName, UInt8
from inference_server.stages.normalize.subject import Subject, SubjectNormalize


class DraftNormalize(SubjectNormalize):
    """Alpha of the picture where it has one, a classical cut-out otherwise."""

    name: ClassVar[StageName] = "normalize"
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 2
    requires: ClassVar[Requirements] = Requirements(peak_bytes=1 << 30)
    setting_names: ClassVar[tuple[str, ...]] = ()
    uses_seed: ClassVar[bool] = False

    def unload(self) -> None:
        """Nothing is held."""

    def _cut_out(self, rgba: UInt8, ctx: RunContext) -> Subject:
        cutout = self._matting.cut_out(rgba)
        return Subject(cutout.rgba, cutout.method, cutout.is_sure, cutout.warnings)
