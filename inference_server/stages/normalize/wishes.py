# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps of the normalization are wanted, and what they leave behind for the artist to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from inference_server.core.choices import EditorChoice, KindChoice, NormalizeStep, StepMode
from inference_server.core.stage import RunContext
from inference_server.core.types import Diagnosis, StepPicture, UInt8

SETTING_NAMES = ("normalize", "normalize_steps", "editor")
# Only an editor reads it, so without one it does not make a kept result useless.
EDITOR_SETTING_NAMES = ("kind",)
# From this severity on a finding is worth a line in the report; the rest is kept with the result.
_NOTED_SEVERITY = 0.5
# The cut-out says it better than the finding does.
_TOLD_ELSEWHERE = "busy_background"


class StepWishes:
    """The settings of a job, read step by step."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings

    def mode(self, step: NormalizeStep) -> StepMode:
        """What was chosen for this step, or for all."""
        mode: StepMode = self._settings["normalize_steps"].get(step, self._settings["normalize"])
        return mode

    def wants(self, step: NormalizeStep, is_asked_for: bool) -> bool:
        """Whether to do a step. is_asked_for: by the diagnoses, which "auto" follows."""
        mode = self.mode(step)
        return mode == "on" or (mode == "auto" and is_asked_for)

    @property
    def editor(self) -> EditorChoice:
        """Who changes pose and view."""
        choice: EditorChoice = self._settings["editor"]
        return choice

    @property
    def kind(self) -> KindChoice:
        """What body the artist says it is."""
        kind: KindChoice = self._settings["kind"]
        return kind


class StepLog:
    """What was done to a picture, in order."""

    def __init__(self, ctx: RunContext) -> None:
        self.steps: list[str] = []
        self.pictures: list[StepPicture] = []
        self._ctx = ctx

    def tell(self, step: NormalizeStep, what: str) -> None:
        """A step that was done, or why one that was asked for was not. what: begins with the engine."""
        self.steps.append(f"{step}: {what}")

    def show(self, step: Literal["background", "resolution", "pose", "tilt"], rgba: UInt8) -> None:
        """Keep what the picture is now: (H, W, 4) uint8."""
        self.pictures.append(StepPicture(step, rgba))

    def note_findings(self, diagnoses: tuple[Diagnosis, ...], cured: frozenset[str]) -> None:
        """Tell the artist of what will harm the model. cured: codes of what a step repaired."""
        for diagnosis in diagnoses:
            if diagnosis.severity >= _NOTED_SEVERITY and diagnosis.code not in {_TOLD_ELSEWHERE, *cured}:
                self._ctx.note(diagnosis.sentence)
