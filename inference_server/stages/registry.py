# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine does which stage on this machine. A new engine is one module here and one word in core/chains.py: the
class DraftRig of the module rig/draft.py is the draft engine of the rig stage.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from inference_server.core.chains import ENGINES
from inference_server.core.choices import EnginePolicy
from inference_server.core.pipeline import StageChoice
from inference_server.core.stage import Requirements, Stage
from inference_server.core.types import Engine, StageName
from inference_server.errors import EngineUnavailable, WeightsMissing
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.normalize.editing import Editing
from inference_server.weights import WeightStore

_NO_NEURAL = "this version of Figurine has no neural engine for this stage"
_NO_GPU = "there is no GPU here, and on a CPU the network takes hours; choose neural to have it all the same"
_NO_NETWORKS = "the networks' libraries are not installed: pip install 'figurine[neural]'"


class EngineRegistry:
    """Builds stages on first use and keeps them."""

    def __init__(
        self,
        blender: BlenderProcess,
        weights: WeightStore,
        set_up_editing: Callable[[], Editing] | None = None,
        *,
        is_compiled: bool = False,
        is_cpu_enough: bool = False,
    ) -> None:
        """set_up_editing: looks which editors of pose and view there are; asked again for each job, because weights may
        have come since. is_compiled: networks that can go through torch.compile do.
        is_cpu_enough: `auto` takes networks that want a GPU without one, too.
        """
        self._is_compiled = is_compiled
        self._is_cpu_enough = is_cpu_enough
        self._blender = blender
        self._weights = weights
        self._set_up_editing = set_up_editing
        self._editing: Editing | None = None
        self._built: dict[tuple[StageName, Engine], Stage[Any, Any]] = {}

    def choose(self, stage: StageName, policy: EnginePolicy) -> StageChoice:
        """The stage for this policy; `auto` prefers neural and says why it took draft.

        Raises EngineUnavailable, WeightsMissing, WeightsCorrupt.
        """
        if stage == "normalize":
            self._refresh_editing()
        if stage == "export":
            return StageChoice(self._build(stage, "blender", lambda: _class_of(stage, "blender")(self._blender)))
        if policy == "draft":
            return StageChoice(self._draft(stage))
        try:
            found = self._neural(stage)
        except EngineUnavailable as error:
            if policy == "neural":
                raise
            return StageChoice(self._draft(stage), str(error) if isinstance(error, WeightsMissing) else error.message)
        if policy == "auto" and self.waits_for_gpu(found.requires) and not has_gpu():
            return StageChoice(self._draft(stage), _NO_GPU)
        return StageChoice(found)

    def waits_for_gpu(self, requires: Requirements) -> bool:
        """Whether nobody gets it without a GPU who did not ask for it."""
        return requires.wants_gpu and not self._is_cpu_enough

    def _draft(self, stage: StageName) -> Stage[Any, Any]:
        return self._build(stage, "draft", lambda: _class_of(stage, "draft")(*self._extras(stage, "draft")))

    def _neural(self, stage: StageName) -> Stage[Any, Any]:
        """Raises EngineUnavailable where this version or this machine cannot, WeightsMissing, WeightsCorrupt."""
        choose_draft = "Choose the draft engine, or auto."
        if "neural" not in ENGINES[stage]:
            raise EngineUnavailable(_NO_NEURAL, choose_draft)
        if importlib.util.find_spec("torch") is None:
            raise EngineUnavailable(_NO_NETWORKS, choose_draft)
        return self._build(
            stage, "neural", lambda: _class_of(stage, "neural")(self._weights, *self._extras(stage, "neural"))
        )

    def _refresh_editing(self) -> None:
        """Build the stage anew where its editors are others than they were."""
        editing = self._set_up_editing() if self._set_up_editing else None
        if editing is not None and (self._editing is None or editing.state != self._editing.state):
            self._editing = editing
            self._built = {key: built for key, built in self._built.items() if key[0] != "normalize"}

    def _extras(self, stage: StageName, engine: Engine) -> tuple[Any, ...]:
        if stage == "normalize":
            return (self._editing,)
        return (self._is_compiled,) if (stage, engine) == ("geometry", "neural") else ()

    def _build(self, stage: StageName, engine: Engine, build: Callable[[], Stage[Any, Any]]) -> Stage[Any, Any]:
        if (stage, engine) not in self._built:
            self._built[stage, engine] = build()
        return self._built[stage, engine]


def has_gpu() -> bool:
    """Whether torch, which must be there, finds a device faster than the CPU."""
    from models.common.device import pick_device

    return bool(pick_device("auto").type != "cpu")


def _class_of(stage: StageName, engine: Engine) -> Any:
    module = importlib.import_module(f"inference_server.stages.{stage}.{engine}")
    return getattr(module, f"{engine.title()}{stage.title()}")
