# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine does which stage on this machine. A new engine is one module here and one word in core/chains.py: the
class DraftRig of the module rig/draft.py is the draft engine of the rig stage.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from inference_server.core.chains import ENGINES
from inference_server.core.pipeline import StageChoice
from inference_server.core.stage import Stage
from inference_server.core.types import Engine, EnginePolicy, StageName
from inference_server.errors import EngineUnavailable
from inference_server.stages.blender import BlenderProcess

_NO_NEURAL = "this version of Figurine has no neural engine for this stage"


class EngineRegistry:
    """Builds stages on first use and keeps them."""

    def __init__(self, blender: BlenderProcess) -> None:
        self._blender = blender
        self._built: dict[tuple[StageName, Engine], Stage[Any, Any]] = {}

    def choose(self, stage: StageName, policy: EnginePolicy) -> StageChoice:
        """The stage for this policy; `auto` prefers neural and says why it took draft. Raises EngineUnavailable."""
        if stage == "export":
            return StageChoice(self._build(stage, "blender", lambda: _class_of(stage, "blender")(self._blender)))
        wanted: Engine = "draft" if policy == "draft" else "neural"
        if wanted in ENGINES[stage]:
            return StageChoice(self._draft_or_neural(stage, wanted))
        if policy == "auto":
            return StageChoice(self._draft_or_neural(stage, "draft"), _NO_NEURAL)
        raise EngineUnavailable(
            f"The {wanted} engine cannot do the {stage} stage: {_NO_NEURAL}.", "Choose the draft engine, or auto."
        )

    def _draft_or_neural(self, stage: StageName, engine: Engine) -> Stage[Any, Any]:
        return self._build(stage, engine, lambda: _class_of(stage, engine)())

    def _build(self, stage: StageName, engine: Engine, build: Callable[[], Stage[Any, Any]]) -> Stage[Any, Any]:
        if (stage, engine) not in self._built:
            self._built[stage, engine] = build()
        return self._built[stage, engine]


def _class_of(stage: StageName, engine: Engine) -> Any:
    module = importlib.import_module(f"inference_server.stages.{stage}.{engine}")
    return getattr(module, f"{engine.title()}{stage.title()}")
