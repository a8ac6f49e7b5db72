# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's fields mean to the server."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

# Blender's names hold 63 bytes; the armature's ends in _rig.
_LONGEST_NAME_BYTES = 59
# Blender's floats are single precision, and went through the scene's unit.
_SAME_SIZE = 1e-5
_SEEDS = 2**32
# Device names that Windows takes for no file, whatever their extension.
_RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True)
class NeuralShape:
    """What the artist asks of neural geometry, as the server documents it. The defaults are the server's."""

    steps: int = 50
    guidance: float = 7.5
    resolution: int = 384
    faces: int = 50_000
    symmetry: str = "auto"
    edges: str = "auto"
    speed: str = "exact"
    candidates: int = 1


@dataclass(frozen=True)
class NeuralBones:
    """What the artist asks of the neural rig, as the server documents it. The defaults are the server's."""

    beams: int = 15
    skin: str = "engine"


@dataclass(frozen=True)
class Wishes:
    """The request as the artist set it. name: "" for the picture's. height_m: 0 for automatic. pause_after: "" for
    never. pose_edit: "off", or who redraws the pose: "auto" where the picture needs it, "local" or "hosted" by hand.
    The rest as the server documents it.
    """

    name: str = ""
    engine: str = "auto"
    kind: str = "auto"
    height_m: float = 0.0
    seed: int = 0
    depth: float = 1.0
    texture_px: int = 2048
    pause_after: str = ""
    neural: NeuralShape = NeuralShape()
    bones: NeuralBones = NeuralBones()
    pose_edit: str = "auto"
    texture_steps: int = 50

    @property
    def leaves_the_computer(self) -> bool:
        """Whether the picture will be sent to a service on the internet."""
        return self.pose_edit == "hosted"


@dataclass(frozen=True)
class Shape:
    """What a rerun can change of the character. height_m: 0.0 for automatic. The rest as the server documents it."""

    kind: str = "auto"
    height_m: float = 0.0
    depth: float = 1.0


# After these a job that textures a mesh can wait.
TEXTURE_STAGES = ("normalize", "texture")
# Steps of the normalization that can be chosen, in the order in which they are done.
STEPS = ("background", "resolution", "pose", "tilt", "framing")


@dataclass(frozen=True)
class Treatment:
    """What can be changed of a job that waits. engine: of the cut-out. steps: "auto", "on" or "off" by step. editor: of
    pose and view, as the server documents it.
    """

    shape: Shape
    engine: str
    steps: Mapping[str, str]
    editor: str


def treatment_of(settings: Mapping[str, Any]) -> Treatment:
    """Of a job with these settings."""
    usual = settings.get("normalize", "auto")
    chosen = settings.get("normalize_steps", {})
    return Treatment(
        shape=shape_of(settings),
        engine=settings.get("engines", {}).get("normalize", settings.get("engine", "auto")),
        steps={step: chosen.get(step, usual) for step in STEPS},
        editor=settings.get("editor", "auto"),
    )


def changed_treatment(settings: Mapping[str, Any], wanted: Treatment) -> Mapping[str, Any]:
    """The settings that have to be sent to change a job with these to what is wanted."""
    before = treatment_of(settings)
    document = dict(changed_settings(before.shape, wanted.shape))
    if wanted.engine != before.engine:
        document["engines"] = {**settings.get("engines", {}), "normalize": wanted.engine}
    steps = {step: mode for step, mode in wanted.steps.items() if mode != before.steps[step]}
    if steps:
        document["normalize_steps"] = {**settings.get("normalize_steps", {}), **steps}
    if wanted.editor != before.editor:
        document["editor"] = wanted.editor
    return document


def shape_of(settings: Mapping[str, Any]) -> Shape:
    """Of a job with these settings; what is missing or None is automatic."""
    known = {item.name: settings.get(item.name) for item in fields(Shape)}
    return Shape(**{name: value for name, value in known.items() if value is not None})


