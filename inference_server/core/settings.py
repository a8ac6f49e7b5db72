# SPDX-License-Identifier: GPL-3.0-or-later
"""What the caller of a job may choose."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_args, get_type_hints

from inference_server.core.choices import (
    Edges,
    EditorChoice,
    EnginePolicy,
    ExistingRig,
    KindChoice,
    NormalizeMode,
    NormalizeStep,
    Outputs,
    SkinChoice,
    Speed,
    StepMode,
    Symmetry,
)
from inference_server.core.hints import describe, fits
from inference_server.core.types import STAGE_NAMES, StageName
from inference_server.errors import SettingInvalid

HEIGHT_RANGE_M = (0.001, 1000.0)
DEPTH_RANGE = (0.1, 3.0)
TEXTURE_SIZES_PX = (1024, 2048, 4096)
STEPS_RANGE = (2, 200)
GUIDANCE_RANGE = (1.0, 20.0)
RESOLUTIONS = (128, 256, 384, 512)
FACES_RANGE = (1_000, 500_000)
CANDIDATES_RANGE = (1, 8)
SEEDS = 2**32
BEAMS_RANGE = (1, 15)
# Blender's names hold 63 bytes; the armature's ends in _rig.
_LONGEST_NAME_BYTES = 59
# Device names that Windows takes for no file, whatever their extension.
_RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True)
class JobSettings:
    """name: of files and objects, as `safe_name` gives it. engine: for every stage that `engines` does not name. kind:
    what body the subject has. height_m: total height for a humanoid, largest side for anything else; None for 1.7 and
    1.0. depth: thickness of a draft, 1 is as estimated. beams: how many skeletons the neural rig writes at once and
    chooses from; 1 is fast and has no chance in it. skin: "draft" binds a neural skeleton with the draft's weights, in
    seconds, while it is still to be edited. existing_rig: what becomes of the rig that a mesh brings: ask fails and
    names the choice, keep takes bones and weights as they are, reweigh the bones alone, replace neither. seeds: by
    stage, where it differs from `seed`. pause_after: the stage whose result the artist wants to see before the job goes
    on. outputs: "rig" ends the job with skeleton and weights, before Blender writes the files.

    Of neural geometry: steps, from noise to shape; guidance, how closely it follows the picture, 1 is loosely;
    resolution, cells a side of the volume that its surface is taken from; faces, the most triangles that it may have;
    symmetry and edges, what it is told to be; speed, "fast" leaves out what changes little; candidates, how many
    shapes are made, of the seed and the next ones, for the artist to choose from: more than one, and the job waits
    after geometry. texture_steps: of the neural texture, from noise to views.

    normalize: for every step of the normalization that `normalize_steps` does not name; auto does what the diagnoses
    ask for, off takes the picture as it is. editor: of pose and view; auto is the local one where it is there, and
    never one that sends the picture away.

    Raises SettingInvalid for a value outside its range.
    """

    name: str = "figurine"
    engine: EnginePolicy = "auto"
    engines: Mapping[StageName, EnginePolicy] = field(default_factory=dict)
    seed: int = 0
    seeds: Mapping[StageName, int] = field(default_factory=dict)
    kind: KindChoice = "auto"
    height_m: float | None = None
    depth: float = 1.0
    steps: int = 50
    guidance: float = 7.5
    resolution: int = 384
    faces: int = 50_000
    symmetry: Symmetry = "auto"
    edges: Edges = "auto"
    speed: Speed = "exact"
    candidates: int = 1
    texture_px: int = 2048
    texture_steps: int = 50
    beams: int = 15
    skin: SkinChoice = "engine"
    existing_rig: ExistingRig = "ask"
    pause_after: StageName | None = None
    outputs: Outputs = "all"
    normalize: NormalizeMode = "auto"
    normalize_steps: Mapping[NormalizeStep, StepMode] = field(default_factory=dict)
    editor: EditorChoice = "auto"

    def __post_init__(self) -> None:
        if self.name != safe_name(self.name):
            raise SettingInvalid(f"The name is {self.name!r}.", f"Choose a name like {safe_name(self.name)!r}.")
        for policy in (self.engine, *self.engines.values()):
            _require_choice("engine", policy, get_args(EnginePolicy))
        for stage in (*self.engines, *self.seeds):
            _require_choice("stage", stage, STAGE_NAMES)
        if self.pause_after is not None:
            _require_choice("stage to pause after", self.pause_after, STAGE_NAMES[:-1])  # nothing follows the last
        for seed in (self.seed, *self.seeds.values()):
            if not 0 <= seed < SEEDS:
                raise SettingInvalid(f"The seed is {seed}.", f"Choose a whole number from 0 to {SEEDS - 1}.")
        _require_choice("kind", self.kind, get_args(KindChoice))
        _require_choice("texture size", self.texture_px, TEXTURE_SIZES_PX)
        _require_choice("choice of outputs", self.outputs, get_args(Outputs))
        _require_choice("choice of skin weights", self.skin, get_args(SkinChoice))
        _require_choice("choice about an existing rig", self.existing_rig, get_args(ExistingRig))
        _require_range("number of beams", self.beams, BEAMS_RANGE)
        _require_choice("normalization", self.normalize, get_args(NormalizeMode))
        for step, mode in self.normalize_steps.items():
            _require_choice("step of the normalization", step, get_args(NormalizeStep))
            _require_choice(f"mode of the step {step}", mode, get_args(StepMode))
        _require_choice("editor", self.editor, get_args(EditorChoice))
        _require_range("depth", self.depth, DEPTH_RANGE)
        _require_range("number of steps", self.steps, STEPS_RANGE)
        _require_range("number of texture steps", self.texture_steps, STEPS_RANGE)
        _require_range("guidance", self.guidance, GUIDANCE_RANGE)
        _require_choice("resolution", self.resolution, RESOLUTIONS)
        _require_range("number of faces", self.faces, FACES_RANGE)
        _require_range("number of candidates", self.candidates, CANDIDATES_RANGE)
        _require_choice("symmetry", self.symmetry, get_args(Symmetry))
        _require_choice("speed", self.speed, get_args(Speed))
        _require_choice("kind of edges", self.edges, get_args(Edges))
        if self.height_m is not None:
            _require_range("height", self.height_m, HEIGHT_RANGE_M)

    def engine_for(self, stage: StageName) -> EnginePolicy:
        """The policy that counts for this stage."""
        return self.engines.get(stage, self.engine)

    def seed_for(self, stage: StageName) -> int:
        """The seed that counts for this stage."""
        return self.seeds.get(stage, self.seed)

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def settings_from_document(document: Mapping[str, Any]) -> JobSettings:
    """Read what `to_document` wrote, or what a client sent; what is missing has its default.

    Raises SettingInvalid for an unknown key, a value of another type, or one outside its range.
    """
    hints = get_type_hints(JobSettings)
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in hints:
            raise SettingInvalid(f"There is no setting {key!r}.", f"Known settings: {', '.join(hints)}.")
        if not fits(value, hints[key]):
            raise SettingInvalid(f"The setting {key} is {value!r}.", f"It must be {describe(hints[key])}.")
        try:
            # JSON has one kind of number: 2 and 2.0 metres are the same setting.
            values[key] = float(value) if type(value) is int and fits(0.5, hints[key]) else value
        except OverflowError as error:
            raise SettingInvalid(f"The setting {key} is too large.", "Choose a smaller number.") from error
    return JobSettings(**values)


def read_normalization(text: str) -> dict[str, Any]:
    """The settings `normalize` and `normalize_steps` from one text: a mode, STEP=MODE, or several with commas.

    "off,background=on" is a mode and a step that differs from it. Raises SettingInvalid.
    """
    chosen: dict[str, Any] = {"normalize": "auto", "normalize_steps": {}}
    for part in text.split(","):
        step, is_step, mode = part.strip().partition("=")
        if is_step:
            chosen["normalize_steps"][step] = mode
        else:
            chosen["normalize"] = step
    JobSettings(**chosen)
    return chosen


def safe_name(text: str) -> str:
    """A name that is a valid file stem on every system, from any text: letters, digits, - and _ are kept."""
    kept = re.sub(r"[^\w\-]+", "_", unicodedata.normalize("NFKC", text)).strip("_")
    kept = kept.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore").strip("_")
    if not kept:
        return "figurine"
    return f"{kept}_" if kept.lower() in _RESERVED_NAMES else kept


def _require_choice(what: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise SettingInvalid(f"The {what} is {value!r}.", f"Choose one of {', '.join(map(str, choices))}.")


def _require_range(what: str, value: float, bounds: tuple[float, float]) -> None:
    if not (math.isfinite(value) and bounds[0] <= value <= bounds[1]):
        raise SettingInvalid(f"The {what} is {value}.", f"Choose a number from {bounds[0]:g} to {bounds[1]:g}.")
