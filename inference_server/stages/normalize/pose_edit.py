# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose and view by an instruction editor, from the cut-out subject to a checked cut-out of the edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from inference_server.core.codec import png_bytes
from inference_server.core.types import UInt8
from inference_server.stages.normalize.edit_prompt import EditCase, build_prompt, choose_aspect_ratio
from inference_server.stages.normalize.hosted_editor import EditedImage

# Editors reduce what they are given to about a megapixel.
SENT_SIDE_PX = 1024
# Arms that will be spread need room, and a subject at the edge reads as cut off.
SENT_MARGIN_PX = 96


class Editor(Protocol):
    """Redraws a picture as it is told; `HostedEditor` is one."""

    def edit(
        self, picture: bytes, prompt: str, raise_if_cancelled: Callable[[], None], aspect_ratio: str = "1:1"
    ) -> EditedImage:
        """picture: an RGB PNG."""


@dataclass(frozen=True)
class PoseEdit:
    """What came of an edit.

    sent: (S, S, 3) uint8, the picture that the editor saw. edited: what it drew.
    rgba: (H, W, 4) uint8, the edit cut out, in its own frame; None where the edit was not accepted.
    sentence: why it was not, or what to know about it; may be empty.
    """

    sent: UInt8
    edited: EditedImage
    rgba: UInt8 | None
    sentence: str


def edit_pose(
    rgba: UInt8,
    case: EditCase,
    editor: Editor,
    cut_out: Callable[[UInt8], UInt8],
    raise_if_cancelled: Callable[[], None],
) -> PoseEdit:  # rgba: (H, W, 4) uint8, the subject cut out
    """Have the subject turned to the front, and a humanoid put into an A-pose; take the edit only if it holds.

    cut_out: opaque (H, W, 4) uint8 to the same size with the subject's alpha; may raise NoSubjectFound.
    Raises what the editor raises, and NoSubjectFound when `rgba` is empty.
    """
    from models.draft.errors import NoSubjectFound
    from models.draft.framing import frame_subject
    from models.draft.screen import choose_screen, lay_on
    from models.draft.verify_edit import verify_edit

    before = frame_subject(rgba, SENT_SIDE_PX, SENT_MARGIN_PX).rgba
    screen = choose_screen(before)
    sent = lay_on(before, screen)
    prompt = build_prompt(case, screen.name)
    edited = editor.edit(png_bytes(sent), prompt, raise_if_cancelled, choose_aspect_ratio(case, before))
    try:
        after = cut_out(_opaque(edited.rgb))
        verdict = verify_edit(before, after, "a_pose" if case == "humanoid" else "as_it_is")
    except NoSubjectFound:
        return PoseEdit(sent, edited, None, "The edited picture was not used, because it is empty.")
    return PoseEdit(sent, edited, after if verdict.is_accepted else None, verdict.sentence)


def _opaque(rgb: UInt8) -> UInt8:
    return np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], axis=2)
