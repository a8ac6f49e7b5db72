# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of engines as the configuration wants it."""

from __future__ import annotations

from functools import partial

from inference_server.config import Config
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.normalize.editors import EditorChoices, set_up_editors
from inference_server.stages.normalize.hosted_editor import HostedEditor
from inference_server.stages.registry import EngineRegistry
from inference_server.weights import WeightStore, read_manifest


def build_registry(config: Config, blender: BlenderProcess) -> EngineRegistry:
    """Nothing is loaded. The hosted editor is there only where the configuration allows it."""
    weights = WeightStore(config.weights_root, read_manifest())
    hosted = HostedEditor(config.hosted_model, config.gemini_key, config.hosted_url) if config.hosted_editor else None
    return EngineRegistry(
        blender,
        weights,
        partial(set_up_editors, weights, EditorChoices(config.local_editor, hosted)),
        is_compiled=config.compile_networks,
        is_cpu_enough=config.networks_on_cpu,
    )
