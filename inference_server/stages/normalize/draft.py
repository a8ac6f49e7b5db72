# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft normalization: the subject cut out, examined, enlarged by interpolation, straightened and squared. No pose or
view is changed, unless an editor is set up for that.
"""

from __future__ import annotations

from typing import ClassVar

from inference_server.core.stage import Requirements, RunContext
from inference_server.core.types import Engine, StageName, UInt8
from inference_server.stages.normalize.chain import NormalizeChain, Subject
from inference_server.stages.normalize.editing import Editing

_PEAK_BYTES = 1 << 30


class DraftNormalize(NormalizeChain):
    """Alpha of the picture where it has one, a classical cut-out otherwise."""

    name: ClassVar[StageName] = "normalize"
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 4
    requires: Requirements

    def __init__(self, editing: Editing | None = None) -> None:
        super().__init__(editing)
        self.requires = (
            Requirements(
                _PEAK_BYTES + editing.peak_bytes, weight_digests=editing.weight_digests, services=editing.services
            )
            if editing
            else Requirements(_PEAK_BYTES)
        )

    def _cut_out(self, rgba: UInt8, ctx: RunContext) -> Subject:
        cutout = self._matting.cut_out(rgba)
        return Subject(cutout.rgba, "draft, told from the colours at the border", cutout.is_sure, cutout.warnings)

    def _enlarge(self, rgba: UInt8, factor: float, ctx: RunContext) -> tuple[UInt8, str]:
        return self._interpolate(rgba, factor)