def changed_settings(before: Shape, wanted: Shape) -> Mapping[str, Any]:
    """The settings that a rerun has to send to come from one to the other."""
    document: dict[str, Any] = {}
    if wanted.kind != before.kind:
        document["kind"] = wanted.kind
    if not math.isclose(wanted.height_m, before.height_m, rel_tol=_SAME_SIZE):
        document["height_m"] = round(wanted.height_m, 6) or None
    if not math.isclose(wanted.depth, before.depth, rel_tol=_SAME_SIZE):
        document["depth"] = round(wanted.depth, 4)
    return document


def candidates_of(settings: Mapping[str, Any]) -> int:
    """How many shapes a job with these settings makes, of which one is to be chosen: 1 where there is no choice."""
    count = settings.get("candidates")
    return count if isinstance(count, int) else 1


def chosen_candidate(settings: Mapping[str, Any], candidate: int) -> Mapping[str, Any]:
    """The settings with which a job that waits goes on with one of its shapes. candidate: from 0 on."""
    seeds = dict(settings.get("seeds") or {})
    seed = seeds.get("geometry", settings.get("seed", 0))
    return {"seeds": {**seeds, "geometry": (seed + candidate) % _SEEDS}}


def settings_document(wishes: Wishes, picture: Path) -> Mapping[str, Any]:
    """The `settings` of a job. What is automatic is left out."""
    document: dict[str, Any] = {
        "name": safe_name(wishes.name or picture.stem),
        "engine": wishes.engine,
        "kind": wishes.kind,
        "seed": wishes.seed,
        "depth": round(wishes.depth, 4),  # Blender's floats are single precision
        "texture_px": wishes.texture_px,
    }
    if wishes.height_m > 0:
        document["height_m"] = round(wishes.height_m, 6)
    if wishes.texture_steps != Wishes.texture_steps:
        document["texture_steps"] = wishes.texture_steps
    if wishes.pause_after:
        document["pause_after"] = wishes.pause_after
    usual = asdict(NeuralShape()) | asdict(NeuralBones())
    chosen = asdict(wishes.neural) | asdict(wishes.bones)
    document |= {name: value for name, value in chosen.items() if value != usual[name]}
    if wishes.pose_edit != "auto":
        document["normalize_steps"] = {"pose": "off" if wishes.pose_edit == "off" else "on"}
    if wishes.pose_edit in ("local", "hosted"):
        document["editor"] = wishes.pose_edit
    return document


def texture_document(wishes: Wishes, target: str) -> Mapping[str, Any]:
    """The `settings` of a job that textures a mesh. target: the object's name."""
    document: dict[str, Any] = {
        "name": safe_name(wishes.name or target),
        "engine": wishes.engine,
        "seed": wishes.seed,
        "texture_px": wishes.texture_px,
    }
    if wishes.texture_steps != Wishes.texture_steps:
        document["texture_steps"] = wishes.texture_steps
    if wishes.pause_after in TEXTURE_STAGES:
        document["pause_after"] = wishes.pause_after
    return document


def rig_document(wishes: Wishes, target: str) -> Mapping[str, Any]:
    """The `settings` of a job that finds bones for meshes. target: the name of the first."""
    return {**skin_document(wishes, wishes.name or target), "kind": wishes.kind}


def skin_document(wishes: Wishes, target: str) -> Mapping[str, Any]:
    """The `settings` of a job that binds meshes to bones. target: the armature's name."""
    usual, chosen = asdict(NeuralBones()), asdict(wishes.bones)
    return {
        "name": safe_name(target),
        "engine": wishes.engine,
        "seed": wishes.seed,
        "outputs": "rig",
        **{name: value for name, value in chosen.items() if value != usual[name]},
    }


def safe_name(text: str) -> str:
    """A name that the server accepts, from any text: letters, digits, - and _ are kept."""
    kept = re.sub(r"[^\w\-]+", "_", unicodedata.normalize("NFKC", text)).strip("_")
    kept = kept.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore").strip("_")
    if not kept:
        return "figurine"
    return f"{kept}_" if kept.lower() in _RESERVED_NAMES else kept
