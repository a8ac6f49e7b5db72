# SPDX-License-Identifier: GPL-3.0-or-later
"""What every instruction editor is given: the cut-out subject on a plain colour that it lacks, and the words."""

from __future__ import annotations

from dataclasses import dataclass

from inference_server.core.types import UInt8
from inference_server.stages.normalize.edit_prompt import AspectRatio, build_prompt, choose_aspect_ratio
from inference_server.stages.normalize.editing import EditCase

# Editors reduce what they are given to about a megapixel.
SENT_SIDE_PX = 1024
# Arms that will be spread need room, and a subject at the edge reads as cut off.
SENT_MARGIN_SHARE = 0.09


@dataclass(frozen=True, eq=False)
class EditRequest:
    """picture: (S, S, 3) uint8. prompt: what to make of it. aspect_ratio: of the answer."""

    picture: UInt8
    prompt: str
    aspect_ratio: AspectRatio


def prepare_edit(rgba: UInt8, case: EditCase) -> EditRequest:  # rgba: (H, W, 4) uint8, the subject cut out
    """Frame the subject, lay it on a screen, and say what to draw. Raises NoSubjectFound."""
    from models.draft.framing import frame_subject
    from models.draft.screen import choose_screen, lay_on

    framed = frame_subject(rgba, SENT_SIDE_PX, round(SENT_MARGIN_SHARE * SENT_SIDE_PX)).rgba
    screen = choose_screen(framed)
    return EditRequest(lay_on(framed, screen), build_prompt(case, screen.name), choose_aspect_ratio(case, framed))
