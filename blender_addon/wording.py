# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's words for stages, engines, states and times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

# In the order in which they run.
STAGE_LABELS: Mapping[str, str] = {
    "normalize": "Cut Out",
    "geometry": "Shape",
    "texture": "Texture",
    "rig": "Skeleton",
    "export": "Files",
}
# The pictures of a job that waits, in the order in which each comes of the one before.
PICTURE_LABELS: Mapping[str, str] = {
    "before": "Before",
    "background": "Cut Out",
    "resolution": "Enlarged",
    "tilt": "Upright",
    "pose": "Redrawn",
    "after": "After",
}
STATE_LABELS: Mapping[str, str] = {
    "sending": "Sending",
    "queued": "In the queue",
    "running": "Running",
    "waiting": "Waiting",
    "fetching": "Fetching",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "lost": "Lost",
}
# What still goes on by itself, or can: such a job can be cancelled.
OPEN_STATES = ("sending", "queued", "running", "waiting", "fetching")
# Not on the server any more, or never again: such a job can be tried again, deleted or run anew.
ENDED_STATES = ("done", "failed", "cancelled", "lost")


def stage_label(stage: str) -> str:
    """The stage's name for the artist; a stage of a later server keeps its own."""
    return STAGE_LABELS.get(stage, stage.replace("_", " ").title())


def sentence_case(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """A time as people say it: "a moment", "12 s", "3 min"."""
    if seconds < 1:
        return "a moment"
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min"


def percent(fraction: float) -> str:
    """0..1 as whole per cent, never rounded up to 100."""
    return f"{math.floor(min(max(fraction, 0.0), 1.0) * 100)} %"


def wrapped(text: str, width_px: float, measure: Callable[[str], float]) -> list[str]:
    """The text in lines that fit. measure: a line's width in pixels. A word that is too long is broken."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            joined = f"{line} {word}" if line else word
            if measure(joined) <= width_px:
                line = joined
                continue
            if line:
                lines.append(line)
            pieces = _broken(word, width_px, measure)
            lines.extend(pieces[:-1])
            line = pieces[-1]
        lines.append(line)
    return lines


def _broken(word: str, width_px: float, measure: Callable[[str], float]) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and measure(pieces[-1] + letter) > width_px:
            pieces.append("")
        pieces[-1] += letter
    return pieces
