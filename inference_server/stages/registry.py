# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine does which stage on this machine. A new engine is one module and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from inference_server.core.pipeline import StageChoice
from inference_server.core.stage import Stage
from inference_server.core.types import Engine, EnginePolicy, StageName
from inference_server.errors import EngineUnavailable
from inference_server.stages.blender import BlenderProcess

_ENGINES: dict[tuple[StageName, Engine], str] = {
    ("normalize", "draft"): "inference_server.stages.normalize.draft:DraftNormalize",
    ("geometry", "draft"): "inference_server.stages.geometry.draft:DraftGeometry",
    ("texture", "draft"): "inference_server.stages.texture.draft:DraftTexture",
    ("rig", "draft"): "inference_server.stages.rig.draft:DraftRig",
}
_EXPORT = "inference_server.stages.export.blender:BlenderExport"
_NO_NEURAL = "this version of Figurine has no neural engine for this stage"


class EngineRegistry:
    """Builds stages on first use and keeps them."""

    def __init__(self, blender: BlenderProcess) -> None:
        self._blender = blender
        self._built: dict[tuple[StageName, Engine], Stage[Any, Any]] = {}

    def choose(self, stage: StageName, policy: EnginePolicy) -> StageChoice:
        """The stage for this policy; `auto` prefers neural and says why it took draft. Raises EngineUnavailable."""
        if stage == "export":
            return StageChoice(self._build(stage, "blender", lambda: _class_of(_EXPORT)(self._blender)))
        wanted: Engine = "draft" if policy == "draft" else "neural"
        if (stage, wanted) in _ENGINES:
            return StageChoice(self._draft_or_neural(stage, wanted))
        if policy == "auto":
            return StageChoice(self._draft_or_neural(stage, "draft"), _NO_NEURAL)
        raise EngineUnavailable(
            f"The {wanted} engine cannot do the {stage} stage: {_NO_NEURAL}.", "Choose the draft engine, or auto."
        )

    def engines_of(self, stage: StageName) -> tuple[Engine, ...]:
        """The engines that this version has for a stage."""
        return ("blender",) if stage == "export" else tuple(engine for name, engine in _ENGINES if name == stage)

    def _draft_or_neural(self, stage: StageName, engine: Engine) -> Stage[Any, Any]:
        return self._build(stage, engine, lambda: _class_of(_ENGINES[stage, engine])())

    def _build(self, stage: StageName, engine: Engine, build: Callable[[], Stage[Any, Any]]) -> Stage[Any, Any]:
        if (stage, engine) not in self._built:
            self._built[stage, engine] = build()
        return self._built[stage, engine]


def _class_of(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
