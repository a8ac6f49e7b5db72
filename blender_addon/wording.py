# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's words for stages, engines, states and times."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from .phrases import Phrase, phrase

# In the order in which they run.
STAGE_LABELS: Mapping[str, Phrase] = {
    "normalize": phrase("Cut Out"),
    "geometry": phrase("Shape"),
    "texture": phrase("Texture"),
    "rig": phrase("Skeleton"),
    "export": phrase("Files"),
}
# The pictures of a job that waits, in the order in which each comes of the one before.
PICTURE_LABELS: Mapping[str, Phrase] = {
    "before": phrase("Before"),
    "background": phrase("Cut Out"),
    "resolution": phrase("Enlarged"),
    "tilt": phrase("Upright"),
    "pose": phrase("Redrawn"),
    "after": phrase("After"),
}
STATE_LABELS: Mapping[str, Phrase] = {
    "sending": phrase("Sending"),
    "queued": phrase("In the queue"),
    "running": phrase("Running"),
    "waiting": phrase("Waiting"),
    "fetching": phrase("Fetching"),
    "done": phrase("Done"),
    "failed": phrase("Failed"),
    "cancelled": phrase("Cancelled"),
    "lost": phrase("Lost"),
}
ENGINE_LABELS: Mapping[str, Phrase] = {"draft": phrase("draft"), "neural": phrase("neural"), "hosted": phrase("hosted")}
# What still goes on by itself, or can: such a job can be cancelled.
OPEN_STATES = ("sending", "queued", "running", "waiting", "fetching")
# Not on the server any more, or never again: such a job can be tried again, deleted or run anew.
ENDED_STATES = ("done", "failed", "cancelled", "lost")


def engine_label(engine: str) -> str:
    """The engine's name within a sentence; an engine of a later server keeps its own."""
    return ENGINE_LABELS.get(engine, engine)


# Chinese and Japanese have no spaces: a line may end after any of their signs, but not before a closing one nor after
# an opening one.
_OPENING, _CLOSING = "「『（《", "」』）》、。，：；！？・ー…"
_SIGN = "\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"
_UNITS = re.compile(rf"(\s*)([{_OPENING}]*[{_SIGN}][{_CLOSING}]*|[^\s{_SIGN}]+[{_CLOSING}]*)")


def stage_label(stage: str) -> str:
    """The stage's name for the artist; a stage of a later server keeps its own."""
    return STAGE_LABELS.get(stage, stage.replace("_", " ").title())


def sentence_case(text: str) -> str:
    """The text with a capital letter at its beginning; a phrase stays one."""
    return text.recased(sentence_case) if isinstance(text, Phrase) else text[:1].upper() + text[1:]


def duration(seconds: float) -> Phrase:
    """A time as people say it: "a moment", "12 s", "3 min"."""
    if seconds < 1:
        return phrase("a moment")
    if seconds < 90:
        return phrase("{seconds} s", seconds=round(seconds))
    return phrase("{minutes} min", minutes=round(seconds / 60))


def percent(fraction: float) -> str:
    """0..1 as whole per cent, never rounded up to 100."""
    return f"{math.floor(min(max(fraction, 0.0), 1.0) * 100)} %"


def wrapped(text: str, width_px: float, measure: Callable[[str], float]) -> list[str]:
    """The text in lines that fit. measure: a line's width in pixels. A word that is too long is broken."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for found in _UNITS.finditer(paragraph):
            gap, word = found.groups()
            joined = f"{line} {word}" if line and gap else f"{line}{word}"
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
