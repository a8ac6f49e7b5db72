# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found about a picture, told to the artist and kept with the result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inference_server.core.stage import RunContext
from inference_server.core.types import Diagnosis

# From this severity on a finding is worth a line in the report; the rest is kept with the result.
_NOTED_SEVERITY = 0.5
# The cut-out says it better than the finding does.
_TOLD_ELSEWHERE = "busy_background"


def tell_findings(findings: Iterable[Any], ctx: RunContext) -> tuple[Diagnosis, ...]:
    """findings: those of models.draft.diagnose, worst first. Notes the serious ones."""
    diagnoses = tuple(Diagnosis(item.code, item.measure, item.severity, item.sentence) for item in findings)
    for diagnosis in diagnoses:
        if diagnosis.severity >= _NOTED_SEVERITY and diagnosis.code != _TOLD_ELSEWHERE:
            ctx.note(diagnosis.sentence)
    return diagnoses


def tell_framing(scale: float) -> str:
    """The step that centred the subject. scale: pixels of the square a pixel of the picture."""
    size = f", interpolated to {scale:.1f} times its size" if scale > 1.0 else ""
    return f"framing: centred and squared{size}"
